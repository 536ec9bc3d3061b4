import type { BridgeNetwork } from '@slipway/network';

/** A network, as it is recorded. */
export interface Network {
  readonly id: string;
  readonly name: string;
  readonly driver: 'bridge' | 'host' | 'null';
  readonly createdAtNs: bigint;
  readonly attachable: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly ipamDriver: string;
  readonly ipamOptions: Readonly<Record<string, string>> | undefined;
  /** Of the driver `bridge` alone. */
  readonly bridge: BridgeNetwork | undefined;
}

const PREDEFINED: ReadonlySet<string> = new Set(['bridge', 'host', 'none']);

/** The networks that are there from the first start, and stay. */
export const isPredefined = ({ name }: Pick<Network, 'name'>): boolean => PREDEFINED.has(name);
