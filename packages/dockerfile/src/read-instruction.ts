import { parseDurationNs } from './duration.ts';
import { Flaw } from './error.ts';
import { readFlags } from './flags.ts';
import { parseHeredocMark } from './heredoc.ts';
import type { CommandLine, Escape, Heredoc, Instruction, InstructionKind } from './instructions.ts';
import { readMount } from './mount.ts';
import { suggest } from './suggest.ts';
import { parseJsonWords, splitAtSpaces, splitWords, takeFlags } from './words.ts';

/** What follows the instruction's name, its flags taken off. */
interface Source {
  readonly rest: string;
  readonly flags: readonly string[];
  readonly heredocs: readonly Heredoc[];
  readonly escape: Escape;
}

/** What is particular to a kind; where it stands is added later. */
type Body<K extends InstructionKind = InstructionKind> = K extends InstructionKind
  ? Omit<Extract<Instruction, { kind: K }>, 'range' | 'original' | 'keyword' | 'comments'>
  : never;

const READERS: { readonly [K in InstructionKind]: (source: Source) => Body<K> } = {
  FROM: readFrom,
  ARG: readArg,
  ENV: (source) => ({ kind: 'ENV', ...readAssignments('ENV', source) }),
  LABEL: (source) => ({ kind: 'LABEL', ...readAssignments('LABEL', source) }),
  RUN: readRun,
  COPY: readCopy,
  ADD: readAdd,
  CMD: (source) => ({ kind: 'CMD', command: plainCommand(source) }),
  ENTRYPOINT: (source) => ({ kind: 'ENTRYPOINT', command: plainCommand(source) }),
  SHELL: readShell,
  WORKDIR: (source) => ({ kind: 'WORKDIR', path: onlyWord('WORKDIR', source) }),
  USER: (source) => ({ kind: 'USER', user: onlyWord('USER', source) }),
  VOLUME: readVolume,
  EXPOSE: (source) => ({
    kind: 'EXPOSE',
    ports: atLeastOne('EXPOSE', splitAtSpaces(withoutFlags(source).rest)),
  }),
  STOPSIGNAL: (source) => ({ kind: 'STOPSIGNAL', signal: onlyWord('STOPSIGNAL', source) }),
  HEALTHCHECK: readHealthcheck,
  ONBUILD: readOnbuild,
  MAINTAINER: (source) => ({ kind: 'MAINTAINER', name: onlyWord('MAINTAINER', source) }),
};

const isKind = (name: string): name is InstructionKind => Object.hasOwn(READERS, name);

/** Reads one instruction of its joined line. @throws {Flaw} */
export function readInstruction(
  text: string,
  { escape: token, heredocs }: { readonly escape: Escape; readonly heredocs: readonly Heredoc[] },
): { readonly keyword: string; readonly body: Body } {
  const [, keyword = ''] = /^(\S+)/.exec(text) ?? [];
  const kind = keyword.toUpperCase();
  if (!isKind(kind))
    throw new Flaw(`unknown instruction: ${keyword}`, suggest(keyword, Object.keys(READERS)));
  const { flags, rest } = takeFlags(text.slice(keyword.length).trim());
  return { keyword, body: READERS[kind]({ flags, rest, heredocs, escape: token }) };
}

function withoutFlags(source: Source): Source {
  readFlags(source.flags, {});
  return source;
}

function atLeastOne(name: string, words: readonly string[]): readonly string[] {
  if (words.length === 0) throw new Flaw(`${name} requires at least one argument`);
  return words;
}

function onlyWord(name: string, source: Source): string {
  if (withoutFlags(source).rest === '') throw new Flaw(`${name} requires exactly one argument`);
  return source.rest;
}

function readCommand(line: string, heredocs: readonly Heredoc[]): CommandLine {
  const args = parseJsonWords(line);
  return args === undefined ? { form: 'shell', line, heredocs } : { form: 'exec', args };
}

const plainCommand = (source: Source): CommandLine => readCommand(withoutFlags(source).rest, []);

function readFrom({ flags, rest }: Source): Body<'FROM'> {
  const [image = '', as, name, ...more] = splitAtSpaces(rest);
  const named = as?.toLowerCase() === 'as' && name !== undefined && more.length === 0;
  if (image === '' || (as !== undefined && !named)) {
    throw new Flaw('FROM requires either one or three arguments');
  }
  if (named && !/^[a-z][a-z0-9-_.]*$/.test(name.toLowerCase())) {
    throw new Flaw(
      `invalid name for build stage: "${name}", name can't start with a number or contain symbols`,
    );
  }
  return {
    kind: 'FROM',
    image,
    platform: readFlags(flags, { platform: 'text' }).platform,
    name: named ? name.toLowerCase() : undefined,
    written: named ? { as, name } : undefined,
  };
}

function readArg(source: Source): Body<'ARG'> {
  const { words } = splitWords(withoutFlags(source).rest, source.escape);
  const args = atLeastOne('ARG', words).map((word) => {
    const equals = word.indexOf('=');
    if (equals === 0) throw new Flaw('ARG names can not be blank');
    return equals < 0
      ? { name: word, value: undefined }
      : { name: word.slice(0, equals), value: word.slice(equals + 1) };
  });
  return { kind: 'ARG', args };
}

function readAssignments(kind: 'ENV' | 'LABEL', source: Source) {
  const { rest, escape: token } = withoutFlags(source);
  const { words } = splitWords(rest, token);
  atLeastOne(kind, words);
  if (!words[0]?.includes('=')) {
    const [, name, value] = /^(\S+)\s+(.+)$/s.exec(rest) ?? [];
    if (name === undefined || value === undefined) throw new Flaw(`${kind} must have two arguments`);
    return { assignments: [{ name, value }], legacy: true };
  }
  const assignments = words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) {
      throw new Flaw(`Syntax error - can't find = in "${word}". Must be of the form: name=value`);
    }
    if (equals === 0) throw new Flaw(`${kind} names can not be blank`);
    return { name: word.slice(0, equals), value: word.slice(equals + 1) };
  });
  return { assignments, legacy: false };
}

function readRun({ flags, rest, heredocs }: Source): Body<'RUN'> {
  const {
    mount,
    network = 'default',
    security = 'sandbox',
    device,
  } = readFlags(flags, { mount: 'list', network: 'text', security: 'text', device: 'list' });
  if (network !== 'default' && network !== 'none' && network !== 'host') {
    throw new Flaw(`invalid network mode "${network}"`, suggest(network, ['default', 'none', 'host']));
  }
  if (security !== 'sandbox' && security !== 'insecure') {
    throw new Flaw(`security "${security}" is not valid`, suggest(security, ['sandbox', 'insecure']));
  }
  return {
    kind: 'RUN',
    command: readCommand(rest, heredocs),
    mounts: mount.map(readMount),
    network,
    security,
    devices: device,
  };
}

const COPYING = { chown: 'text', chmod: 'text', link: 'boolean', exclude: 'list' } as const;

function readCopy(source: Source): Body<'COPY'> {
  const flags = readFlags(source.flags, { ...COPYING, from: 'text', parents: 'boolean' });
  return {
    kind: 'COPY',
    ...readPaths('COPY', source),
    from: flags.from,
    chown: flags.chown,
    chmod: flags.chmod,
    link: flags.link ?? false,
    parents: flags.parents ?? false,
    exclude: flags.exclude,
  };
}

function readAdd(source: Source): Body<'ADD'> {
  const flags = readFlags(source.flags, {
    ...COPYING,
    checksum: 'text',
    'keep-git-dir': 'boolean',
    unpack: 'boolean',
  });
  return {
    kind: 'ADD',
    ...readPaths('ADD', source),
    from: undefined,
    chown: flags.chown,
    chmod: flags.chmod,
    link: flags.link ?? false,
    parents: false,
    exclude: flags.exclude,
    checksum: flags.checksum,
    keepGitDir: flags['keep-git-dir'] ?? false,
    unpack: flags.unpack,
  };
}

function readPaths(kind: 'COPY' | 'ADD', { rest, heredocs }: Source) {
  const exec = parseJsonWords(rest);
  const words = exec ?? splitAtSpaces(rest);
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2) {
    throw new Flaw(
      `${kind} requires at least two arguments, but only one was provided. Destination could not be determined`,
    );
  }
  const heredocOf = (word: string): Heredoc | undefined => {
    const mark = exec === undefined ? parseHeredocMark(word) : undefined;
    return mark && heredocs.find(({ name }) => name === mark.name);
  };
  if (exec === undefined && parseHeredocMark(destination) !== undefined) {
    throw new Flaw(`${kind} cannot accept a heredoc as a destination`);
  }
  return { sources: words.slice(0, -1).map((word) => heredocOf(word) ?? word), destination };
}

function readShell(source: Source): Body<'SHELL'> {
  const args = parseJsonWords(withoutFlags(source).rest);
  if (args === undefined) throw new Flaw('SHELL requires the arguments to be in JSON form');
  if (args.length === 0) throw new Flaw('SHELL requires at least one argument');
  return { kind: 'SHELL', args };
}

function readVolume(source: Source): Body<'VOLUME'> {
  const { rest } = withoutFlags(source);
  const paths = atLeastOne('VOLUME', parseJsonWords(rest) ?? splitAtSpaces(rest));
  if (paths.some((path) => path.trim() === '')) throw new Flaw('VOLUME specified can not be an empty string');
  return { kind: 'VOLUME', paths };
}

const HEALTH_FLAGS = {
  interval: 'text',
  timeout: 'text',
  'start-period': 'text',
  'start-interval': 'text',
  retries: 'text',
} as const;

/** Docker asks no check more often than this. */
const SHORTEST_NS = 1e6;

function readHealthcheck({ flags, rest }: Source): Body<'HEALTHCHECK'> {
  const [, type = '', line = ''] = /^(\S+)\s*(.*)$/s.exec(rest) ?? [];
  if (type === '') throw new Flaw('HEALTHCHECK requires at least one argument');
  const none = type.toUpperCase() === 'NONE';
  if (none && line !== '') throw new Flaw('HEALTHCHECK NONE takes no arguments');
  if (!none && type.toUpperCase() !== 'CMD') {
    throw new Flaw(`Unknown type "${type.toUpperCase()}" in HEALTHCHECK (try CMD)`);
  }
  const values = readFlags(flags, HEALTH_FLAGS);
  const command = none ? undefined : readCommand(line, []);
  if (command?.form === 'exec' ? command.args.length === 0 : command?.line === '') {
    throw new Flaw('Missing command after HEALTHCHECK CMD');
  }
  for (const name of ['interval', 'timeout', 'start-period', 'start-interval'] as const) {
    checkInterval(name, values[name]);
  }
  if (values.retries?.startsWith('-')) throw new Flaw(`--retries cannot be negative (${values.retries})`);
  if (values.retries !== undefined && !/^\+?\d{1,9}$/.test(values.retries)) {
    throw new Flaw(`--retries must be a number (${values.retries})`);
  }
  return {
    kind: 'HEALTHCHECK',
    command,
    interval: values.interval,
    timeout: values.timeout,
    startPeriod: values['start-period'],
    startInterval: values['start-interval'],
    retries: values.retries,
  };
}

function checkInterval(name: string, value: string | undefined): void {
  if (value === undefined || value === '') return;
  const ns = parseDurationNs(value);
  if (ns === undefined) {
    throw new Flaw(
      `time: ${/^[-+]?[\d.]+$/.test(value) ? 'missing unit in' : 'invalid'} duration "${value}"`,
    );
  }
  if (ns !== 0 && ns < SHORTEST_NS) throw new Flaw(`Interval "${name}" cannot be less than 1ms`);
}

function readOnbuild({ rest, flags, heredocs }: Source): Body<'ONBUILD'> {
  readFlags(flags, {});
  const [, trigger = ''] = /^(\S+)/.exec(rest) ?? [];
  if (trigger === '') throw new Flaw('ONBUILD requires at least one argument');
  const kind = trigger.toUpperCase();
  if (kind === 'ONBUILD') throw new Flaw("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (kind === 'MAINTAINER' || kind === 'FROM') {
    throw new Flaw(`${kind} isn't allowed as an ONBUILD trigger`);
  }
  const instruction = heredocs.reduce((text, { name, content }) => `${text}\n${content}${name}`, rest);
  return { kind: 'ONBUILD', instruction };
}
