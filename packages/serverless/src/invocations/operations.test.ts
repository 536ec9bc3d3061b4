import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type {
  InvocationRequest,
  InvocationResponse,
  InvokeWithResponseStreamResponse,
} from '@aws-sdk/client-lambda';
import { isSlipwayError, silentLogger, systemClock, systemRandom } from '@slipway/base';
import { openDatabase } from '@slipway/store';
import type { AsyncRequest } from '../async-invocations/index.ts';
import type { AwsCall } from '../aws/index.ts';
import { FakeEnvironments, type FakeRun } from '../environments/testing.ts';
import type { UsageEntry } from '../usage/index.ts';
import { invocationOperations } from './operations.ts';
import { openInvocations } from './service.ts';
import { MemoryCatalog, testSettings } from './testing.ts';

const call: AwsCall = {
  accountId: '000000000000',
  region: 'eu-central-1',
  host: 'localhost',
  requestId: 'request-1',
  caller: { kind: 'root' },
  signal: new AbortController().signal,
};

async function open(t: TestContext, run: (event: string) => Partial<FakeRun> = () => ({})) {
  const stack = new AsyncDisposableStack();
  t.after(() => stack.disposeAsync());
  const catalog = new MemoryCatalog();
  catalog.put('f');
  const accepted: AsyncRequest[] = [];
  const used: UsageEntry[] = [];
  const environments = new FakeEnvironments({
    clock: systemClock,
    openMs: 1,
    run: (_version, { payload }) => ({ durationMs: 1, ...run(Buffer.from(payload).toString()) }),
  });
  const invocations = stack.use(
    openInvocations({
      catalog,
      environments,
      database: stack.use(openDatabase(':memory:')),
      usage: { record: (entry) => used.push(entry), recordProvisioned: () => {} },
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      settings: testSettings(),
    }),
  );
  const acceptor = {
    accept: async (request: AsyncRequest) => {
      accepted.push(request);
    },
  };
  const operations = invocationOperations({ catalog, invoker: invocations, acceptor });
  const run1 = (name: string) => async (input: object) =>
    await operations.find((operation) => operation.name === name)?.run(input, call);
  const invoke = async (input: Partial<InvocationRequest> = {}) =>
    (await run1('Invoke')({ FunctionName: 'f', ...input })) as InvocationResponse;
  return { invoke, run1, catalog, accepted, used, invocations, environments };
}

const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString();

const named = (reason: string, message?: RegExp) => (error: unknown) =>
  isSlipwayError(error) && error.reason === reason && (message?.test(error.message) ?? true);

describe('Invoke', () => {
  it('answers what the function answered, and which version did', async (t) => {
    const { invoke } = await open(t, (event) => ({ payload: event }));
    const { Payload, ...rest } = await invoke({ Payload: Buffer.from('{"a":1}') });
    assert.equal(text(Payload), '{"a":1}');
    assert.deepEqual(rest, {
      StatusCode: 200,
      ExecutedVersion: '$LATEST',
      FunctionError: undefined,
      LogResult: undefined,
    });
  });

  it('gives the function an empty object when nothing was sent', async (t) => {
    const { invoke } = await open(t, (event) => ({ payload: event }));
    assert.equal(text((await invoke()).Payload), '{}');
  });

  it('goes to another environment when the one that it was given had ended, of which nobody had heard', async (t) => {
    const { invoke, environments, used } = await open(t, (event) => ({ payload: event }));
    await invoke();
    for (const environment of environments.alive) environment.hasEndedUnnoticed = true;
    assert.equal(text((await invoke({ Payload: Buffer.from('1') })).Payload), '1');
    assert.deepEqual([environments.opened, used.length], [2, 2]);
  });

  it('answers 200 with the error of a function that failed', async (t) => {
    const { invoke } = await open(t, () => ({ kind: 'error' }));
    const answer = await invoke();
    assert.deepEqual([answer.StatusCode, answer.FunctionError], [200, 'Unhandled']);
    assert.equal(JSON.parse(text(answer.Payload)).errorType, 'Error');
  });

  it('adds the end of the log when it is asked for', async (t) => {
    const { invoke } = await open(t);
    const { LogResult = '' } = await invoke({ LogType: 'Tail' });
    assert.match(Buffer.from(LogResult, 'base64').toString(), /^START RequestId: request-1/);
  });

  it('tells of a function that is not there by its name in the region that was called', async (t) => {
    const { run1 } = await open(t);
    for (const operation of ['Invoke', 'InvokeAsync', 'InvokeWithResponseStream']) {
      await assert.rejects(run1(operation)({ FunctionName: 'none' }), {
        reason: 'ResourceNotFoundException',
        message: 'Function not found: arn:aws:lambda:eu-central-1:000000000000:function:none',
      });
    }
  });

  it('runs nothing for a DryRun', async (t) => {
    const { invoke, used } = await open(t);
    assert.equal((await invoke({ InvocationType: 'DryRun' })).StatusCode, 204);
    await assert.rejects(
      invoke({ InvocationType: 'DryRun', FunctionName: 'none' }),
      named('ResourceNotFoundException'),
    );
    assert.equal(used.length, 0);
  });

  it('hands an event over and answers 202', async (t) => {
    const { invoke, accepted, used } = await open(t);
    const ClientContext = Buffer.from('{"custom":1}').toString('base64');
    const answer = await invoke({ InvocationType: 'Event', Payload: Buffer.from('[1]'), ClientContext });
    assert.equal(answer.StatusCode, 202);
    assert.equal(text(accepted[0]?.payload), '[1]');
    assert.deepEqual([accepted[0]?.requestId, accepted[0]?.clientContext], ['request-1', '{"custom":1}']);
    assert.equal(used.length, 0);
  });

  it('refuses what is no JSON, and what is too large, in Lambda’s words', async (t) => {
    const { invoke } = await open(t);
    const words = /^Could not parse request body into json: Could not parse payload into json: /;
    for (const bad of [Buffer.from('{"a"'), Buffer.from([0x22, 0xff, 0x22])]) {
      await assert.rejects(invoke({ Payload: bad }), named('InvalidRequestContentException', words));
    }
    const large = (bytes: number) => Buffer.from(`"${'x'.repeat(bytes - 2)}"`);
    await assert.rejects(
      invoke({ Payload: large(6_291_457) }),
      named(
        'RequestTooLargeException',
        /^6291457 byte payload is too large for the RequestResponse invocation type \(limit 6291456 bytes\)$/,
      ),
    );
    await assert.rejects(
      invoke({ Payload: large(1_048_577), InvocationType: 'Event' }),
      named('RequestTooLargeException', /for the Event invocation type \(limit 1048576 bytes\)$/),
    );
    assert.equal((await invoke({ Payload: large(6_291_456) })).StatusCode, 200);
    await assert.rejects(invoke({ ClientContext: 'e30x' }), named('InvalidRequestContentException'));
  });

  it('writes down what it cost, throttles too', async (t) => {
    const { invoke, used, catalog, invocations } = await open(t, (event) =>
      event === '1' ? { kind: 'error' } : {},
    );
    await invoke();
    await invoke({ Payload: Buffer.from('1') });
    catalog.reserved.set('f', 0);
    await assert.rejects(invoke(), named('TooManyRequestsException', /^Rate Exceeded\.$/));
    assert.deepEqual(
      used.map(({ outcome, initMs }) => [outcome, initMs !== undefined]),
      [
        ['success', true],
        ['error', false],
        ['throttle', false],
      ],
    );
    const [metrics] = invocations.metrics.list();
    assert.deepEqual(
      [metrics?.invocations, metrics?.errors, metrics?.throttles, metrics?.coldStarts],
      [2, 1, 1, 1],
    );
  });

  it('keeps the events of failed invocations, the newest of them, until the function is deleted', async (t) => {
    const { invoke, invocations, catalog } = await open(t, () => ({ kind: 'error' }));
    await invoke({ Payload: Buffer.from('{"poison":true}') });
    const kept = invocations.failures.get('request-1');
    assert.equal(text(kept.payload), '{"poison":true}');
    for (let n = 0; n < 150; n++)
      invocations.failures.add({ ...kept, requestId: `${n}`, atMs: kept.atMs + n });
    assert.equal(invocations.failures.list('f').length, 100);
    assert.equal(invocations.failures.list('f')[0]?.requestId, '149');
    assert.throws(() => invocations.failures.get('request-1'), /no failed invocation/);
    catalog.delete('f');
    assert.deepEqual(invocations.failures.list('f'), []);
  });
});

describe('InvokeAsync', () => {
  it('accepts an event from a stream', async (t) => {
    const { run1, accepted } = await open(t);
    const InvokeArgs = (async function* () {
      yield Buffer.from('{"a"');
      yield Buffer.from(':1}');
    })();
    assert.deepEqual(await run1('InvokeAsync')({ FunctionName: 'f', InvokeArgs }), { Status: 202 });
    assert.equal(text(accepted[0]?.payload), '{"a":1}');
  });
});

describe('InvokeWithResponseStream', () => {
  const eventsOf = async (answer: object | undefined) =>
    await Array.fromAsync((answer as InvokeWithResponseStreamResponse).EventStream ?? []);

  it('sends chunks, then that it is complete', async (t) => {
    const { run1 } = await open(t, () => ({ payload: 'chunk' }));
    const answer = await run1('InvokeWithResponseStream')({ FunctionName: 'f', LogType: 'Tail' });
    const [chunk, complete] = await eventsOf(answer);
    assert.equal(text(chunk?.PayloadChunk?.Payload), 'chunk');
    assert.equal(complete?.InvokeComplete?.ErrorCode, undefined);
    assert.match(Buffer.from(complete?.InvokeComplete?.LogResult ?? '', 'base64').toString(), /^START/);
  });

  it('ends with the error of a function that failed', async (t) => {
    const { run1 } = await open(t, () => ({ kind: 'error' }));
    const [complete, ...more] = await eventsOf(await run1('InvokeWithResponseStream')({ FunctionName: 'f' }));
    assert.deepEqual(more, []);
    assert.deepEqual(complete?.InvokeComplete, {
      ErrorCode: 'Error',
      ErrorDetails: '{"errorType":"Error","errorMessage":"it failed"}',
    });
  });
});
