import { SlipwayError } from '@slipway/base';

/** A seccomp profile in Docker's format, which adds conditions to the runtime specification's. */
export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number | undefined;
  readonly architectures?: readonly string[] | undefined;
  readonly archMap?:
    | readonly { readonly architecture: string; readonly subArchitectures?: readonly string[] | null }[]
    | null
    | undefined;
  readonly flags?: readonly string[] | undefined;
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly syscalls?: readonly SeccompRule[] | null | undefined;
}

export interface SeccompRule {
  readonly name?: string;
  readonly names?: readonly string[];
  readonly action: string;
  readonly errnoRet?: number | null;
  readonly args?: readonly object[] | null;
  readonly includes?: SeccompCondition | null;
  readonly excludes?: SeccompCondition | null;
}

interface SeccompCondition {
  readonly arches?: readonly string[] | null;
  readonly caps?: readonly string[] | null;
  readonly minKernel?: string;
}

export interface SeccompFacts {
  /** Go's name of the architecture, e.g. `amd64`. */
  readonly architecture: string;
  readonly kernel: string;
  /** The container's bounding set, with `CAP_`. */
  readonly capabilities: readonly string[];
}

const NATIVE: Readonly<Record<string, string>> = {
  amd64: 'SCMP_ARCH_X86_64',
  arm64: 'SCMP_ARCH_AARCH64',
  s390x: 'SCMP_ARCH_S390X',
  riscv64: 'SCMP_ARCH_RISCV64',
};

/**
 * The runtime specification's form of a profile, its conditions decided.
 * @throws InvalidArgument when the profile is not one
 */
export function resolveSeccomp(profile: SeccompProfile, facts: SeccompFacts): object {
  if (typeof profile !== 'object' || profile === null || typeof profile.defaultAction !== 'string') {
    throw new SlipwayError(
      'InvalidArgument',
      'the seccomp profile has no defaultAction; see docs.docker.com/engine/security/seccomp',
    );
  }
  if (profile.architectures?.length && profile.archMap?.length) {
    throw new SlipwayError(
      'InvalidArgument',
      "use either 'architectures' or 'archMap' in the seccomp profile, not both",
    );
  }
  const mapped = profile.archMap?.find(({ architecture }) => architecture === NATIVE[facts.architecture]);
  const architectures =
    mapped === undefined ? profile.architectures : [mapped.architecture, ...(mapped.subArchitectures ?? [])];
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures?.length ? { architectures } : {}),
    ...(profile.flags?.length ? { flags: profile.flags } : {}),
    ...(profile.listenerPath ? { listenerPath: profile.listenerPath } : {}),
    ...(profile.listenerMetadata ? { listenerMetadata: profile.listenerMetadata } : {}),
    syscalls: (profile.syscalls ?? []).filter((rule) => applies(rule, facts)).map(toRuntimeRule),
  };
}

function applies({ includes, excludes }: SeccompRule, facts: SeccompFacts): boolean {
  const has = (capability: string) => facts.capabilities.includes(capability);
  if (excludes?.arches?.includes(facts.architecture) === true) return false;
  if (excludes?.caps?.some(has) === true) return false;
  if (excludes?.minKernel !== undefined && kernelAtLeast(facts.kernel, excludes.minKernel)) return false;
  if (includes?.arches?.length && !includes.arches.includes(facts.architecture)) return false;
  if (includes?.caps?.length && !includes.caps.every(has)) return false;
  return includes?.minKernel === undefined || kernelAtLeast(facts.kernel, includes.minKernel);
}

function toRuntimeRule({ name, names = [], action, errnoRet, args }: SeccompRule): object {
  return {
    names: name === undefined || name === '' ? names : [name, ...names],
    action,
    ...(errnoRet === undefined || errnoRet === null ? {} : { errnoRet }),
    ...(args?.length ? { args } : {}),
  };
}

function kernelAtLeast(kernel: string, minimum: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  const [wantMajor = 0, wantMinor = 0] = minimum.split('.').map((part) => Number.parseInt(part, 10));
  return major > wantMajor || (major === wantMajor && minor >= wantMinor);
}
