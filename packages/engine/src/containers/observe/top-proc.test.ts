import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parsePs } from './top.ts';
import { hostUsers, processTable } from './top-proc.ts';

const run = promisify(execFile);

test('without ps, the table of processes is what ps -ef prints of them', async () => {
  const child = spawn('sh', ['-c', 'sleep 20 & exec sleep 30'], { stdio: 'ignore', detached: true });
  try {
    const pid = child.pid as number;
    while (!(await run('ps', ['-o', 'args=', '-p', String(pid)])).stdout.startsWith('sleep 30'));
    const pids = new Set([pid, process.pid, 2_000_000_000]);
    const expected = parsePs((await run('ps', ['-ef'])).stdout, pids);
    const found = parsePs(await processTable(pids, await hostUsers()), pids);
    assert.deepEqual(found.Titles, expected.Titles);
    // The share of the processor (C) and the time, which goes on, are not compared.
    const compared = (table: typeof found) =>
      table.Processes.map(([user, id, parent, , start, terminal, , command]) =>
        [user, id, parent, start, terminal, command].join('|'),
      ).sort();
    assert.deepEqual(compared(found), compared(expected));
  } finally {
    process.kill(-(child.pid as number), 'SIGKILL');
  }
});
