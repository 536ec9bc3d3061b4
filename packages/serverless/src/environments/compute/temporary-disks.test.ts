import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@slipway/base';
import { invocation, openFunctionsBench } from '../testing-engine.ts';

const signal = new AbortController().signal;

test('where no disk can be mounted, /tmp is in memory, of the size asked for, and the log says so once', async () => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) };
  await using bench = await openFunctionsBench('no-disks', ['nodejs22.x'], { logger, hasDisks: false });
  bench.environments.setPrepared('nodejs22.x', 1);
  while (bench.environments.preparedCount('nodejs22.x') === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const source = `exports.handler = async () => {
    const { type, blocks, bsize } = require('fs').statfsSync('/tmp'); return { type, bytes: blocks * bsize }; };`;
  for (const ephemeralStorageMb of [600, 700]) {
    const version = bench.define({ 'index.js': source }, { runtime: 'nodejs22.x', ephemeralStorageMb });
    await using environment = await bench.environments.open(version, { initialization: 'on-demand', signal });
    const { payload } = await environment.invoke(invocation({}), { signal });
    assert.deepEqual(JSON.parse(Buffer.from(payload).toString()), {
      type: 0x01021994,
      bytes: ephemeralStorageMb * 1024 * 1024,
    });
  }
  assert.equal(warnings.filter((message) => message.includes('/tmp')).length, 1);
});
