import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostPath, isSlipwayError, SlipwayError } from '@slipway/base';
import { hostPlatform, type Platform } from '@slipway/oci';
import {
  buildSpec,
  lookupUser,
  type NamespaceMode,
  type OciSpec,
  type SpecMount,
  type Task,
} from '@slipway/runtime';
import type { RunOperation } from '../graph.ts';
import type { Input } from '../input.ts';
import type { SolverContext } from '../solve/context.ts';
import type { StepOutput } from '../solve/shared-steps.ts';
import type { BuildSession } from '../solver.ts';
import { explainForeign } from './emulation.ts';
import { missingMountPoints, removeMountPoints } from './mount-points.ts';
import type { Workspace } from './rootfs.ts';
import { openMounts } from './run-mounts.ts';

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const HOSTNAME = 'buildkitsandbox';
const SIGKILL = 9;
/** What the runtime, or a shell, prints of a program that the kernel does not take (ENOEXEC). */
const NOT_FOR_THIS_MACHINE = 'Exec format error';

export interface RunRequest {
  readonly operation: RunOperation;
  /** What its programs are for. */
  readonly platform: Platform;
  readonly inputs: readonly Input[];
  readonly session: BuildSession;
  readonly signal: AbortSignal;
  readonly onOutput: (output: StepOutput) => void;
}

/**
 * Runs a command in a workspace, which it takes: only what the command wrote is left of it.
 * @throws Internal (reason BUILD_STEP_FAILED) in docker's words when it fails; what the mounts throw
 */
export async function runCommand(
  context: SolverContext,
  workspace: Workspace,
  request: RunRequest,
): Promise<void> {
  const { operation, signal } = request;
  await using undo = new AsyncDisposableStack();
  const spec = await prepareRun(context, workspace, request, undo);
  const stubs = missingMountPoints(
    workspace.rootfs,
    spec.mounts.map(({ destination }) => destination),
  );
  signal.throwIfAborted();
  let isForeign = false;
  const onOutput = (output: StepOutput) => {
    isForeign ||= Buffer.from(output.bytes).includes(NOT_FOR_THIS_MACHINE);
    request.onOutput(output);
  };
  try {
    const task = await start(context, workspace, spec, { ...request, onOutput });
    await waitFor(task, operation, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw isForeign ? explainForeign(error, request.platform, hostPlatform()) : error;
  }
  removeMountPoints(await context.store.snapshots.upperPath(workspace.key), stubs);
}

/** What a RUN's process is given. `undo` takes back what was opened for it. @throws what the mounts throw */
export async function prepareRun(
  context: SolverContext,
  { key, bundle, rootfs }: Pick<Workspace, 'key' | 'bundle' | 'rootfs'>,
  request: Pick<RunRequest, 'operation' | 'inputs' | 'session' | 'signal'> & { readonly terminal?: boolean },
  undo: AsyncDisposableStack,
): Promise<OciSpec> {
  const { operation, signal, terminal = false } = request;
  const opening = [
    openNetwork(context, operation, bundle, undo, signal),
    openMounts(context, { ...request, mounts: operation.mounts, bundle, undo }),
    lookupUser(rootfs, operation.user, []),
  ] as const;
  // None of them still writes into the bundle when it is removed.
  await Promise.allSettled(opening);
  const [network, mounts, user] = await Promise.all(opening);
  const spec = buildSpec({
    id: key,
    rootfsPath: rootfs,
    args: operation.args,
    env: environment(operation, user.home, mounts.env),
    cwd: operation.cwd,
    terminal,
    user,
    hostname: operation.hostname ?? HOSTNAME,
    domainname: '',
    privileged: operation.security === 'insecure',
    readonlyRootfs: false,
    capAdd: [],
    capDrop: [],
    noNewPrivileges: false,
    seccomp: operation.security === 'insecure' ? 'unconfined' : 'default',
    apparmorProfile: undefined,
    selinuxLabel: undefined,
    namespaces: {
      pid: NEW,
      ipc: NEW,
      uts: NEW,
      network: network.namespace,
      cgroup: { kind: 'host' },
      user: { kind: 'host' },
    },
    idMappings: undefined,
    mounts: [...network.mounts, ...mounts.mounts],
    shmSizeBytes: operation.shmSizeBytes,
    devices: [],
    resources: {},
    sysctls: {},
    ulimits: operation.ulimits,
    oomScoreAdj: undefined,
    maskedPaths: undefined,
    readonlyPaths: undefined,
    cgroupsPath: `${context.cgroupParent}/${key}`,
    annotations: {},
  });
  return withEarlyMounts(spec, mounts.early);
}

const NEW: NamespaceMode = { kind: 'new' };

async function start(
  { runtime, clock }: SolverContext,
  workspace: Workspace,
  spec: OciSpec,
  { operation, onOutput }: RunRequest,
): Promise<Task> {
  try {
    return await workspace.start({
      spec,
      runtime: runtime.defaultName,
      stdin: false,
      log: undefined,
      attach: [
        {
          write: ({ stream, bytes }) =>
            onOutput({ stream, bytes: Uint8Array.from(bytes), atMs: clock.nowMs() }),
          end: () => {},
        },
      ],
    });
  } catch (error) {
    if (!isSlipwayError(error) || !error.reason?.startsWith('EXEC_NOT_')) throw error;
    const program = JSON.stringify(operation.args[0] ?? '');
    const why =
      error.reason === 'EXEC_NOT_EXECUTABLE' ? 'permission denied' : 'executable file not found in $PATH';
    throw failed(operation, `exec: ${program}: ${why}`, error);
  }
}

/** Until the command has ended and everything of it is gone. */
async function waitFor(task: Task, operation: RunOperation, signal: AbortSignal): Promise<void> {
  const kill = () => void task.signal(SIGKILL).catch(() => {});
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  try {
    const { exitCode } = await task.exited;
    await task.delete();
    signal.throwIfAborted();
    if (exitCode !== 0) throw failed(operation, `exit code: ${exitCode}`);
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

const failed = (operation: RunOperation, why: string, cause?: unknown): SlipwayError =>
  new SlipwayError(
    'Internal',
    `process "${operation.args.join(' ')}" did not complete successfully: ${why}`,
    { reason: 'BUILD_STEP_FAILED', cause },
  );

/** What the Dockerfile says wins over what is hidden; secrets over both. */
function environment(operation: RunOperation, home: string, secrets: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (const variable of [
    DEFAULT_PATH,
    `HOME=${home}`,
    ...operation.hiddenEnv,
    ...operation.env,
    ...secrets,
  ]) {
    byName.set(variable.slice(0, variable.indexOf('=')), variable);
  }
  return [...byName.values()];
}

/** Right after `/dev`, which they are in. */
function withEarlyMounts(spec: OciSpec, early: readonly SpecMount[]): OciSpec {
  if (early.length === 0) return spec;
  const dev = spec.mounts.findIndex(({ destination }) => destination === '/dev');
  return {
    ...spec,
    mounts: [
      ...spec.mounts.slice(0, dev + 1),
      ...early.map((mount) => ({ ...mount, options: [...mount.options] })),
      ...spec.mounts.slice(dev + 1),
    ],
  };
}

interface RunNetwork {
  readonly namespace: NamespaceMode;
  readonly mounts: readonly SpecMount[];
}

async function openNetwork(
  { host }: SolverContext,
  { network, extraHosts, hostname }: RunOperation,
  bundle: HostPath,
  undo: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<RunNetwork> {
  const more = extraHosts.map(formatExtraHost).join('');
  const own = `127.0.0.1\tlocalhost ${hostname ?? HOSTNAME}\n::1\tlocalhost ip6-localhost ip6-loopback\n`;
  if (network === 'none') return { namespace: NEW, mounts: await files(bundle, '', own + more) };
  if (network === 'host') {
    const [resolvConf, hosts] = await Promise.all(
      ['/etc/resolv.conf', '/etc/hosts'].map((path) => readFile(path, 'utf8').catch(() => '')),
    );
    return { namespace: { kind: 'host' }, mounts: await files(bundle, resolvConf ?? '', hosts + more) };
  }
  const opened = undo.use(await host.openNetwork({ signal }));
  return {
    namespace: { kind: 'path', path: opened.namespacePath },
    mounts: await files(bundle, opened.resolvConf, opened.hosts + more),
  };
}

async function files(bundle: HostPath, resolvConf: string, hosts: string): Promise<SpecMount[]> {
  const contents = { 'resolv.conf': resolvConf, hosts };
  return await Promise.all(
    Object.entries(contents).map(async ([name, content]) => {
      const source = join(bundle, name);
      await writeFile(source, content, { mode: 0o644 });
      return { destination: `/etc/${name}`, type: 'bind', source, options: ['rbind', 'rprivate', 'ro'] };
    }),
  );
}

function formatExtraHost(entry: string): string {
  const [, name = '', address = ''] = /^([^:=]+)[:=](.+)$/.exec(entry) ?? [];
  return `${address.replace(/^\[(.*)\]$/, '$1')}\t${name}\n`;
}
