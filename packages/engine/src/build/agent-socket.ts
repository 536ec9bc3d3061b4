import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HostPath, hostPath } from '@slipway/base';

/** A Unix socket, until disposed, whose connections are each carried to a client's ssh agent by `forward`. */
export async function listenForAgent(
  forward: (socket: Socket) => Promise<void>,
): Promise<AsyncDisposable & { readonly path: HostPath }> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-ssh-'));
  const path = hostPath(join(folder, 'agent'));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    forward(socket).catch(() => socket.destroy());
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
