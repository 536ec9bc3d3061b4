import { DEFAULT_HOST } from '@slipway/client';
import { boolean, type FlagTable, text } from './args/flags.ts';
import type { CommandTree, Leaf, Node, Noun } from './command.ts';

const create: Leaf = { load: () => import('./commands/create.ts') };
const run: Leaf = { load: () => import('./commands/run.ts') };
const start: Leaf = { load: () => import('./commands/start.ts') };
const stop: Leaf = { load: () => import('./commands/stop.ts') };
const restart: Leaf = { load: () => import('./commands/restart.ts') };
const kill: Leaf = { load: () => import('./commands/kill.ts') };
const rm: Leaf = { load: () => import('./commands/rm.ts') };
const ps: Leaf = { load: () => import('./commands/ps.ts') };
const logs: Leaf = { load: () => import('./commands/logs.ts') };
const attach: Leaf = { load: () => import('./commands/attach.ts') };
const exec: Leaf = { load: () => import('./commands/exec.ts') };
const cp: Leaf = { load: () => import('./commands/cp.ts') };
const stats: Leaf = { load: () => import('./commands/stats.ts') };
const top: Leaf = { load: () => import('./commands/top.ts') };
const wait: Leaf = { load: () => import('./commands/wait.ts') };
const rename: Leaf = { load: () => import('./commands/rename.ts') };
const port: Leaf = { load: () => import('./commands/port.ts') };
const pause: Leaf = { load: () => import('./commands/pause.ts') };
const unpause: Leaf = { load: () => import('./commands/unpause.ts') };
const diff: Leaf = { load: () => import('./commands/diff.ts') };
const commit: Leaf = { load: () => import('./commands/commit.ts') };
const export_: Leaf = { load: () => import('./commands/export.ts') };
const update: Leaf = { load: () => import('./commands/update.ts') };
const images: Leaf = { load: () => import('./commands/images.ts') };
const history: Leaf = { load: () => import('./commands/history.ts') };
const load: Leaf = { load: () => import('./commands/load.ts') };
const save: Leaf = { load: () => import('./commands/save.ts') };
const import_: Leaf = { load: () => import('./commands/import.ts') };
const tag: Leaf = { load: () => import('./commands/tag.ts') };
const rmi: Leaf = { load: () => import('./commands/rmi.ts') };
const pull: Leaf = { load: () => import('./commands/pull.ts') };
const push: Leaf = { load: () => import('./commands/push.ts') };
const events: Leaf = { load: () => import('./commands/events.ts') };
const info: Leaf = { load: () => import('./commands/info.ts') };

const container: Noun = {
  summary: 'Manage containers',
  commands: {
    attach,
    commit,
    cp,
    create,
    diff,
    exec,
    export: export_,
    inspect: { load: () => import('./commands/container-inspect.ts') },
    kill,
    logs,
    ls: ps,
    pause,
    port,
    prune: { load: () => import('./commands/container-prune.ts') },
    rename,
    restart,
    rm,
    run,
    start,
    stats,
    stop,
    top,
    unpause,
    update,
    wait,
  },
};

const build: Node = { load: () => import('./commands/build.ts') };

const image: Noun = {
  summary: 'Manage images',
  commands: {
    bootstrap: { load: () => import('./commands/image-bootstrap.ts') },
    build,
    history,
    import: import_,
    inspect: { load: () => import('./commands/image-inspect.ts') },
    load,
    ls: images,
    prune: { load: () => import('./commands/image-prune.ts') },
    pull,
    push,
    rm: rmi,
    save,
    sbom: { load: () => import('./commands/image-sbom.ts') },
    tag,
  },
};

const builder: Noun = {
  summary: 'Manage builds and their cache',
  commands: {
    build,
    debug: { load: () => import('./commands/builder-debug.ts') },
    du: { load: () => import('./commands/builder-du.ts') },
    history: { load: () => import('./commands/builder-history.ts') },
    prune: { load: () => import('./commands/builder-prune.ts') },
  },
};

const manifest: Noun = {
  summary: 'Manage images for several platforms, in registries',
  commands: { create: { load: () => import('./commands/manifest-create.ts') } },
};

const registry: Noun = {
  summary: "Manage the daemon's own registry",
  commands: {
    create: { load: () => import('./commands/registry-create.ts') },
    gc: { load: () => import('./commands/registry-gc.ts') },
    inspect: { load: () => import('./commands/registry-inspect.ts') },
    ls: { load: () => import('./commands/registry-ls.ts') },
    rm: { load: () => import('./commands/registry-rm.ts') },
    settings: { load: () => import('./commands/registry-settings.ts') },
    status: { load: () => import('./commands/registry-status.ts') },
    users: {
      summary: 'Manage who may use the TCP port',
      commands: {
        add: { load: () => import('./commands/registry-users-add.ts') },
        key: { load: () => import('./commands/registry-users-key.ts') },
        ls: { load: () => import('./commands/registry-users-ls.ts') },
        rm: { load: () => import('./commands/registry-users-rm.ts') },
        update: { load: () => import('./commands/registry-users-update.ts') },
      },
    },
    webhooks: {
      summary: 'Manage who is told of pushes',
      commands: {
        add: { load: () => import('./commands/registry-webhooks-add.ts') },
        ls: { load: () => import('./commands/registry-webhooks-ls.ts') },
        rm: { load: () => import('./commands/registry-webhooks-rm.ts') },
      },
    },
  },
};

const iam: Noun = {
  summary: 'Manage the access keys that AWS tools sign with',
  commands: {
    'create-access-key': { load: () => import('./commands/iam-create-access-key.ts') },
    'delete-access-key': { load: () => import('./commands/iam-delete-access-key.ts') },
    'list-access-keys': { load: () => import('./commands/iam-list-access-keys.ts') },
  },
};

const volume: Noun = {
  summary: 'Manage volumes',
  commands: {
    create: { load: () => import('./commands/volume-create.ts') },
    inspect: { load: () => import('./commands/volume-inspect.ts') },
    ls: { load: () => import('./commands/volume-ls.ts') },
    prune: { load: () => import('./commands/volume-prune.ts') },
    rm: { load: () => import('./commands/volume-rm.ts') },
  },
};

const network: Noun = {
  summary: 'Manage networks',
  commands: {
    connect: { load: () => import('./commands/network-connect.ts') },
    create: { load: () => import('./commands/network-create.ts') },
    disconnect: { load: () => import('./commands/network-disconnect.ts') },
    inspect: { load: () => import('./commands/network-inspect.ts') },
    ls: { load: () => import('./commands/network-ls.ts') },
    prune: { load: () => import('./commands/network-prune.ts') },
    rm: { load: () => import('./commands/network-rm.ts') },
  },
};

const fn: Noun = {
  summary: 'Manage functions',
  commands: {
    init: { load: () => import('./commands/fn-init.ts') },
    deploy: { load: () => import('./commands/fn-deploy.ts') },
    invoke: { load: () => import('./commands/fn-invoke.ts') },
    logs: { load: () => import('./commands/fn-logs.ts') },
    test: { load: () => import('./commands/fn-test.ts') },
    url: { load: () => import('./commands/fn-url.ts') },
    ls: { load: () => import('./commands/fn-ls.ts') },
    inspect: { load: () => import('./commands/fn-inspect.ts') },
    create: { load: () => import('./commands/fn-create.ts') },
    publish: { load: () => import('./commands/fn-publish.ts') },
    shell: { load: () => import('./commands/fn-shell.ts') },
    debug: { load: () => import('./commands/fn-debug.ts') },
    dev: { load: () => import('./commands/fn-dev.ts') },
    failures: { load: () => import('./commands/fn-failures.ts') },
    replay: { load: () => import('./commands/fn-replay.ts') },
    runtimes: { load: () => import('./commands/fn-runtimes.ts') },
    usage: { load: () => import('./commands/fn-usage.ts') },
    rm: { load: () => import('./commands/fn-rm.ts') },
  },
};

const system: Noun = {
  summary: 'Manage the daemon and what it keeps',
  commands: {
    df: { load: () => import('./commands/system-df.ts') },
    events,
    info,
    prune: { load: () => import('./commands/system-prune.ts') },
  },
};

const GROUPS: CommandTree['groups'] = {
  'Run containers': { run, exec, ps, logs, stop, start, restart, rm },
  'Look inside': {
    inspect: { load: () => import('./commands/inspect.ts') },
    attach,
    cp,
    diff,
    port,
    stats,
    top,
  },
  Control: { create, kill, pause, unpause, rename, update, wait, commit, export: export_ },
  Images: {
    build,
    package: { load: () => import('./commands/package.ts') },
    images,
    load,
    save,
    import: import_,
    tag,
    rmi,
    history,
  },
  Registries: {
    pull,
    push,
    login: { load: () => import('./commands/login.ts') },
    logout: { load: () => import('./commands/logout.ts') },
    search: { load: () => import('./commands/search.ts') },
  },
  Functions: { fn },
  'By noun': { container, image, builder, manifest, volume, network, registry, iam, system },
  'The daemon and this command': {
    version: { load: () => import('./commands/version.ts') },
    info,
    events,
    completion: { load: () => import('./commands/completion.ts') },
    help: { load: () => import('./commands/help.ts') },
  },
};

/** Not listed in the help: what the completion scripts and script/reference call. */
const HIDDEN: Readonly<Record<string, Node>> = {
  __complete: { load: () => import('./commands/complete.ts') },
  __reference: { load: () => import('./commands/reference.ts') },
};

const GLOBAL_FLAGS = {
  host: text(`The daemon's socket (default $SLIPWAY_HOST or ${DEFAULT_HOST})`, { short: 'H' }),
  help: boolean('Print help', { short: 'h' }),
  version: boolean('Print the version of this command', { short: 'v' }),
} as const satisfies FlagTable;

/** The table of all commands. */
export const COMMANDS = {
  root: {
    summary: 'Containers and functions on your machine',
    commands: Object.assign({}, ...Object.values(GROUPS), HIDDEN) as Record<string, Node>,
  },
  groups: GROUPS,
  globalFlags: GLOBAL_FLAGS,
} satisfies CommandTree;
