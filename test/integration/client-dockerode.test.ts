import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import Docker from 'dockerode';
import { busyboxArchive } from './harness/images.ts';
import { useEngine } from './harness/suite.ts';

const engine = await useEngine();
const docker = new Docker({ socketPath: engine.socketPath });

/** Everything a stream says, as text. */
async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk.toString();
  return text;
}

test('dockerode: ping, version, info', async () => {
  assert.equal(String(await docker.ping()), 'OK');
  assert.match((await docker.version()).ApiVersion, /^1\.\d+$/);
  assert.equal((await docker.info()).Images, 1);
});

test('dockerode: run with streams', async () => {
  const output = new PassThrough();
  const collected = readAll(output);
  const [result, container] = (await docker.run(
    'busybox',
    ['sh', '-c', 'echo from dockerode; exit 2'],
    output,
    { Tty: true },
  )) as [{ StatusCode: number }, Docker.Container];
  assert.equal(result.StatusCode, 2);
  assert.equal(await collected, 'from dockerode\r\n');
  await container.remove();
});

test('dockerode: attach before start, both streams apart, input and its end', async () => {
  const container = await docker.createContainer({
    Image: 'busybox',
    Cmd: ['sh', '-c', 'cat; echo done >&2'],
    OpenStdin: true,
    StdinOnce: true,
  });
  const stream = await container.attach({
    stream: true,
    stdin: true,
    stdout: true,
    stderr: true,
    hijack: true,
  });
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  docker.modem.demuxStream(stream, stdout, stderr);
  stream.on('end', () => [stdout, stderr].map((side) => side.end()));
  await container.start();
  stream.end('typed in\n');
  assert.deepEqual(await Promise.all([readAll(stdout), readAll(stderr)]), ['typed in\n', 'done\n']);
  assert.equal((await container.wait()).StatusCode, 0);
  await container.remove();
});

test('dockerode: wait for the next exit is asked before start', async () => {
  const container = await docker.createContainer({ Image: 'busybox', Cmd: ['sh', '-c', 'exit 6'] });
  const waited = container.wait({ condition: 'next-exit' });
  await container.start();
  assert.equal((await waited).StatusCode, 6);
  await container.remove();
});

test('dockerode: exec with output and code', async () => {
  const container = await docker.createContainer({
    Image: 'busybox',
    Cmd: ['sleep', '600'],
    HostConfig: { AutoRemove: true },
  });
  await container.start();
  const exec = await container.exec({
    Cmd: ['sh', '-c', 'cat; exit 3'],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({ hijack: true, stdin: true });
  const stdout = new PassThrough();
  docker.modem.demuxStream(stream, stdout, new PassThrough());
  stream.on('end', () => stdout.end());
  stream.end('piped');
  assert.equal(await readAll(stdout), 'piped');
  const inspected = await exec.inspect();
  assert.deepEqual([inspected.Running, inspected.ExitCode], [false, 3]);
  await container.kill();
});

test('dockerode: logs, stats, top, changes, archive', async () => {
  const container = await docker.createContainer({
    Image: 'busybox',
    Cmd: ['sh', '-c', 'echo logged; touch /tmp/x; exec sleep 600'],
  });
  await container.start();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const logs = (await container.logs({ stdout: true, stderr: true })) as unknown as Buffer;
  assert.deepEqual([logs[0], logs.readUInt32BE(4), logs.subarray(8).toString()], [1, 7, 'logged\n']);
  const stats = await container.stats({ stream: false });
  assert.ok(stats.memory_stats.usage > 0);
  assert.equal((await container.top()).Processes.length, 1);
  assert.ok((await container.changes()).some((change: { Path: string }) => change.Path === '/tmp/x'));
  const tar = await readAll(await container.getArchive({ path: '/etc/passwd' }));
  assert.match(tar, /^passwd\0/);
  await container.remove({ force: true });
});

test('dockerode: images, volumes, networks, events', async () => {
  const since = Math.floor(Date.now() / 1000) - 1;
  const progress = await docker.loadImage(createReadStream(await busyboxArchive()));
  assert.match(await readAll(progress), /Loaded image: busybox:latest/);
  await docker.getImage('busybox').tag({ repo: 'ode', tag: '1' });
  assert.ok((await docker.listImages()).some((image) => image.RepoTags?.includes('ode:1')));
  await docker.getImage('ode:1').remove();
  const volume = await docker.createVolume({ Name: 'ode', Labels: { a: 'b' } });
  assert.deepEqual((await docker.getVolume('ode').inspect()).Labels, { a: 'b' });
  await docker.getVolume(volume.name ?? 'ode').remove();
  const network = await docker.createNetwork({ Name: 'ode' });
  assert.equal((await network.inspect()).Driver, 'bridge');
  await network.remove();
  const events = await readAll(await docker.getEvents({ since, until: Math.ceil(Date.now() / 1000) + 1 }));
  const actions = events
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { Type: string; Action: string });
  for (const [type, action] of [
    ['image', 'tag'],
    ['volume', 'create'],
    ['network', 'destroy'],
  ] as const) {
    assert.ok(
      actions.some((event) => event.Type === type && event.Action === action),
      `${type} ${action}`,
    );
  }
});

test('dockerode: errors carry the status and dockers words', async () => {
  const failure = async (promise: Promise<unknown>) =>
    (await promise.then(
      () => assert.fail('it did not fail'),
      (error: unknown) => error,
    )) as { statusCode: number; json: { message: string } };
  const absent = await failure(docker.getContainer('nosuch').inspect());
  assert.deepEqual([absent.statusCode, absent.json.message], [404, 'No such container: nosuch']);
  const noImage = await failure(docker.createContainer({ Image: 'nosuch:1' }));
  assert.deepEqual([noImage.statusCode, noImage.json.message], [404, 'No such image: nosuch:1']);
});
