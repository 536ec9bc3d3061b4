/** A setting of the daemon: one row makes the flag, the environment variable, the key of the file, and the help. */
export interface OptionRow {
  /** `data-root`: the flag `--data-root`, the variable `SLIPWAY_DATA_ROOT`, the key `data-root` in the file. */
  readonly name: string;
  readonly short?: string;
  /** What stands for the value in the help; a switch has none. */
  readonly value?: string;
  /** May be given several times; in a variable the values are separated by commas. */
  readonly repeated?: boolean;
  readonly help: string;
}

export const OPTION_ROWS = [
  {
    name: 'data-root',
    value: 'DIR',
    help: 'images, containers, volumes and the database (/var/lib/slipway)',
  },
  {
    name: 'run-root',
    value: 'DIR',
    help: 'sockets and state of what runs, rebuilt after a reboot (/run/slipway)',
  },
  { name: 'socket', value: 'PATH', help: 'the Unix socket to listen on (docker.sock in the run root)' },
  { name: 'host', short: 'H', value: 'unix://PATH', help: 'the same, as dockerd takes it' },
  { name: 'group', value: 'NAME', help: 'the group that may use the socket, if it exists (docker)' },
  {
    name: 'port',
    value: 'N',
    help: 'the TCP port on 127.0.0.1 for the registry and the APIs of AWS; 0 for none (4566, where that is free)',
  },
  {
    name: 'registry-mirror',
    value: '[HOST=]URL',
    repeated: true,
    help: 'asked before the registry itself when images are pulled; of Docker Hub unless HOST is named',
  },
  {
    name: 'insecure-registry',
    value: 'HOST|CIDR',
    repeated: true,
    help: 'registries used without TLS or with any certificate (those on this host)',
  },
  {
    name: 'registry-proxy',
    value: '[PREFIX=]URL',
    repeated: true,
    help: 'serve what URL has below PREFIX/, and keep it: a pull-through cache',
  },
  { name: 'registry-anonymous-pull', help: 'who gives no name may pull, also once there are accounts' },
  { name: 'registry-read-only', help: 'the registry takes no pushes and deletes nothing' },
  {
    name: 'registry-immutable-tags',
    help: 'a tag once pushed stays what it is, unless its repository says otherwise',
  },
  {
    name: 'registry-quota',
    value: 'SIZE',
    help: 'what a repository may hold unless it says otherwise: 500m, 20g; 0 for all there is room for (0)',
  },
  {
    name: 'registry-gc-interval',
    value: 'HOURS',
    help: 'how often the registry drops what no manifest needs; 0 for only when asked (1)',
  },
  {
    name: 'accept-any-access-key',
    help: 'for development: whatever access key signs a request to functions and their like is an administrator’s',
  },
  {
    name: 'function-code-root',
    value: 'DIR',
    help: 'the object store that functions’ packages come from: its folders are buckets (none)',
  },
  {
    name: 'function-timeout',
    value: 'SECONDS',
    help: 'the longest time-out that a function may have (900)',
  },
  { name: 'function-memory', value: 'MB', help: 'the most memory that a function may have (10240)' },
  { name: 'function-tmp', value: 'MB', help: 'the largest /tmp that a function may have (10240)' },
  {
    name: 'function-environment',
    value: 'SIZE',
    help: 'all variables of a function together (4k)',
  },
  { name: 'function-layers', value: 'N', help: 'how many layers a function may have (5)' },
  {
    name: 'function-package',
    value: 'SIZE',
    help: 'the largest package that is taken with a request (50m)',
  },
  {
    name: 'function-code',
    value: 'SIZE',
    help: 'a function’s code with its layers, unpacked (250m)',
  },
  {
    name: 'function-concurrency',
    value: 'N',
    help: 'how many invocations of all functions may run at once (1000)',
  },
  {
    name: 'function-pool-size',
    value: 'N',
    help: 'how many environments there may be, of all functions (1000)',
  },
  {
    name: 'function-pool-memory',
    value: 'SIZE',
    help: 'what the memory sizes of all environments may add up to (the memory of this host)',
  },
  {
    name: 'function-idle-timeout',
    value: 'SECONDS',
    help: 'an environment that nobody used for so long is ended (600)',
  },
  {
    name: 'function-prepared',
    value: 'N',
    help: 'how many environments of a runtime in use wait for whichever function comes next, at most (4)',
  },
  {
    name: 'function-log-size',
    value: 'SIZE',
    help: 'what a function’s log may hold before its oldest lines go (256m)',
  },
  {
    name: 'function-prices',
    value: 'FILE',
    help: 'what use costs, as JSON: currency, perRequest, perGbSecond, perProvisionedGbSecond, perKeptGbSecond (AWS’s)',
  },
  {
    name: 'function-usage-days',
    value: 'N',
    help: 'how long every single invocation stays in the ledger; totals of days stay for good (30)',
  },
  {
    name: 'bridge',
    value: 'NAME',
    help: 'the default network’s bridge; one for each daemon on a host (slipway0)',
  },
  { name: 'bip', value: 'CIDR', help: 'the bridge’s address, e.g. 10.200.0.1/24 (a free range is chosen)' },
  { name: 'dns', value: 'IP', repeated: true, help: 'name servers for containers (those of this host)' },
  { name: 'dns-search', value: 'DOMAIN', repeated: true, help: 'search domains for containers' },
  { name: 'dns-opt', value: 'OPTION', repeated: true, help: 'resolver options for containers' },
  {
    name: 'runtime',
    value: 'NAME=PATH',
    repeated: true,
    help: 'another OCI runtime with runc’s command line, e.g. runsc=/usr/bin/runsc',
  },
  {
    name: 'default-runtime',
    value: 'NAME',
    help: 'for containers that ask for none (crun where it works, else runc)',
  },
  { name: 'cgroup-parent', value: 'PATH', help: 'the cgroup that containers are made in (/slipway)' },
  { name: 'init-path', value: 'PATH', help: 'the program for docker run --init (/usr/bin/tini-static)' },
  {
    name: 'log-max-size',
    value: 'SIZE',
    help: 'a container’s log is rotated past this: 20m, 1g; 0 for never (20m)',
  },
  { name: 'log-max-file', value: 'N', help: 'files of a rotated log that are kept (5)' },
  { name: 'log-level', value: 'LEVEL', help: 'of the daemon’s own log: debug, info, warn, error (info)' },
  { name: 'log-format', value: 'FORMAT', help: 'text or json (text on a terminal, else json)' },
  {
    name: 'layer-form',
    value: 'FORM',
    help: 'how images’ layers are kept: image (EROFS over the archive) or files (image where the kernel can mount it)',
  },
  {
    name: 'keep-cgroup-mode',
    help: 'do not ask the kernel to favour changes of cgroups (favordynmods); starts take up to 20 ms longer',
  },
  { name: 'stop-containers', help: 'stop all containers when the daemon is stopped; otherwise they run on' },
  {
    name: 'config',
    value: 'FILE',
    help: 'settings as JSON, keys as the flags here (/etc/slipway/daemon.json)',
  },
  { name: 'version', short: 'v', help: 'print the version and exit' },
  { name: 'help', short: 'h', help: 'print this and exit' },
] as const satisfies readonly OptionRow[];

export type OptionName = (typeof OPTION_ROWS)[number]['name'];

/** Settings as they were written, before they are checked. */
export type RawSettings = Partial<Record<string, unknown>>;

/** The environment variable of a setting: `data-root` is `SLIPWAY_DATA_ROOT`. */
export const variableOf = (name: string): string => `SLIPWAY_${name.replaceAll('-', '_').toUpperCase()}`;

/** `slipwayd --help`. */
export function helpText(): string {
  const rows: readonly OptionRow[] = OPTION_ROWS;
  const left = rows.map(
    ({ name, short, value }) => `${short ? `-${short}, ` : '    '}--${name}${value ? ` ${value}` : ''}`,
  );
  const width = Math.max(...left.map((text) => text.length)) + 2;
  return `Usage: slipwayd [OPTIONS]

Runs containers, and speaks the Docker Engine API on a Unix socket. Use it with:

    export DOCKER_HOST=unix:///run/slipway/docker.sock
    docker run --rm hello          # or: slipway run --rm hello

Options (what is in parentheses holds when nothing is said; * may be repeated):

${rows.map((row, index) => `  ${(left[index] ?? '').padEnd(width)}${row.help}${row.repeated ? ' *' : ''}`).join('\n')}

Each option is also a variable (SLIPWAY_DATA_ROOT) and a key of the file ({"data-root": "/srv/slipway"}).
A flag goes before a variable, a variable before the file.

Stopping the daemon (Ctrl-C or SIGTERM) leaves containers running: the next slipwayd with the same roots takes
them over, with their logs and exit codes. With --stop-containers they are stopped first.

Two daemons can run side by side when each has its own --data-root, --run-root and --bridge.
`;
}
