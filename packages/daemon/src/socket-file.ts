import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { type HostPath, isErrno, SlipwayError } from '@slipway/base';

/** The longest path that fits into a Unix socket's address. */
const MAX_PATH_BYTES = 107;

/**
 * Makes sure that a socket can be bound here: its folder exists, and a socket that a dead daemon left is removed.
 * @throws Conflict when somebody listens there or the path is something else; InvalidArgument when it is too long.
 */
export async function clearSocketPath(path: HostPath): Promise<void> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new SlipwayError(
      'InvalidArgument',
      `the socket path ${path} is longer than ${MAX_PATH_BYTES} bytes; choose a shorter one with --socket`,
    );
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new SlipwayError(
      'Conflict',
      `${path} is there and is not a socket; move it, or choose another --socket`,
    );
  }
  if (await answers(path)) {
    throw new SlipwayError('Conflict', `another program listens on ${path}; choose another --socket`);
  }
  unlinkSync(path);
}

/** Lets root and the group, if it exists, use the socket, and nobody else. */
export function protectSocket(path: HostPath, group: string): void {
  const groupId = findGroupId(group);
  if (groupId !== undefined) chownSync(path, 0, groupId);
  chmodSync(path, 0o660);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      if (isErrno(error, 'ECONNREFUSED', 'ENOENT')) resolve(false);
      else reject(error);
    });
  });
}

function findGroupId(name: string): number | undefined {
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [groupName, , id] = line.split(':');
    if (groupName === name) return Number(id);
  }
  return undefined;
}
