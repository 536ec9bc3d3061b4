import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { type HostPath, isErrno, SlipwayError } from '@slipway/base';
import { openInRoot } from './syscalls.ts';

/** Who a process runs as, as the files of its image say. */
export interface ImageUser {
  readonly uid: number;
  readonly gid: number;
  /** Also holds `gid`, so that dropping the primary group gives no rights back. */
  readonly additionalGids: number[];
  readonly home: string;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const MAX_ID = 2 ** 31 - 1;
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/**
 * Finds `name`, `uid`, `name:group`, `uid:gid`, … and the groups of `groupAdd` in the image's own `/etc/passwd` and
 * `/etc/group`. An empty `user` is root.
 * @throws InvalidArgument with docker's words when there is no such user or group, or an id is out of range
 */
export async function lookupUser(
  rootfs: HostPath,
  user: string,
  groupAdd: readonly string[],
): Promise<ImageUser> {
  const root = openSync(rootfs, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const passwd = parsePasswd(readInRoot(root, '/etc/passwd'));
    const groups = parseGroups(readInRoot(root, '/etc/group'));
    return resolveUser(user, groupAdd, passwd, groups);
  } finally {
    closeSync(root);
  }
}

function resolveUser(
  user: string,
  groupAdd: readonly string[],
  passwd: readonly PasswdEntry[],
  groups: readonly GroupEntry[],
): ImageUser {
  const colon = user.indexOf(':');
  const userPart = colon < 0 ? user : user.slice(0, colon);
  const groupPart = colon < 0 ? '' : user.slice(colon + 1);
  const wanted = userPart === '' ? '0' : userPart;
  const entry = passwd.find(({ name, uid }) => name === wanted || String(uid) === wanted);
  const uid = entry?.uid ?? parseId(wanted);
  if (uid === undefined) throw notFound('user', wanted, 'passwd');
  const gid = groupPart === '' ? (entry?.gid ?? 0) : findGroup(groupPart, groups);
  const own =
    groupPart === '' && entry !== undefined
      ? groups.filter(({ members }) => members.includes(entry.name)).map((group) => group.gid)
      : [];
  const added = groupAdd.map((group) => findGroup(group, groups));
  return { uid, gid, additionalGids: [...new Set([gid, ...own, ...added])], home: entry?.home || '/' };
}

function findGroup(wanted: string, groups: readonly GroupEntry[]): number {
  const gid =
    groups.find((group) => group.name === wanted || String(group.gid) === wanted)?.gid ?? parseId(wanted);
  if (gid === undefined) throw notFound('group', wanted, 'group');
  return gid;
}

function notFound(kind: string, name: string, file: string): SlipwayError {
  return new SlipwayError(
    'InvalidArgument',
    `unable to find ${kind} ${name}: no matching entries in ${file} file`,
  );
}

function parseId(text: string): number | undefined {
  if (!/^-?\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 0 || id > MAX_ID) {
    throw new SlipwayError(
      'InvalidArgument',
      `uids and gids must be in range 0-${MAX_ID}, and ${text} is not`,
    );
  }
  return id;
}

/** `name:password:uid:gid:comment:home:shell` lines; others are passed over. */
export function parsePasswd(text: string): PasswdEntry[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , uid = '', gid = '', , home = ''] = line.trim().split(':');
    if (name === '' || name.startsWith('#') || !/^\d+$/.test(uid)) return [];
    return [{ name, uid: Number(uid), gid: /^\d+$/.test(gid) ? Number(gid) : 0, home }];
  });
}

/** `name:password:gid:member,member` lines; others are passed over. */
export function parseGroups(text: string): GroupEntry[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , gid = '', members = ''] = line.trim().split(':');
    if (name === '' || name.startsWith('#') || !/^\d+$/.test(gid)) return [];
    return [{ name, gid: Number(gid), members: members.split(',').filter((member) => member !== '') }];
  });
}

/** An image chooses what is there: only a regular file of a sensible size is read. */
function readInRoot(root: number, path: string): string {
  try {
    const fd = openInRoot(root, path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size > MAX_FILE_BYTES) return '';
      return readFileSync(fd, 'utf8');
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return '';
    throw error;
  }
}
