import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isErrno, isSlipwayError } from '@slipway/base/errors';
import { Connection } from './connection.ts';

test('a file that cannot be read is told from a daemon that cannot be reached', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'slipway-client-'));
  const socketPath = join(directory, 's.sock');
  const server = createServer((request, response) => request.resume().on('end', () => response.end()));
  await new Promise<void>((listening) => server.listen(socketPath, listening));
  try {
    using connection = new Connection(`unix://${socketPath}`);
    const body = createReadStream(join(directory, 'missing.tar'));
    await assert.rejects(
      connection.empty('POST', '/images/load', { body }),
      (error) => !isSlipwayError(error) && isErrno(error, 'ENOENT'),
    );
    await assert.rejects(new Connection(`unix://${directory}/none`).empty('GET', '/'), (error) =>
      isSlipwayError(error, 'Unavailable'),
    );
  } finally {
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true });
  }
});
