import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { eventually, sleep } from './harness/command.ts';
import { busyboxBytes } from './harness/images.ts';
import { useEngine } from './harness/suite.ts';

const engine = await useEngine();
const { mustDocker } = { mustDocker: engine.mustDocker.bind(engine) };

const RUNS = 200;
const AT_A_TIME = 8;
/** Containers that are removed while they are started again. */
const RESTARTED = 96;
/** Connections that just closed, and files that a background task has open right now. */
const DESCRIPTOR_SLACK = 3;
const THREAD_SLACK = 1;
/** What the collector may not have given back yet; a leak of 150 kB for each container shows. */
const MEMORY_SLACK_KB = 30 * 1024;
const CLIENTS_OF_A_KIND = 10;

interface Use {
  readonly descriptors: number;
  readonly threads: number;
  readonly residentKb: number;
}

const readUse = (pid: number): Use => ({
  descriptors: readdirSync(`/proc/${pid}/fd`).length,
  threads: readdirSync(`/proc/${pid}/task`).length,
  residentKb: Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]),
});

/** What it uses when nothing was opened or closed for a while: an end that is still on its way would hide a leak. */
async function readSettledUse(pid: number): Promise<Use> {
  let use = readUse(pid);
  for (let quietMs = 0; quietMs < 800; quietMs += 100) {
    await sleep(100);
    const now = readUse(pid);
    if (now.descriptors !== use.descriptors || now.threads !== use.threads) quietMs = 0;
    use = now;
  }
  return use;
}

/** Fails when the daemon does not come back to what it used `before`. */
async function assertFlat(before: Use, pid = engine.pid): Promise<void> {
  let now = before;
  const isFlat = () => {
    now = readUse(pid);
    return (
      now.descriptors <= before.descriptors + DESCRIPTOR_SLACK &&
      now.threads <= before.threads + THREAD_SLACK &&
      now.residentKb <= before.residentKb + MEMORY_SLACK_KB
    );
  };
  await eventually('the daemon uses what it used before', isFlat, 15_000).catch((cause: unknown) => {
    throw new Error(`it grew from ${JSON.stringify(before)} to ${JSON.stringify(now)}`, { cause });
  });
}

/** A request written by hand, so that the client can vanish at any byte of it. */
async function openRequest(head: string, headers: readonly string[] = []): Promise<Socket> {
  const socket = connect(engine.socketPath);
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(`${[`${head} HTTP/1.1`, 'Host: slipway', ...headers].join('\r\n')}\r\n\r\n`);
  return socket;
}

const UPGRADE = ['Upgrade: tcp', 'Connection: Upgrade'];

/** Reads until `pattern` was there; what came. */
async function readUntil(socket: Socket, pattern: RegExp): Promise<string> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    text += chunk.toString('latin1');
    if (pattern.test(text)) return text;
  }
  throw new Error(`the daemon closed the connection after: ${text}`);
}

/** Requests of which every client vanishes right after the answer began. */
async function vanishAfterHeaders(head: string, headers?: readonly string[]): Promise<void> {
  await Promise.all(
    Array.from({ length: CLIENTS_OF_A_KIND }, async () => {
      const socket = await openRequest(head, headers);
      const answer = await readUntil(socket, /\r\n\r\n/);
      assert.match(answer, /^HTTP\/1\.1 (101|200)/, head);
      socket.pause();
      await sleep(30);
      socket.destroy();
    }),
  );
}

/** `docker run --rm`, as its client does it: create, attach, wait, start. */
async function runOnce(index: number): Promise<void> {
  const body = {
    Image: 'busybox',
    Cmd: ['echo', `run ${index}`],
    AttachStdout: true,
    HostConfig: { AutoRemove: true },
  };
  const created = await engine.api({ method: 'POST', path: '/containers/create', body });
  assert.equal(created.status, 201, created.text);
  const { Id } = created.json as { Id: string };
  const attached = await openRequest(`POST /containers/${Id}/attach?stream=1&stdout=1`, [
    ...UPGRADE,
    'Content-Length: 0',
  ]);
  const output = readUntil(attached, new RegExp(`run ${index}\n`));
  const removed = engine.api({ method: 'POST', path: `/containers/${Id}/wait?condition=removed` });
  const started = await engine.api({ method: 'POST', path: `/containers/${Id}/start` });
  assert.equal(started.status, 204, started.text);
  await output;
  assert.deepEqual((await removed).json, { StatusCode: 0 });
  attached.destroy();
}

async function runMany(count: number, run: (index: number) => Promise<void> = runOnce): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
}

/** The shim that stays beside a container. */
async function shimOf(name: string): Promise<number> {
  const { Pid } = (await engine.inspect(name)).State;
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${Pid}/status`, 'utf8'))?.[1]);
}

async function countEventListeners(): Promise<number> {
  return ((await engine.api({ path: '/info' })).json as { NEventsListener: number }).NEventsListener;
}

test('descriptors, threads and memory stay flat over 200 containers, eight at a time', async () => {
  await runMany(3 * AT_A_TIME);
  const before = await readSettledUse(engine.pid);
  await runMany(RUNS);
  assert.equal(await mustDocker('ps', '-aq'), '');
  await assertFlat(before);
});

test('clients that vanish while they listen leave nothing with the daemon or the shim', async () => {
  const script = 'while :; do echo a line of what it says again and again; usleep 500; done';
  await mustDocker('run', '-d', '-i', '--name', 'talker', 'busybox', 'sh', '-c', script);
  const shim = await shimOf('talker');
  const listenAll = async () => {
    const whole = 'stream=1&stdin=1&stdout=1&stderr=1';
    await vanishAfterHeaders(`POST /containers/talker/attach?${whole}`, [...UPGRADE, 'Content-Length: 0']);
    await vanishAfterHeaders('GET /containers/talker/logs?follow=1&stdout=1&stderr=1');
    await vanishAfterHeaders('GET /events');
    await vanishAfterHeaders('GET /containers/talker/stats?stream=1');
    await vanishAfterHeaders('GET /containers/talker/export');
    await vanishAfterHeaders('GET /images/busybox/get');
    const waiting = await Promise.all(
      Array.from({ length: CLIENTS_OF_A_KIND }, () =>
        openRequest('POST /containers/talker/wait', ['Content-Length: 0']),
      ),
    );
    await sleep(50);
    for (const socket of waiting) socket.destroy();
  };
  const listening = await openRequest('GET /events');
  await eventually('a client that listens is counted', async () => (await countEventListeners()) === 1);
  listening.destroy();
  await listenAll();
  const before = await readSettledUse(engine.pid);
  const shimBefore = readUse(shim);
  for (let round = 0; round < 3; round++) await listenAll();
  await assertFlat(before);
  await assertFlat(shimBefore, shim);
  assert.equal(await countEventListeners(), 0, 'subscriptions to the events stay');

  assert.equal(await mustDocker('exec', 'talker', 'echo', 'well'), 'well');
  assert.notEqual(await mustDocker('logs', '--tail', '1', 'talker'), '');
  await mustDocker('rm', '-f', 'talker');
});

test('clients that vanish while an exec runs leave no process once its input or output ends', async () => {
  await mustDocker('run', '-d', '--init', '--name', 'host', 'busybox', 'sleep', '300');
  const shim = await shimOf('host');
  const execOnce = async (body: object): Promise<string> => {
    const created = await engine.api({ method: 'POST', path: '/containers/host/exec', body });
    const { Id } = created.json as { Id: string };
    const start = JSON.stringify({ Detach: false, Tty: false });
    const socket = await openRequest(`POST /exec/${Id}/start`, [
      ...UPGRADE,
      'Content-Type: application/json',
      `Content-Length: ${start.length}`,
    ]);
    socket.write(start);
    assert.match(await readUntil(socket, /\r\n\r\n/), /^HTTP\/1\.1 101/);
    socket.pause();
    await sleep(30);
    socket.destroy();
    return Id;
  };
  const execMany = async () => {
    const ids = await Promise.all([
      ...Array.from({ length: 5 }, () => execOnce({ Cmd: ['cat'], AttachStdin: true, AttachStdout: true })),
      ...Array.from({ length: 3 }, () =>
        execOnce({ Cmd: ['sh', '-c', 'yes | head -c 5000000'], AttachStdout: true }),
      ),
    ]);
    for (const id of ids) {
      await eventually(`exec ${id.slice(0, 12)} ends`, async () => {
        const answer = await engine.api({ path: `/exec/${id}/json` });
        return (answer.json as { Running?: boolean }).Running === false;
      });
    }
  };
  await execMany();
  const before = await readSettledUse(engine.pid);
  const shimBefore = readUse(shim);
  await execMany();
  await execMany();
  await assertFlat(before);
  await assertFlat(shimBefore, shim);
  const processes = (await engine.api({ path: '/containers/host/top' })).json as { Processes: string[][] };
  assert.ok(processes.Processes.length <= 2, JSON.stringify(processes));
  await mustDocker('rm', '-f', 'host');
});

test('clients that vanish in the middle of an upload leave no partial image and no scratch', async () => {
  const archive = await busyboxBytes();
  const uploadHalf = async () => {
    const socket = await openRequest('POST /images/load', [
      'Content-Type: application/x-tar',
      `Content-Length: ${archive.length}`,
    ]);
    socket.write(archive.subarray(0, archive.length >> 1));
    await sleep(100);
    socket.destroy();
  };
  await uploadHalf();
  const before = await readSettledUse(engine.pid);
  for (let round = 0; round < 3; round++) await Promise.all(Array.from({ length: 4 }, uploadHalf));
  await assertFlat(before);
  for (const folder of ['content/ingest', 'scratch']) {
    await eventually(`${folder} is empty`, () => {
      try {
        return readdirSync(`${engine.dataRoot}/${folder}`).length === 0;
      } catch {
        return true;
      }
    });
  }
  assert.equal(await mustDocker('images', '-q'), await mustDocker('images', '-q', 'busybox'));
  const loaded = await engine.api({ method: 'POST', path: '/images/load', body: archive });
  assert.match(loaded.text, /Loaded image: busybox:latest/);
  assert.equal(await mustDocker('run', '--rm', 'busybox', 'echo', 'on'), 'on');
});

test('a client that vanishes before its container starts leaves one that can be started and removed', async () => {
  const before = await readSettledUse(engine.pid);
  await mustDocker('create', '--name', 'left', '-i', 'busybox', 'cat');
  await vanishAfterHeaders('POST /containers/left/attach?stream=1&stdin=1&stdout=1', [
    ...UPGRADE,
    'Content-Length: 0',
  ]);
  await mustDocker('start', 'left');
  await mustDocker('rm', '-f', 'left');
  await assertFlat(before);
});

test('a container that is started again and again is stopped and removed whenever that is asked, on a busy machine', async () => {
  const flags = ['-d', '--restart', 'always', '--network', 'none'];
  const failing = ['busybox', 'sh', '-c', 'exit 1'];
  // They take the processor from the daemon, so that a restart and what ends it meet.
  const burners = Array.from({ length: 6 }, () => spawn('sh', ['-c', 'while :; do :; done']));
  try {
    const removeRestarted = async (index: number) => {
      const name = `again-${index}`;
      await mustDocker('run', '--name', name, ...flags, ...failing);
      // The first restart begins 100 ms after the first end, the next one 200 ms after the second.
      await sleep(60 + (index % 16) * 10);
      if (index % 3 === 0) {
        await mustDocker('stop', name);
        const { State } = await engine.inspect(name);
        assert.deepEqual([State.Status, State.Restarting], ['exited', false], name);
      }
      const removed = await engine.docker('rm', '-f', name);
      assert.equal(removed.code, 0, `${name}: ${removed.stderr}`);
    };
    await runMany(RESTARTED, removeRestarted);
  } finally {
    for (const burner of burners) burner.kill('SIGKILL');
  }
  assert.equal(await mustDocker('ps', '-aq'), '');
});
