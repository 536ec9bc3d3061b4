import { formatPlatform, type Platform } from '@slipway/oci';

/** Arguments that need no ARG, and that no image and no cache key shows. */
const PROXY_ARGS = new Set(
  ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
    name,
    name.toLowerCase(),
  ]),
);

/** Arguments that BuildKit itself reads. */
const isInternal = (name: string): boolean => name.startsWith('BUILDKIT_') || name === 'SOURCE_DATE_EPOCH';

/** An argument as it stands in a stage; without a value it was declared and never set. */
export interface Argument {
  readonly name: string;
  readonly value: string | undefined;
}

/**
 * The arguments that say for what, and on what, a build is.
 * @see https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope
 */
export function platformArguments(
  target: Platform,
  build: Platform,
  stage: string,
): ReadonlyMap<string, string> {
  const of = (prefix: string, platform: Platform): [string, string][] => [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}OSVERSION`, ''],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ];
  return new Map([...of('BUILD', build), ...of('TARGET', target), ['TARGETSTAGE', stage]]);
}

/** `NAME=VALUE` of the proxies that were given. */
export const proxyEnv = (buildArgs: ReadonlyMap<string, string>): string[] =>
  [...buildArgs].filter(([name]) => PROXY_ARGS.has(name)).map(([name, value]) => `${name}=${value}`);

/** Those of `buildArgs` that neither an instruction nor the builder knows. */
export const unusedArguments = (
  buildArgs: ReadonlyMap<string, string>,
  declared: ReadonlySet<string>,
): string[] =>
  [...buildArgs.keys()].filter((name) => !declared.has(name) && !PROXY_ARGS.has(name) && !isInternal(name));
