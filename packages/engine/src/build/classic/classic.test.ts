import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BuildEvent, planDockerfile, vertexDigest } from '@slipway/build';
import { parseDockerfile } from '@slipway/dockerfile';
import { formatFamiliar, hostPlatform } from '@slipway/oci';
import { ClassicProgress, classicError } from './progress.ts';
import { readClassicRequest } from './request.ts';

const read = (text: string) => readClassicRequest(new URLSearchParams(text));

test('the parameters of a build are read in every form that clients send', () => {
  const request = read(
    't=app&t=localhost:5000/x:2&buildargs={"A":"1","none":null}&labels=["l=v","bare"]&cachefrom=[]&q=1&shmsize=0&memory=',
  );
  assert.deepEqual(request.references.map(formatFamiliar), ['app:latest', 'localhost:5000/x:2']);
  assert.deepEqual([...request.buildArgs], [['A', '1']]);
  assert.deepEqual([...request.labels], [['l', 'v']]);
  assert.deepEqual([request.quiet, request.shmSizeBytes, request.dockerfile], [true, 64 << 20, 'Dockerfile']);
  assert.deepEqual(read('ulimits=[{"Name":"nofile","Soft":1,"Hard":2}]').ulimits, [
    { name: 'nofile', soft: 1, hard: 2 },
  ]);
});

test('a parameter that cannot be honoured is refused and named', () => {
  assert.throws(() => read('squash=1'), { code: 'NotImplemented', message: /squash/ });
  assert.throws(() => read('buildargs={'), { code: 'InvalidArgument', message: /buildargs/ });
  assert.throws(() => read('networkmode=container:x'), { code: 'NotImplemented', message: /container:x/ });
  assert.throws(() => read(`t=x@sha256:${'0'.repeat(64)}`), { message: /cannot contain a digest/ });
});

test('steps that run side by side are told one after the other', async () => {
  const platform = hostPlatform();
  const plan = await planDockerfile(
    parseDockerfile('FROM scratch AS a\nRUN one\nFROM scratch\nRUN two\nCOPY --from=a / /'),
    {
      ...read(''),
      platform,
      buildPlatform: platform,
      context: { kind: 'scratch' },
      namedContexts: new Map(),
    },
    { resolveImage: () => assert.fail('no image is named') },
  );
  let said = '';
  const progress = new ClassicProgress(plan, ({ stream = '' }) => {
    said += stream;
  });
  const steps = plan.stages.flatMap(({ steps: of }) => of);
  const digestOf = (at: number) => vertexDigest(steps[at]?.vertex ?? assert.fail(`step ${at} has no vertex`));
  const log = (at: number, text: string): BuildEvent => ({
    kind: 'log',
    digest: digestOf(at),
    stream: 'stdout',
    bytes: Buffer.from(text),
    atMs: 0,
  });
  const done = (at: number): BuildEvent => ({
    kind: 'vertex',
    digest: digestOf(at),
    title: '',
    inputs: [],
    startedAtMs: 1,
    completedAtMs: 2,
    cached: false,
    error: undefined,
  });
  for (const event of [done(0), log(3, 'second\n'), log(1, 'first\n'), done(3), done(1), done(4)])
    progress.take(event);
  progress.finish(`sha256:${'a'.repeat(64)}`);
  const lines = said.split('\n').filter((line) => !line.startsWith(' --->'));
  assert.deepEqual(lines, [
    'Step 1/5 : FROM scratch AS a',
    'Step 2/5 : RUN one',
    'first',
    'Step 3/5 : FROM scratch',
    'Step 4/5 : RUN two',
    'second',
    'Step 5/5 : COPY --from=a / /',
    '',
  ]);
  assert.match(said, / ---> aaaaaaaaaaaa\n$/);
});

test('failures are in the words of the classic builder', () => {
  const step = new Error('process "/bin/sh -c make" did not complete successfully: exit code: 2');
  assert.deepEqual(classicError(step), {
    message: "The command '/bin/sh -c make' returned a non-zero code: 2",
    code: 2,
  });
});
