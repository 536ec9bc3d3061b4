import { readFile, readlink, stat } from 'node:fs/promises';

/** USER_HZ, which is 100 on every architecture that Linux runs containers on. */
const TICKS_PER_SECOND = 100;

/** What `ps -ef` prints of some processes, read from /proc: for hosts without `ps`. */
export async function processTable(
  pids: Iterable<number>,
  users: ReadonlyMap<number, string>,
): Promise<string> {
  const bootedAtMs = await bootTimeMs();
  const rows = await Promise.all([...pids].map((pid) => processRow(pid, bootedAtMs, users)));
  return ['UID PID PPID C STIME TTY TIME CMD', ...rows.filter((row) => row !== undefined)].join('\n');
}

/** Names of the host's users by number, as its `/etc/passwd` has them. */
export async function hostUsers(): Promise<ReadonlyMap<number, string>> {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const fields = text.split('\n').map((line) => line.split(':'));
  return new Map(fields.flatMap(([name, , uid]) => (name && uid ? [[Number(uid), name] as const] : [])));
}

async function processRow(
  pid: number,
  bootedAtMs: number,
  users: ReadonlyMap<number, string>,
): Promise<string | undefined> {
  const folder = `/proc/${pid}`;
  try {
    const [text, command, { uid }, terminal] = await Promise.all([
      readFile(`${folder}/stat`, 'utf8'),
      readFile(`${folder}/cmdline`, 'utf8'),
      stat(folder),
      readlink(`${folder}/fd/0`).catch(() => ''),
    ]);
    // The name is in parentheses and may hold any byte, also a parenthesis; the fields after it are numbers.
    const name = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'));
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const field = (number: number) => Number(fields[number - 3]);
    const seconds = Math.floor((field(14) + field(15)) / TICKS_PER_SECOND);
    const started = new Date(bootedAtMs + (field(22) * 1000) / TICKS_PER_SECOND);
    return [
      users.get(uid) ?? uid,
      pid,
      field(4),
      0,
      started.toTimeString().slice(0, 5),
      field(7) === 0 ? '?' : terminal.replace('/dev/', '') || '?',
      [seconds / 3600, (seconds / 60) % 60, seconds % 60]
        .map((part) => String(Math.floor(part)).padStart(2, '0'))
        .join(':'),
      command.replaceAll('\0', ' ').trim() || `[${name}]`,
    ].join(' ');
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}

async function bootTimeMs(): Promise<number> {
  const seconds = /^btime (\d+)$/m.exec(await readFile('/proc/stat', 'utf8'))?.[1];
  return Number(seconds ?? 0) * 1000;
}
