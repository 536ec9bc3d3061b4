import { SlipwayError } from '@slipway/base';
import type { ImageRunConfig } from '@slipway/oci';

type Change = (config: ImageRunConfig, value: string) => void;

/** The instructions that `docker import --change` takes. */
const CHANGES: Readonly<Record<string, Change>> = {
  CMD: (config, value) => {
    config.Cmd = command(value);
  },
  ENTRYPOINT: (config, value) => {
    config.Entrypoint = command(value);
  },
  ENV: (config, value) => {
    for (const [name, text] of pairs('ENV', value)) {
      config.Env = [
        ...(config.Env ?? []).filter((entry) => !entry.startsWith(`${name}=`)),
        `${name}=${text}`,
      ];
    }
  },
  EXPOSE: (config, value) => {
    for (const port of words(value)) {
      if (!/^\d{1,5}(?:-\d{1,5})?(?:\/(?:tcp|udp|sctp))?$/.test(port))
        throw invalid(`invalid containerPort: ${port}`);
      config.ExposedPorts = { ...config.ExposedPorts, [port.includes('/') ? port : `${port}/tcp`]: {} };
    }
  },
  HEALTHCHECK: (config, value) => {
    config.Healthcheck = healthcheck(value);
  },
  LABEL: (config, value) => {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairs('LABEL', value)) };
  },
  ONBUILD: (config, value) => {
    config.OnBuild = [...(config.OnBuild ?? []), value];
  },
  STOPSIGNAL: (config, value) => {
    config.StopSignal = value;
  },
  USER: (config, value) => {
    config.User = value;
  },
  VOLUME: (config, value) => {
    for (const path of jsonWords(value) ?? words(value)) config.Volumes = { ...config.Volumes, [path]: {} };
  },
  WORKDIR: (config, value) => {
    config.WorkingDir = value.startsWith('/') ? value : `${config.WorkingDir ?? ''}/${value}`;
  },
};

/**
 * A run configuration from Dockerfile instructions, each one line.
 * @throws InvalidArgument naming the instruction
 */
export function applyChanges(changes: readonly string[]): ImageRunConfig {
  const config: ImageRunConfig = {};
  for (const change of changes) {
    const [, name = '', value = ''] = /^\s*(\S+)\s*([\s\S]*?)\s*$/.exec(change) ?? [];
    const apply = CHANGES[name.toUpperCase()];
    if (apply === undefined) {
      throw invalid(`${name} is not a valid change command: use one of ${Object.keys(CHANGES).join(', ')}`);
    }
    if (value === '') throw invalid(`${name.toUpperCase()} requires at least one argument`);
    apply(config, value);
  }
  return config;
}

const command = (value: string): string[] => jsonWords(value) ?? ['/bin/sh', '-c', value];

function jsonWords(value: string): string[] | undefined {
  if (!value.startsWith('[')) return undefined;
  try {
    const parsed: unknown = JSON.parse(value);
    if (Array.isArray(parsed) && parsed.every((word) => typeof word === 'string')) return parsed;
  } catch {
    // Not JSON: docker then reads it as a shell's line.
  }
  return undefined;
}

/** `a=b "c d"='e'` as pairs; `NAME rest of the line` as one. */
function pairs(instruction: string, value: string): [string, string][] {
  const first = /^(\S+?)\s+([\s\S]*)$/.exec(value);
  if (first?.[1] !== undefined && !first[1].includes('=')) return [[first[1], first[2] ?? '']];
  return words(value).map((word) => {
    const equals = word.indexOf('=');
    if (equals < 1)
      throw invalid(
        `Syntax error - can't find = in "${word}". ${instruction} must be of the form: name=value`,
      );
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

/** Words as a shell splits them: quotes group, a backslash takes the next character as it is. */
function words(value: string): string[] {
  const found: string[] = [];
  let word = '';
  let inWord = false;
  let quote = '';
  for (let at = 0; at < value.length; at++) {
    const char = value[at] as string;
    if (char === '\\' && quote !== "'" && at + 1 < value.length) {
      word += value[++at];
      inWord = true;
    } else if (quote !== '') {
      if (char === quote) quote = '';
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      inWord = true;
    } else if (/\s/.test(char)) {
      if (inWord) found.push(word);
      word = '';
      inWord = false;
    } else {
      word += char;
      inWord = true;
    }
  }
  if (inWord) found.push(word);
  return found;
}

const HEALTH_FLAGS: Readonly<
  Record<string, 'Interval' | 'Timeout' | 'StartPeriod' | 'StartInterval' | 'Retries'>
> = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
  retries: 'Retries',
};

function healthcheck(value: string): NonNullable<ImageRunConfig['Healthcheck']> {
  const check: NonNullable<ImageRunConfig['Healthcheck']> = {};
  let rest = value;
  for (
    let flag = /^--([a-z-]+)=(\S+)\s*/.exec(rest);
    flag !== null;
    flag = /^--([a-z-]+)=(\S+)\s*/.exec(rest)
  ) {
    const field = HEALTH_FLAGS[flag[1] as string];
    if (field === undefined) throw invalid(`Unknown flag: ${flag[1]}`);
    check[field] = field === 'Retries' ? Number(flag[2]) : durationNs(flag[2] as string);
    if (Number.isNaN(check[field])) throw invalid(`HEALTHCHECK --${flag[1]}: "${flag[2]}" is not a number`);
    rest = rest.slice(flag[0].length);
  }
  const [, type = '', line = ''] = /^(\S+)\s*([\s\S]*)$/.exec(rest) ?? [];
  if (type.toUpperCase() === 'NONE') return { ...check, Test: ['NONE'] };
  if (type.toUpperCase() !== 'CMD' || line === '') {
    throw invalid(`Unknown type "${type}" in HEALTHCHECK (try CMD)`);
  }
  const argv = jsonWords(line);
  return { ...check, Test: argv === undefined ? ['CMD-SHELL', line] : ['CMD', ...argv] };
}

const UNIT_NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

function durationNs(text: string): number {
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+$/.test(text)) throw invalid(`time: invalid duration "${text}"`);
  return text
    .matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)/g)
    .reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_NS[unit as string] ?? 0), 0);
}

const invalid = (message: string) => new SlipwayError('InvalidArgument', message);
