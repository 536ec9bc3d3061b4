/** The label that tells a volume that nobody named. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/** A folder, or a mount, that outlives the containers that use it. */
export interface Volume {
  readonly name: string;
  readonly driver: 'local';
  readonly labels: Readonly<Record<string, string>>;
  /** `type`, `o` and `device` of a mount made for each container; none for a plain folder. */
  readonly options: Readonly<Record<string, string>>;
  readonly createdAtNs: bigint;
  /** The id of the container that an anonymous volume was made for and goes with, until it is kept. */
  readonly madeFor: string | undefined;
}

export const isAnonymous = (volume: Volume): boolean => ANONYMOUS_LABEL in volume.labels;
