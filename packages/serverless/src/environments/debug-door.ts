import { createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * A port of the host's 127.0.0.1 that leads to one inside of a sandbox, where nothing else of the host can reach.
 * @throws the socket's own error, as EADDRINUSE
 */
export async function openDebugDoor(port: number, connect: () => Promise<Duplex>): Promise<Server> {
  const server = createServer((client) => {
    const refuse = () => client.destroy();
    client.on('error', refuse);
    connect().then((inside) => {
      inside.on('error', refuse);
      client.on('close', () => inside.destroy());
      client.pipe(inside).pipe(client);
    }, refuse);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, '127.0.0.1', resolve);
  server.unref();
  await promise;
  return server;
}
