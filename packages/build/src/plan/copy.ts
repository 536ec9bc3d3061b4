import { posix } from 'node:path';
import { SlipwayError } from '@slipway/base';
import type { Heredoc, Instruction } from '@slipway/dockerfile';
import { isDigest } from '@slipway/oci';
import type { FileAction, Owner, Vertex } from '../graph.ts';
import { gitOperation, isHttpUrl, parseGitSource, sourceVertex, urlFileName } from './sources.ts';
import { addVertex, type StageState } from './stage.ts';

export type Copying = Extract<Instruction, { kind: 'COPY' | 'ADD' }>;

/** What a COPY or ADD asks of the plan around it. */
export interface CopySurroundings {
  readonly expand: (word: string) => string;
  /** Variables only: quotes are characters. */
  readonly expandText: (text: string) => string;
  /** The file system that `from` names, of which `path` is wanted. */
  readonly openSource: (from: string | undefined, path: string) => Promise<Vertex>;
}

/**
 * The stage after a COPY or ADD. With `--link` the copy is made on nothing and put on top, so that a new base keeps it: not
 * where the owner is a name, which only the base can tell, and not on nothing.
 * @throws InvalidArgument in BuildKit's words
 */
export async function addCopy(
  state: StageState,
  instruction: Copying,
  surroundings: CopySurroundings,
): Promise<StageState> {
  const { expand } = surroundings;
  const destination = expand(instruction.destination);
  const sources = instruction.sources.map((source) => (typeof source === 'string' ? expand(source) : source));
  if (sources.length > 1 && !/(?:^|\/)\.?$/.test(destination)) {
    throw invalid(
      `When using ${instruction.kind} with more than one source file, the destination must be a directory and end with a /`,
    );
  }
  const common: Common = {
    destination: resolveDestination(state.config.WorkingDir || '/', destination),
    owner: instruction.chown === undefined ? undefined : parseOwner(expand(instruction.chown)),
    mode: instruction.chmod === undefined ? undefined : parseMode(expand(instruction.chmod)),
    excludes: instruction.exclude.map(expand),
    parents: instruction.parents,
  };
  const inputs: Vertex[] = [];
  const actions: FileAction[] = [];
  for (const source of sources) {
    actions.push(
      typeof source === 'string'
        ? await fileAction(state, { instruction, source, common, inputs, surroundings })
        : heredocAction(source, common, surroundings.expandText),
    );
  }
  return addVertex(state, instruction, {
    operation: { kind: 'files', actions },
    inputs,
    isLinked: instruction.link && isNumeric(common.owner) && state.vertex.operation.kind !== 'scratch',
    createdBy: describeCopy(instruction, sources, destination, common),
  });
}

/** What all actions of one instruction share. */
interface Common {
  readonly destination: string;
  readonly owner: Owner | undefined;
  readonly mode: string | undefined;
  readonly excludes: readonly string[];
  readonly parents: boolean;
}

interface OneSource {
  readonly instruction: Copying;
  readonly source: string;
  readonly common: Common;
  readonly inputs: Vertex[];
  readonly surroundings: CopySurroundings;
}

async function fileAction(state: StageState, one: OneSource): Promise<FileAction> {
  const { instruction, source, inputs, common, surroundings } = one;
  const remote = instruction.kind === 'ADD' ? remoteSource(state, instruction, source) : undefined;
  if (remote !== undefined) {
    const from = inputs.push(remote.vertex);
    return {
      ...copyAction(common, from, remote.path),
      // A folder takes the file under the name that its address gives it.
      unpack: instruction.kind === 'ADD' && remote.unpack,
    };
  }
  if (instruction.kind === 'ADD' && instruction.checksum !== undefined) {
    throw invalid("checksum can't be specified for non-HTTP(S) sources");
  }
  const path = posix.join('/', source);
  const from = inputs.push(await surroundings.openSource(instruction.from, source));
  // In --parents, `/./` says where the kept part of the path begins.
  const pivot = instruction.parents && source.includes('/./');
  return {
    ...copyAction(common, from, pivot ? keepPivot(source) : keepSlash(path, source)),
    unpack: instruction.kind === 'ADD' && (instruction.unpack ?? true),
  };
}

const keepSlash = (path: string, source: string): string =>
  source.endsWith('/') && !path.endsWith('/') ? `${path}/` : path;

function keepPivot(source: string): string {
  const at = source.indexOf('/./');
  return `${posix.join('/', source.slice(0, at))}/./${posix.normalize(source.slice(at + 3))}`;
}

const copyAction = (
  { destination, owner, mode, excludes, parents }: Common,
  from: Extract<FileAction, { kind: 'copy' }>['from'],
  source: string,
): Extract<FileAction, { kind: 'copy' }> => ({
  kind: 'copy',
  from,
  source,
  destination,
  owner,
  mode,
  contentsOnly: true,
  unpack: false,
  parents,
  excludes,
  allowNothing: false,
});

const heredocAction = (
  heredoc: Heredoc,
  common: Common,
  expand: CopySurroundings['expandText'],
): FileAction =>
  copyAction(
    common,
    { content: heredoc.expand ? expand(heredoc.content) : heredoc.content, fileName: heredoc.name },
    heredoc.name,
  );

/** What ADD fetches: a repository, or a file. */
function remoteSource(
  { platform }: StageState,
  { checksum, keepGitDir, unpack }: Extract<Copying, { kind: 'ADD' }>,
  source: string,
): { vertex: Vertex; path: string; unpack: boolean } | undefined {
  const git = parseGitSource(source);
  if (git !== undefined) {
    const operation = gitOperation(git, { checksum, keepGitDir });
    return { vertex: sourceVertex(operation, source, platform), path: '/', unpack: false };
  }
  if (!isHttpUrl(source)) return undefined;
  if (checksum !== undefined && !isDigest(checksum)) {
    throw invalid(`invalid checksum "${checksum}": write it as sha256: and 64 hexadecimal digits`);
  }
  const fileName = urlFileName(source);
  return {
    vertex: sourceVertex({ kind: 'http', url: source, checksum, fileName }, source, platform),
    path: `/${fileName}`,
    unpack: unpack ?? false,
  };
}

/** Below the working directory; a `/` at its end says that it is a folder, and stays. */
function resolveDestination(workingDirectory: string, destination: string): string {
  const path = posix.resolve(workingDirectory, destination);
  const isFolder = /(?:^|\/)\.?$/.test(destination);
  return isFolder && path !== '/' ? `${path}/` : path;
}

/** `user`, `user:group`, by name or number. */
function parseOwner(text: string): Owner {
  const [user = '', group, ...rest] = text.split(':');
  if (rest.length > 0 || user === '') {
    throw invalid(`invalid --chown "${text}": write user, uid, user:group or uid:gid`);
  }
  return { user, group: group || undefined };
}

const isNumeric = (owner: Owner | undefined): boolean =>
  owner === undefined || [owner.user, owner.group ?? '0'].every((id) => /^\d+$/.test(id));

const SYMBOLIC = /^[ugoa]*(?:[-+=][rwxXstugo]*)+(?:,[ugoa]*(?:[-+=][rwxXstugo]*)+)*$/;

function parseMode(text: string): string {
  if (/^[0-7]{1,5}$/.test(text)) {
    if (Number.parseInt(text, 8) <= 0o7777) return text;
  } else if (SYMBOLIC.test(text)) return text;
  throw invalid(
    `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777, or symbolic as u+x`,
  );
}

/** As BuildKit's history has it. */
function describeCopy(
  { kind, chown, chmod }: Copying,
  sources: readonly (string | Heredoc)[],
  destination: string,
  { parents, excludes, owner, mode }: Common,
): string {
  const words = [
    kind,
    ...(parents ? ['--parents'] : []),
    ...excludes.map((pattern) => `--exclude=${pattern}`),
    ...(chown === undefined ? [] : [`--chown=${ownerText(owner)}`]),
    ...(chmod === undefined ? [] : [`--chmod=${mode}`]),
    ...sources.map((source) => (typeof source === 'string' ? source : `<<${source.name}`)),
    destination,
    '# buildkit',
  ];
  return words.join(' ');
}

const ownerText = (owner: Owner | undefined): string =>
  owner === undefined ? '' : [owner.user, owner.group].filter((part) => part !== undefined).join(':');

const invalid = (message: string) => new SlipwayError('InvalidArgument', message);
