import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  DeleteFunctionCommand,
  DeleteFunctionConcurrencyCommand,
  GetProvisionedConcurrencyConfigCommand,
  InvokeAsyncCommand,
  InvokeCommand,
  InvokeWithResponseStreamCommand,
  PublishVersionCommand,
  PutFunctionConcurrencyCommand,
  PutProvisionedConcurrencyConfigCommand,
  type RequestTooLargeException,
  UpdateFunctionCodeCommand,
  waitUntilFunctionUpdatedV2,
} from '@aws-sdk/client-lambda';
import { eventually } from './harness/command.ts';
import { compileStatic, filesBelow, nodeZip, npmFiles, useFunctions } from './harness/functions.ts';
import { loopDevices } from './harness/leaks.ts';
import { without } from './harness/peers.ts';
import { zipOf } from './harness/zip.ts';

const { engine, lambda } = await useFunctions(['nodejs24.x', 'python3.11', 'python3.13', 'provided.al2023']);
const { client } = lambda;

/** Does what the event says. */
const ACTOR = `
import { execFile } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
// More than one may begin in a millisecond.
const born = Date.now() + '-' + Math.random();
let calls = 0;
export const handler = async (event, context) => {
  calls += 1;
  switch (event.do) {
    case 'echo': return event;
    case 'context': return { ...context, born, calls, left: context.getRemainingTimeInMillis() };
    case 'sleep': await new Promise((resolve) => setTimeout(resolve, event.ms)); return { born, at: Date.now() };
    case 'throw': throw new TypeError('it is wrong');
    case 'exit': process.exit(event.code);
    case 'hang': for (;;);
    case 'memory': { const all = []; for (;;) all.push(Buffer.alloc(16 << 20, 1)); }
    case 'tmp': for (let n = 0; n < 600; n++) appendFileSync('/tmp/full', Buffer.alloc(1 << 20, 1)); return 'fitted';
    case 'write': writeFileSync('/var/task/x', 'x'); return 'wrote';
    case 'bomb': return await bomb();
    case 'logs': { const line = 'x'.repeat(1023); for (let n = 0; n < 100 * 1024; n++) console.log(line); return 'said'; }
    case 'large': return 'x'.repeat(event.bytes);
  }
};
const bomb = () => new Promise((resolve) => {
  let started = 0;
  const more = () => execFile('/bin/sleep', ['60'], { stdio: 'ignore' }).on('spawn', () => { started += 1; more(); })
    .on('error', (error) => resolve({ started, code: error.code }));
  more();
});
`;

await lambda.create('actor', nodeZip(ACTOR), { Timeout: 30, MemorySize: 1024 });
const act = (event: object, input = {}) => lambda.invoke('actor', event, input);

describe('Invoke', () => {
  test('answers what the handler returned, the version, and the log’s tail when asked', async () => {
    const answer = await act({ do: 'echo', a: 'é' }, { LogType: 'Tail' });
    assert.deepEqual([answer.status, answer.error, answer.version], [200, undefined, '$LATEST']);
    assert.deepEqual(answer.payload, { do: 'echo', a: 'é' });
    assert.match(answer.log, /START RequestId: [0-9a-f-]{36} Version: \$LATEST\n/);
    assert.match(answer.log, /END RequestId: /);
    assert.match(
      answer.log,
      /REPORT RequestId: [0-9a-f-]{36}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 1024 MB\tMax Memory Used: \d+ MB/,
    );
    assert.equal((await act({ do: 'echo' })).log, '');
  });

  test('tells the handler who it is, what the client says of itself, and keeps it warm', async () => {
    const ClientContext = Buffer.from('{"custom":{"k":"v"}}').toString('base64');
    const { payload: first } = await act({ do: 'context' }, { ClientContext });
    assert.equal(first.functionName, 'actor');
    assert.equal(first.invokedFunctionArn, 'arn:aws:lambda:eu-central-1:000000000000:function:actor');
    assert.equal(first.memoryLimitInMB, '1024');
    assert.deepEqual(first.clientContext, { custom: { k: 'v' } });
    assert.ok(first.left > 20_000 && first.left <= 30_000);
    const { payload: second } = await act({ do: 'context' });
    assert.deepEqual([second.born, second.calls], [first.born, first.calls + 1]);
  });

  test('only says whether it would run for a DryRun', async () => {
    const answer = await act({}, { InvocationType: 'DryRun' });
    assert.equal(answer.status, 204);
    await assert.rejects(lambda.invoke('nobody', {}, { InvocationType: 'DryRun' }), {
      name: 'ResourceNotFoundException',
      message: /^Function not found: arn:aws:lambda:eu-central-1:000000000000:function:nobody/,
    });
  });

  test('accepts events, also in the way of 2014', async () => {
    const accepted = await act({ do: 'echo' }, { InvocationType: 'Event' });
    assert.deepEqual([accepted.status, accepted.payload, accepted.version], [202, '', undefined]);
    const old = await client.send(
      new InvokeAsyncCommand({ FunctionName: 'actor', InvokeArgs: '{"do":"echo"}' }),
    );
    assert.equal(old.Status, 202);
  });

  test('refuses payloads that are no JSON or too large, in Lambda’s words', async () => {
    const send = (Payload: Buffer, InvocationType: 'RequestResponse' | 'Event' = 'RequestResponse') =>
      client.send(new InvokeCommand({ FunctionName: 'actor', Payload, InvocationType }));
    await assert.rejects(send(Buffer.from('{"a"')), {
      name: 'InvalidRequestContentException',
      message: /^Could not parse request body into json: /,
    });
    await assert.rejects(send(Buffer.alloc(6_291_457, '1')), (error: RequestTooLargeException) => {
      assert.equal(error.name, 'RequestTooLargeException');
      assert.equal(error.$metadata.httpStatusCode, 413);
      const words =
        '6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)';
      assert.equal(error.message, words);
      return true;
    });
    await assert.rejects(send(Buffer.alloc(1_048_577, '1'), 'Event'), { name: 'RequestTooLargeException' });
  });

  test('streams a response, and its end', async () => {
    const source = `export const handler = awslambda.streamifyResponse(async (event, stream) => {
      stream.setContentType('text/plain');
      for (let n = 0; n < 3; n++) { stream.write('part ' + n + ';'); await new Promise((r) => setTimeout(r, 200)); }
      if (event.fail) throw new Error('half way');
      stream.end();
    });`;
    await lambda.create('streamer', nodeZip(source), { Timeout: 10 });
    const read = async (event: object) => {
      const { EventStream, ResponseStreamContentType } = await client.send(
        new InvokeWithResponseStreamCommand({
          FunctionName: 'streamer',
          Payload: Buffer.from(JSON.stringify(event)),
          LogType: 'Tail',
        }),
      );
      const at: number[] = [];
      let text = '';
      let complete: { ErrorCode?: string | undefined; LogResult?: string | undefined } | undefined;
      for await (const { PayloadChunk, InvokeComplete } of EventStream ?? []) {
        if (PayloadChunk !== undefined) at.push(Date.now());
        text += Buffer.from(PayloadChunk?.Payload ?? []).toString();
        complete ??= InvokeComplete;
      }
      return { text, complete, spreadMs: (at.at(-1) ?? 0) - (at[0] ?? 0), type: ResponseStreamContentType };
    };
    const whole = await read({});
    assert.deepEqual(
      [whole.text, whole.type, whole.complete?.ErrorCode],
      ['part 0;part 1;part 2;', 'text/plain', undefined],
    );
    assert.ok(whole.spreadMs >= 300, `the parts came within ${whole.spreadMs} ms`);
    assert.match(Buffer.from(whole.complete?.LogResult ?? '', 'base64').toString(), /REPORT/);
    const half = await read({ fail: true });
    assert.equal(half.text, 'part 0;part 1;part 2;');
    assert.ok(half.complete?.ErrorCode !== undefined, 'the end tells of the error');
    await client.send(new DeleteFunctionCommand({ FunctionName: 'streamer' }));
  });
});

describe('packages', () => {
  test('a Node function with a package of npm', async () => {
    const source = `import ms from 'ms'; export const handler = async ({ text }) => ms(text);`;
    await lambda.create('with-npm', nodeZip(source, await npmFiles('ms')));
    assert.equal((await lambda.invoke('with-npm', { text: '2 days' })).payload, 172_800_000);
  });

  test('a Python function with a pure Python package', { skip: without('boto3') }, async () => {
    const source = `import jmespath\ndef handler(event, context):\n    return {"names": jmespath.search("people[].name", event), "left": context.get_remaining_time_in_millis() > 0}\n`;
    const packageFiles = await filesBelow('/usr/lib/python3/dist-packages/jmespath', 'jmespath');
    const files = Object.fromEntries(Object.entries(packageFiles).filter(([path]) => path.endsWith('.py')));
    await lambda.create('with-python', zipOf({ 'app.py': source, ...files }), {
      Runtime: 'python3.11' as never,
      Handler: 'app.handler',
    });
    const { payload } = await lambda.invoke('with-python', { people: [{ name: 'Ann' }, { name: 'Bob' }] });
    assert.deepEqual(payload, { names: ['Ann', 'Bob'], left: true });
  });

  test('a bootstrap of C, and an image that has it', async () => {
    const bootstrap = await compileStatic(
      await readFile(join(import.meta.dirname, 'fixtures/bootstrap.c'), 'utf8'),
    );
    await lambda.create('in-c', zipOf({ bootstrap: { content: bootstrap, mode: 0o755 } }), {
      Runtime: 'provided.al2023',
      Handler: 'unused',
    });
    assert.deepEqual((await lambda.invoke('in-c', [1])).payload, { from: 'C', event: [1] });
    // What a runtime answers is passed on as it is, also what is no JSON.
    await lambda.create('no-json', zipOf({ bootstrap: { content: bootstrap, mode: 0o755 } }), {
      Runtime: 'provided.al2023',
      Handler: 'unused',
      Environment: { Variables: { ANSWER: '{"from":"C","event":' } },
    });
    const broken = await lambda.invoke('no-json', [1]);
    assert.deepEqual([broken.status, broken.error, broken.payload], [200, undefined, '{"from":"C","event":']);
    await writeFile(join(engine.root, 'bootstrap'), bootstrap, { mode: 0o755 });
    await writeFile(
      join(engine.root, 'Dockerfile'),
      'FROM busybox\nCOPY bootstrap /bootstrap\nENTRYPOINT ["/bootstrap"]\n',
    );
    await engine.mustDocker('build', '-t', 'c-function:1', engine.root);
    await lambda.create('image', Buffer.alloc(0), {
      PackageType: 'Image',
      Code: { ImageUri: 'c-function:1' },
    });
    assert.deepEqual((await lambda.invoke('image', { a: 1 })).payload, { from: 'C', event: { a: 1 } });
  });

  test('the aws CLI and boto3 invoke as they are', { skip: without('aws') || without('boto3') }, async () => {
    const out = join(engine.root, 'out.json');
    const isNew = (await engine.run(['aws', '--version'])).stdout.startsWith('aws-cli/2');
    const raw = isNew ? ['--cli-binary-format', 'raw-in-base64-out'] : [];
    const cli = await engine.run(
      ['aws', 'lambda', 'invoke', '--function-name', 'actor', '--payload', '{"do":"echo"}', ...raw, out],
      { env: lambda.env },
    );
    assert.equal(cli.code, 0, cli.stderr);
    assert.equal(await readFile(out, 'utf8'), '{"do":"echo"}');
    const script = `import boto3, json\nr = boto3.client('lambda', endpoint_url='${lambda.endpoint}').invoke(FunctionName='actor', Payload=json.dumps({'do': 'throw'}))\nprint(r['StatusCode'], r['FunctionError'], json.load(r['Payload'])['errorType'])`;
    const python = await engine.run(['python3', '-c', script], { env: lambda.env });
    assert.equal(python.stdout.trim(), '200 Unhandled TypeError', python.stderr);
  });
});

describe('a function that misbehaves', () => {
  const failed = async (event: object, error = 'Unhandled') => {
    const answer = await act(event, { LogType: 'Tail' });
    assert.deepEqual([answer.status, answer.error], [200, error]);
    return answer;
  };

  test('throws: the error, its type and its stack', async () => {
    const { payload } = await failed({ do: 'throw' });
    assert.deepEqual([payload.errorType, payload.errorMessage], ['TypeError', 'it is wrong']);
    assert.ok(Array.isArray(payload.trace));
  });

  test('exits: Runtime.ExitError, and the next invocation has a new environment', async () => {
    const { payload } = await failed({ do: 'exit', code: 3 });
    assert.equal(payload.errorType, 'Runtime.ExitError');
    assert.match(
      payload.errorMessage,
      /^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 3$/,
    );
    const quiet = await failed({ do: 'exit', code: 0 });
    assert.match(quiet.payload.errorMessage, /Error: Runtime exited without providing a reason$/);
    assert.equal((await act({ do: 'echo' })).error, undefined);
  });

  test('hangs: it is ended at its time-out', async () => {
    await lambda.create('hanger', nodeZip(ACTOR), { Timeout: 1 });
    const { status, error, payload } = await lambda.invoke('hanger', { do: 'hang' });
    assert.deepEqual([status, error, payload.errorType], [200, 'Unhandled', 'Sandbox.Timedout']);
    assert.match(
      payload.errorMessage,
      /^RequestId: [0-9a-f-]{36} Error: Task timed out after 1\.00 seconds$/,
    );
    assert.equal((await lambda.invoke('hanger', { do: 'echo' })).error, undefined);
  });

  test('takes too much memory: it is killed', async () => {
    await lambda.create('eater', nodeZip(ACTOR), { Timeout: 30 });
    const { status, error, payload } = await lambda.invoke('eater', { do: 'memory' });
    assert.deepEqual([status, error, payload.errorType], [200, 'Unhandled', 'Runtime.OutOfMemory']);
    assert.match(
      payload.errorMessage,
      /^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: signal: killed$/,
    );
  });

  test('fills /tmp, and writes where it must not: errors of its own', async () => {
    await lambda.create('filler', nodeZip(ACTOR), { Timeout: 30, MemorySize: 128 });
    assert.match((await lambda.invoke('filler', { do: 'tmp' })).payload.errorMessage, /ENOSPC/);
    const alive = await lambda.invoke('filler', { do: 'context' });
    assert.deepEqual([alive.error, alive.payload.calls], [undefined, 2]);
    assert.match((await failed({ do: 'write' })).payload.errorMessage, /EROFS/);
    assert.equal((await act({ do: 'echo' })).error, undefined);
  });

  test('forks without end: it is stopped, and the host lives on', async () => {
    const { payload, error } = await act({ do: 'bomb' });
    if (error === undefined) assert.ok(payload.started <= 1024, `${payload.started} processes`);
    assert.equal((await act({ do: 'echo' })).error, undefined);
  });

  test('writes 100 MB of logs: it ends, and its tail is 4 KB', async () => {
    const answer = await act({ do: 'logs' }, { LogType: 'Tail' });
    assert.equal(answer.payload, 'said');
    assert.ok(answer.log.length <= 4096 && answer.log.includes('REPORT'));
  });

  test('answers more than 6 MB: Function.ResponseSizeTooLarge', async () => {
    const { payload } = await failed({ do: 'large', bytes: 6_291_600 });
    assert.deepEqual(payload, {
      errorType: 'Function.ResponseSizeTooLarge',
      errorMessage: 'Response payload size exceeded maximum allowed payload size (6291556 bytes).',
    });
    assert.equal((await act({ do: 'large', bytes: 6_291_000 })).payload.length, 6_291_000);
  });

  test('has no handler, or cannot be loaded: what is wrong with it', async () => {
    await lambda.create('no-handler', nodeZip('export const other = 1;'));
    const missing = await lambda.invoke('no-handler');
    assert.deepEqual([missing.error, missing.payload.errorType], ['Unhandled', 'Runtime.HandlerNotFound']);
    await lambda.create('broken', nodeZip('export const handler = ('));
    assert.equal((await lambda.invoke('broken')).payload.errorType, 'Runtime.UserCodeSyntaxError');
    await lambda.create('thrower', nodeZip('throw new RangeError("at start"); export const handler = 1;'));
    assert.equal((await lambda.invoke('thrower')).payload.errorType, 'RangeError');
  });

  test('never calls next: it is ended at its time-out', async () => {
    await lambda.create(
      'sleeper',
      zipOf({ bootstrap: { content: '#!/bin/sh\nexec sleep 600\n', mode: 0o755 } }),
      {
        Runtime: 'provided.al2023',
        Handler: 'unused',
        Timeout: 1,
      },
    );
    const { error, payload } = await lambda.invoke('sleeper');
    assert.deepEqual([error, payload.errorType], ['Unhandled', 'Sandbox.Timedout']);
  });
});

describe('concurrency', () => {
  test('reserved concurrency refuses what comes beyond it, and zero refuses all', async () => {
    const reserve = (ReservedConcurrentExecutions: number) =>
      client.send(new PutFunctionConcurrencyCommand({ FunctionName: 'actor', ReservedConcurrentExecutions }));
    await reserve(1);
    const running = act({ do: 'sleep', ms: 1_500 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const refused = {
      name: 'TooManyRequestsException',
      message: 'Rate Exceeded.',
      Reason: 'ReservedFunctionConcurrentInvocationLimitExceeded',
    };
    await assert.rejects(act({ do: 'echo' }), refused);
    assert.equal((await running).error, undefined);
    await reserve(0);
    await assert.rejects(act({ do: 'echo' }), refused);
    await client.send(new DeleteFunctionConcurrencyCommand({ FunctionName: 'actor' }));
    assert.equal((await act({ do: 'echo' })).error, undefined);
  });

  test('side by side each has an environment of its own', async () => {
    const ms = 1_000;
    const runs = await Promise.all(Array.from({ length: 8 }, () => act({ do: 'sleep', ms })));
    const environments = Map.groupBy(runs, ({ payload }) => payload.born);
    assert.ok(environments.size > 4, `${environments.size} environments`);
    // On a busy machine the last to come may get one that is free again, and never one that is not.
    for (const shared of environments.values()) {
      const ends = shared.map(({ payload }) => payload.at).sort((a, b) => a - b);
      for (const [index, end] of ends.slice(1).entries())
        assert.ok(end - ends[index] > ms - 20, String(ends));
    }
  });

  test('provisioned concurrency is ready before anybody comes', async () => {
    const { Version = '' } = await client.send(new PublishVersionCommand({ FunctionName: 'actor' }));
    const name = { FunctionName: 'actor', Qualifier: Version };
    await client.send(
      new PutProvisionedConcurrencyConfigCommand({ ...name, ProvisionedConcurrentExecutions: 2 }),
    );
    await eventually('it is ready', async () => {
      const { Status } = await client.send(new GetProvisionedConcurrencyConfigCommand(name));
      return Status === 'READY';
    });
    const { payload, version, log } = await act({ do: 'context' }, { Qualifier: Version, LogType: 'Tail' });
    assert.deepEqual([version, payload.calls], [Version, 1]);
    // Initialisation was nobody's invocation.
    assert.doesNotMatch(log, /Init Duration/);
  });

  test('running invocations end on the code that they began with', async () => {
    const source = (answer: string) =>
      `export const handler = async (e) => { if (e.ms) await new Promise((r) => setTimeout(r, e.ms)); return '${answer}'; };`;
    await lambda.create('changing', nodeZip(source('old')), { Timeout: 20 });
    const running = lambda.invoke('changing', { ms: 2_500 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await client.send(
      new UpdateFunctionCodeCommand({ FunctionName: 'changing', ZipFile: nodeZip(source('new')) }),
    );
    await waitUntilFunctionUpdatedV2({ client, maxWaitTime: 20, minDelay: 1 }, { FunctionName: 'changing' });
    assert.equal((await lambda.invoke('changing', {})).payload, 'new');
    assert.equal((await running).payload, 'old');
  });

  test('a client that goes does not end the function', async () => {
    const controller = new AbortController();
    const command = new InvokeCommand({
      FunctionName: 'actor',
      Payload: Buffer.from('{"do":"sleep","ms":800}'),
    });
    const gone = client.send(command, { abortSignal: controller.signal });
    await new Promise((resolve) => setTimeout(resolve, 300));
    controller.abort();
    await assert.rejects(gone, { name: 'AbortError' });
    const { json } = await engine.api({ path: '/slipway/functions/actor/environments' });
    assert.equal((json as { busy: number }).busy, 1);
    await eventually('it ended by itself', async () => {
      const { json } = await engine.api({ path: '/slipway/functions/actor/environments' });
      return (json as { busy: number }).busy === 0;
    });
  });
});

describe('over the Unix socket', () => {
  const invoke = async (event: object) => {
    const { text, headers } = await engine.api({
      method: 'POST',
      path: '/2015-03-31/functions/actor/invocations',
      body: event,
    });
    return {
      text,
      report: JSON.parse(String(headers['x-slipway-report'])),
      requestId: headers['x-amzn-requestid'],
    };
  };

  test('an invocation tells what it took, and a forced cold start the parts of it', async () => {
    await invoke({ do: 'echo' });
    const ended = await engine.api({ method: 'DELETE', path: '/slipway/functions/actor/environments' });
    assert.equal(ended.status, 204);
    const cold = await invoke({ do: 'echo', n: 1 });
    assert.equal(cold.text, '{"do":"echo","n":1}');
    for (const part of ['placeMs', 'startMs', 'initMs']) assert.ok(cold.report.coldStart[part] >= 0, part);
    assert.ok(cold.report.billedMs >= 1 && cold.report.maxMemoryUsedMb > 1);
    assert.equal((await invoke({ do: 'echo' })).report.coldStart, undefined);
  });

  test('failed invocations are kept, with what they were given', async () => {
    const { requestId } = await invoke({ do: 'throw', poison: 7 });
    const { json } = await engine.api({ path: `/slipway/functions/failures/${requestId}` });
    const kept = json as { event: string; error: string };
    assert.deepEqual(JSON.parse(Buffer.from(kept.event, 'base64').toString()), { do: 'throw', poison: 7 });
    assert.equal(kept.error, 'TypeError: it is wrong');
    const list = await engine.api({ path: '/slipway/functions/actor/failures' });
    assert.equal((list.json as { requestId: string }[])[0]?.requestId, requestId);
  });

  test('counts what happened', async () => {
    const { json } = await engine.api({ path: '/slipway/functions/metrics' });
    const { functions } = json as { functions: Record<string, number | string>[] };
    const actor = functions.find(({ functionName }) => functionName === 'actor');
    for (const name of ['invocations', 'errors', 'throttles', 'coldStarts', 'maxConcurrency']) {
      assert.ok(Number(actor?.[name]) >= 1, name);
    }
  });
});

test('a daemon that is killed in the middle of an invocation starts again and runs the function', async () => {
  const running = act({ do: 'sleep', ms: 5_000 }).catch((error: Error) => error);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await engine.kill();
  assert.ok((await running) instanceof Error);
  const before = loopDevices(engine);
  assert.ok(before.length > 0, 'each environment has a disk');
  await engine.start();
  assert.deepEqual((await act({ do: 'echo', again: true })).payload, { do: 'echo', again: true });
  await eventually('the disks of the environments before are gone', () => {
    const now = loopDevices(engine);
    return !before.some((device) => now.includes(device));
  });
});

test('a shim that is killed leaves no disk', async () => {
  const [id = ''] = (await engine.mustDocker('ps', '-q', '--filter', 'label=slipway.function=actor')).split(
    '\n',
  );
  const pid = await engine.mustDocker('inspect', '--format', '{{.State.Pid}}', id);
  const [, loop = ''] =
    /\/tmp .* \/dev\/(loop\d+) /.exec(await readFile(`/proc/${pid}/mountinfo`, 'utf8')) ?? [];
  const [device = ''] = loopDevices(engine).filter((each) => each.startsWith(`/dev/${loop} `));
  const [, shim] = /^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  assert.match(await readFile(`/proc/${shim}/comm`, 'utf8'), /slipway-shim/);
  assert.notEqual(device, '');
  process.kill(Number(shim), 'SIGKILL');
  await eventually('its disk is gone', () => !loopDevices(engine).includes(device));
  assert.deepEqual((await act({ do: 'echo' })).payload, { do: 'echo' });
});
