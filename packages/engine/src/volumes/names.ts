import { SlipwayError } from '@slipway/base';

const MAX_NAME_LENGTH = 255;

/** @throws InvalidArgument in Docker's words for a name that no volume can have. */
export function requireVolumeName(name: string): void {
  if (name.length === 1) {
    throw new SlipwayError(
      'InvalidArgument',
      `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
    );
  }
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
    throw new SlipwayError(
      'InvalidArgument',
      `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  }
  if (name.length > MAX_NAME_LENGTH) {
    throw new SlipwayError(
      'InvalidArgument',
      `create ${name}: a volume name has at most ${MAX_NAME_LENGTH} characters, this one has ${name.length}`,
    );
  }
}
