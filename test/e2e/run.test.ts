import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { checkoutRoot } from '../architecture/source-files.ts';
import { mustRun } from '../integration/harness/command.ts';

const script = join(checkoutRoot, 'script/run');
const PAGE = /Hello from a container\./;

describe('script/run', () => {
  const ranBefore = existsSync(join(checkoutRoot, '.cache/run/docker.sock'));
  after(async () => {
    if (!ranBefore) await mustRun([script, '--stop'], { timeoutMs: 60_000 });
  });

  it('packages an application, runs it on a port and shows its page', async () => {
    const { stdout } = await mustRun([script], { timeoutMs: 280_000 });
    assert.match(stdout, PAGE);
  });

  it('does nothing twice', async () => {
    const { stdout, durationMs } = await mustRun([script], { timeoutMs: 60_000 });
    assert.match(stdout, PAGE);
    assert.match(stdout, /hello runs already/);
    assert.ok(durationMs < 15_000, `it took ${durationMs} ms`);
  });
});
