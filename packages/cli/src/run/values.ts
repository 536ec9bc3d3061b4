import { SlipwayError } from '@slipway/base/errors';

const POWERS: Readonly<Record<string, number>> = { '': 0, b: 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** `512m`, `1.5g`, `100` in bytes; units of 1024. `-1` means without limit. @throws InvalidArgument */
export function parseBytes(text: string): number {
  if (text === '-1') return -1;
  const parts = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text);
  if (parts === null) throw invalid(`"${text}" is not a size; write for example 512m or 1.5g`);
  return Math.floor(Number(parts[1]) * 1024 ** (POWERS[(parts[2] ?? '').toLowerCase()] ?? 0));
}

const DURATION_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Go's durations, `1m30s`, in nanoseconds. @throws InvalidArgument */
export function parseDurationNs(text: string): number {
  if (text === '0') return 0;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) {
    throw invalid(`"${text}" is not a duration; write for example 30s or 1m30s`);
  }
  let ns = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
    ns += Number(amount) * (DURATION_NS[unit as string] as number);
  }
  return ns;
}

/** `NAME=VALUE` settings as a map; without a value, ''. */
export function parseMap(settings: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    settings.map((setting) => {
      const equals = setting.indexOf('=');
      return equals === -1 ? [setting, ''] : [setting.slice(0, equals), setting.slice(equals + 1)];
    }),
  );
}

/** `-e`: a name without a value takes it from `env`, or is left out. */
export function parseEnv(
  settings: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  return settings.flatMap((setting) => {
    if (setting.startsWith('=') || setting === '') {
      throw invalid(`invalid environment variable "${setting}": it has no name`);
    }
    if (setting.includes('=')) return [setting];
    const value = env[setting];
    return value === undefined ? [] : [`${setting}=${value}`];
  });
}

/** The lines of a file of settings, without comments and blank lines. */
export const settingLines = (text: string): string[] =>
  text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== '' && !line.startsWith('#'));

/** `nofile=1024:2048` */
export function parseUlimit(text: string): { Name: string; Soft: number; Hard: number } {
  const parts = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
  if (parts === null) throw invalid(`invalid ulimit "${text}": expected NAME=SOFT[:HARD]`);
  const Soft = Number(parts[2]);
  return { Name: parts[1] as string, Soft, Hard: Number(parts[3] ?? Soft) };
}

/** `/dev/sda:/dev/xvda:rwm` */
export function parseDevice(text: string) {
  const [host = '', second = '', third] = text.split(':');
  const isMode = third === undefined && /^[rwm]+$/.test(second);
  const mode = (isMode ? second : third) || 'rwm';
  if (host === '' || !/^[rwm]{1,3}$/.test(mode)) {
    throw invalid(`invalid device "${text}": expected HOST[:CONTAINER][:rwm]`);
  }
  return {
    PathOnHost: host,
    PathInContainer: isMode || second === '' ? host : second,
    CgroupPermissions: mode,
  };
}

/** `on-failure:5` */
export function parseRestart(text: string): { Name: string; MaximumRetryCount: number } {
  const parts = /^(no|always|unless-stopped|on-failure)(?::(\d+))?$/.exec(text || 'no');
  if (parts === null || (parts[2] !== undefined && parts[1] !== 'on-failure')) {
    throw invalid(
      `invalid restart policy "${text}": expected no, always, unless-stopped or on-failure[:MAX-RETRIES]`,
    );
  }
  return { Name: parts[1] as string, MaximumRetryCount: Number(parts[2] ?? 0) };
}

/** `/dev/sda:1mb` or, when `asBytes` is false, `/dev/sda:1000`. */
export function parseThrottle(text: string, asBytes: boolean): { Path: string; Rate: number } {
  const colon = text.lastIndexOf(':');
  if (colon < 1) throw invalid(`invalid device rate "${text}": expected PATH:RATE`);
  const rate = text.slice(colon + 1);
  if (!asBytes && !/^\d+$/.test(rate))
    throw invalid(`invalid device rate "${text}": "${rate}" is not a number`);
  return { Path: text.slice(0, colon), Rate: asBytes ? parseBytes(rate) : Number(rate) };
}

const invalid = (message: string): SlipwayError => new SlipwayError('InvalidArgument', message);
