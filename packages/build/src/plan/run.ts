import { posix } from 'node:path';
import { SlipwayError } from '@slipway/base';
import { type Heredoc, heredocScript, type Instruction, type RunMount } from '@slipway/dockerfile';
import type { BuildMount, Vertex } from '../graph.ts';
import { proxyEnv } from './arguments.ts';
import { describeRun } from './history.ts';
import type { PlanOptions } from './options.ts';
import { scratchVertex } from './sources.ts';
import { addVertex, argumentsOf, environment, type StageState } from './stage.ts';

type Run = Extract<Instruction, { kind: 'RUN' }>;

/** What a RUN asks of the plan around it. */
export interface RunSurroundings {
  readonly options: PlanOptions;
  readonly expand: (word: string) => string;
  /** The file system that `from` names: a stage, a context or an image. */
  readonly openSource: (from: string | undefined, path: string) => Promise<Vertex>;
}

/** The stage after a RUN. @throws InvalidArgument for a bad mount */
export async function addRun(
  state: StageState,
  instruction: Run,
  { options, expand, openSource }: RunSurroundings,
): Promise<StageState> {
  const mounts = new Mounts(state, expand, openSource);
  for (const [index, mount] of instruction.mounts.entries()) await mounts.add(mount, index);
  const { args, script } = commandOf(state, instruction);
  if (script !== undefined) mounts.addScript(script);
  const buildArgs = argumentsOf(state);
  const env = [...environment(state)].map(([name, value]) => `${name}=${value}`);
  return addVertex(state, instruction, {
    operation: {
      kind: 'run',
      args,
      env,
      cwd: state.config.WorkingDir || '/',
      user: state.config.User ?? '',
      network: instruction.network === 'default' ? options.network : instruction.network,
      security: instruction.security,
      mounts: mounts.list,
      hiddenEnv: [...proxyEnv(options.buildArgs), ...mounts.env],
      extraHosts: options.extraHosts,
      hostname: options.hostname,
      shmSizeBytes: options.shmSizeBytes,
      ulimits: options.ulimits,
    },
    inputs: mounts.inputs,
    createdBy: `${describeRun(historyArgs(state, instruction), buildArgs)} # buildkit`,
  });
}

const DEFAULT_SHELL = ['/bin/sh', '-c'];
const shellOf = ({ config }: StageState): readonly string[] =>
  config.Shell !== undefined && config.Shell.length > 0 ? config.Shell : DEFAULT_SHELL;

/**
 * What is executed. A here-document alone is a script: of the shell, or, where it begins with `#!`, of the program named
 * there; one after a command stays in the line for the shell.
 */
function commandOf(
  state: StageState,
  { command }: Run,
): { args: readonly string[]; script: Heredoc | undefined } {
  if (command.form === 'exec') return { args: command.args, script: undefined };
  const shell = shellOf(state);
  const script = heredocScript(command);
  if (script === undefined) return { args: [...shell, lineWithHeredocs(command)], script: undefined };
  if (!script.content.startsWith('#!')) return { args: [...shell, script.content], script: undefined };
  return { args: [`${SCRIPT_FOLDER}/${script.name}`], script };
}

const SCRIPT_FOLDER = '/dev/pipes';

/** The line and its here-documents as the shell reads them. */
const lineWithHeredocs = ({ line, heredocs }: Extract<Run['command'], { form: 'shell' }>): string =>
  [line, ...heredocs.map(({ name, content }) => `${content}${name}`)].join('\n');

const historyArgs = (state: StageState, { command }: Run): readonly string[] =>
  command.form === 'exec' ? command.args : [...shellOf(state), lineWithHeredocs(command)];

/** The mounts of one RUN, and the vertices that they bring. */
class Mounts {
  readonly list: BuildMount[] = [];
  /** Beside the root, which is input 0. */
  readonly inputs: Vertex[] = [];
  readonly env: string[] = [];
  readonly #state: StageState;
  readonly #expand: (word: string) => string;
  readonly #openSource: RunSurroundings['openSource'];

  constructor(
    state: StageState,
    expand: (word: string) => string,
    openSource: RunSurroundings['openSource'],
  ) {
    this.#state = state;
    this.#expand = expand;
    this.#openSource = openSource;
  }

  /** A script of the Dockerfile's own, which the process finds as a file that is no part of any layer. */
  addScript({ content, name }: Heredoc): void {
    const vertex: Vertex = {
      operation: {
        kind: 'files',
        actions: [
          {
            kind: 'copy',
            from: { content, fileName: name },
            source: name,
            destination: `/${name}`,
            owner: undefined,
            mode: '0755',
            contentsOnly: true,
            unpack: false,
            parents: false,
            excludes: [],
            allowNothing: false,
          },
        ],
      },
      inputs: [scratchVertex(this.#state.platform)],
      title: '[internal] preparing inline document',
      ignoreCache: false,
      platform: this.#state.platform,
    };
    const input = this.inputs.push(vertex);
    this.list.push({ type: 'bind', target: SCRIPT_FOLDER, readonly: true, input, source: '/' });
  }

  async add({ type, options }: RunMount, index: number): Promise<void> {
    const read = new MountOptions(type, options, this.#expand);
    switch (type) {
      case 'bind':
        return await this.#addBind(read);
      case 'cache':
        return await this.#addCache(read);
      case 'tmpfs': {
        const sizeBytes = read.size('size');
        this.list.push({ type, target: this.#target(read), readonly: false, sizeBytes });
        return;
      }
      case 'secret':
        return this.#addSecret(read);
      case 'ssh': {
        const target = read.text('target') ?? `/run/buildkit/ssh_agent.${index}`;
        this.list.push({
          type,
          target,
          readonly: true,
          id: read.text('id') ?? 'default',
          required: read.flag('required'),
          ...read.permissions(0o600),
        });
        if (!this.env.some((entry) => entry.startsWith('SSH_AUTH_SOCK='))) {
          this.env.push(`SSH_AUTH_SOCK=${target}`);
        }
      }
    }
  }

  async #addBind(read: MountOptions): Promise<void> {
    const source = absolute('/', read.text('source') ?? '/');
    const input = this.inputs.push(await this.#openSource(read.text('from'), source));
    this.list.push({
      type: 'bind',
      target: this.#target(read),
      readonly: read.readonly(true),
      input,
      source,
    });
  }

  async #addCache(read: MountOptions): Promise<void> {
    const target = this.#target(read);
    const from = read.text('from');
    const source = absolute('/', read.text('source') ?? '/');
    const sharing = read.text('sharing') ?? 'shared';
    if (sharing !== 'shared' && sharing !== 'private' && sharing !== 'locked') {
      throw invalid(`unsupported sharing value "${sharing}": use shared, private or locked`);
    }
    const input = from === undefined ? undefined : this.inputs.push(await this.#openSource(from, source));
    this.list.push({
      type: 'cache',
      target,
      readonly: read.readonly(false),
      id: read.text('id') ?? target,
      sharing,
      input,
      source,
      ...read.permissions(0o755),
    });
  }

  #addSecret(read: MountOptions): void {
    const env = read.text('env');
    const given = read.text('target');
    const id = read.text('id') ?? (given === undefined ? env : posix.basename(given));
    if (id === undefined) throw invalid('invalid secret mount: set id, target or env');
    const target =
      given === undefined ? (env === undefined ? `/run/secrets/${id}` : '') : absolute('/run/secrets', given);
    this.list.push({
      type: 'secret',
      target,
      readonly: true,
      id,
      required: read.flag('required'),
      env,
      ...read.permissions(0o400),
    });
  }

  #target(read: MountOptions): string {
    const target = read.text('target');
    if (target === undefined) throw invalid('invalid mount: no target is set; add target=PATH');
    const path = absolute(this.#state.config.WorkingDir || '/', target);
    if (path === '/') throw invalid(`invalid mount target "${target}": it would hide the whole file system`);
    return path;
  }
}

/** The options of one `--mount`. */
class MountOptions {
  readonly #type: string;
  readonly #options: ReadonlyMap<string, string>;
  readonly #expand: (word: string) => string;

  constructor(type: string, options: ReadonlyMap<string, string>, expand: (word: string) => string) {
    this.#type = type;
    this.#options = options;
    this.#expand = expand;
  }

  text(name: string): string | undefined {
    const value = this.#options.get(name);
    return value === undefined || value === '' ? undefined : this.#expand(value);
  }

  /** Set alone, or to a boolean. */
  flag(name: string): boolean {
    const value = this.#options.get(name);
    if (value === undefined) return false;
    if (['', 'true', '1', 't', 'T', 'TRUE', 'True'].includes(value)) return true;
    if (['false', '0', 'f', 'F', 'FALSE', 'False'].includes(value)) return false;
    throw invalid(`invalid value "${value}" for ${name} of a ${this.#type} mount: use true or false`);
  }

  readonly(absent: boolean): boolean {
    if (this.#options.has('readwrite')) return !this.flag('readwrite');
    return this.#options.has('readonly') ? this.flag('readonly') : absent;
  }

  permissions(absentMode: number): { mode: number; uid: number; gid: number } {
    const number = (name: string, base: number, absent: number): number => {
      const value = this.text(name);
      if (value === undefined) return absent;
      const pattern = base === 8 ? /^[0-7]{1,6}$/ : /^\d{1,10}$/;
      if (!pattern.test(value)) throw invalid(`invalid value ${value} for ${name}`);
      return Number.parseInt(value, base);
    };
    return { mode: number('mode', 8, absentMode), uid: number('uid', 10, 0), gid: number('gid', 10, 0) };
  }

  size(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const [, count, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmgtp]?)i?b?$/i.exec(value) ?? [];
    if (count === undefined) throw invalid(`invalid value for ${name}: "${value}"`);
    const power = ' kmgtp'.indexOf(unit.toLowerCase() || ' ');
    return Math.floor(Number(count) * 1024 ** power);
  }
}

const absolute = (base: string, path: string): string => posix.resolve(base, path);

const invalid = (message: string) => new SlipwayError('InvalidArgument', message);
