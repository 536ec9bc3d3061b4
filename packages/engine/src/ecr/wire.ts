import type { RepositoryDescription } from '../registry/index.ts';
import { type EcrCall, REGISTRY_ID } from './context.ts';
import { ecrError } from './errors.ts';
import type { EcrRecord } from './records.ts';

/** AWS JSON writes times as seconds since the epoch, with a fraction. */
export const toSeconds = (ms: number): number => ms / 1000;

export const repositoryArn = (region: string, name: string): string =>
  `arn:aws:ecr:${region}:${REGISTRY_ID}:repository/${name}`;

/** The repository that an ARN names, in whatever region. @throws InvalidArgument InvalidParameterException */
export function parseRepositoryArn(arn: string): {
  readonly registryId: string;
  readonly repositoryName: string;
} {
  const [, registryId, repositoryName] =
    /^arn:aws[a-z-]*:ecr:[a-z0-9-]*:([0-9]{12}):repository\/(.+)$/.exec(arn) ?? [];
  if (registryId !== undefined && repositoryName !== undefined) return { registryId, repositoryName };
  throw ecrError(
    'InvalidParameterException',
    `Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN': "${arn}" is no arn:aws:ecr:REGION:ACCOUNT:repository/NAME`,
  );
}

/** @see https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_Repository.html */
export const toRepository = (
  { name, createdAtMs, immutableTags }: RepositoryDescription,
  { scanOnPush, encryption }: EcrRecord,
  { host, region }: EcrCall,
) => ({
  repositoryArn: repositoryArn(region, name),
  registryId: REGISTRY_ID,
  repositoryName: name,
  repositoryUri: `${host}/${name}`,
  createdAt: toSeconds(createdAtMs),
  imageTagMutability: immutableTags ? 'IMMUTABLE' : 'MUTABLE',
  imageScanningConfiguration: { scanOnPush },
  encryptionConfiguration: encryption,
});
