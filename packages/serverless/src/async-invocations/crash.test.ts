import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

/** `SLIPWAY_TEST_KILLS=1000` for the figure that the project promises. */
const KILLS = Number(process.env.SLIPWAY_TEST_KILLS ?? 30);

test(`through ${KILLS} kills no accepted event is lost, and none runs that was not accepted`, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-crash-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const journal = join(folder, 'journal');
  writeFileSync(journal, '');
  const start = (mode: 'accept' | 'drain') =>
    spawn(
      process.execPath,
      [new URL('crash-child.ts', import.meta.url).pathname, join(folder, 'events.db'), journal, mode],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );

  for (let kill = 0; kill < KILLS; kill++) {
    const child = start('accept');
    await once(child.stdout, 'data');
    await sleep(randomInt(120));
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const [code] = await once(start('drain'), 'exit');
  assert.equal(code, 0);

  const of = await steps(journal);
  const lost = of.accepted.difference(of.ran);
  const uninvited = of.ran.difference(of.offered).union(of.ran.intersection(of.refused));
  t.diagnostic(
    `${KILLS} kills: ${of.offered.size} offered, ${of.accepted.size} accepted, ${of.refused.size} refused, ${of.ran.size} ran`,
  );
  assert.ok(of.accepted.size > KILLS && of.refused.size > 0, 'the test must have had something to lose');
  assert.deepEqual([...lost], []);
  assert.deepEqual([...uninvited], []);
});

async function steps(journal: string) {
  const sets = {
    offered: new Set<string>(),
    accepted: new Set<string>(),
    refused: new Set<string>(),
    ran: new Set<string>(),
  };
  for await (const line of createInterface({ input: createReadStream(journal) })) {
    const [step, id = ''] = line.split(' ');
    if (step !== undefined && step in sets) sets[step as keyof typeof sets].add(id);
  }
  return sets;
}
