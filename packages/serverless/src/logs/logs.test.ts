import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type {
  DescribeLogGroupsResponse,
  DescribeLogStreamsResponse,
  FilterLogEventsResponse,
  GetLogEventsResponse,
  PutLogEventsResponse,
  StartLiveTailResponse,
} from '@aws-sdk/client-cloudwatch-logs';
import { hostPath, silentLogger, systemClock } from '@slipway/base';
import { openDatabase } from '@slipway/store';
import fc from 'fast-check';
import type { AwsCall } from '../aws/index.ts';
import { LogService, logOperations } from './index.ts';

const GROUP = '/aws/lambda/hello';

interface Opened extends AsyncDisposable {
  readonly logs: LogService;
  call<T>(name: string, input: object, signal?: AbortSignal): Promise<T>;
}

async function open(root: string, groupMaxBytes = 64 << 20): Promise<Opened> {
  const database = openDatabase(join(root, 'logs.db'));
  const logs = await LogService.open({
    database,
    root: hostPath(join(root, 'lines')),
    clock: systemClock,
    logger: silentLogger,
    settings: { groupMaxBytes },
  });
  const operations = new Map(logOperations(logs, systemClock).map((one) => [one.name, one]));
  const call = (signal: AbortSignal): AwsCall => ({
    accountId: '000000000000',
    region: 'eu-central-1',
    host: 'localhost:4566',
    requestId: '11111111-1111-4111-8111-111111111111',
    caller: { kind: 'root' },
    signal,
  });
  return {
    logs,
    call: async <T>(name: string, input: object, signal = new AbortController().signal) =>
      (await operations.get(name)?.run(input, call(signal))) as T,
    async [Symbol.asyncDispose]() {
      await logs[Symbol.asyncDispose]();
      database[Symbol.dispose]();
    },
  };
}

function folder(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'slipway-logs-'));
  t.after(() => rmSync(root, { recursive: true }));
  return root;
}

const lines = (count: number, fromMs: number, text = 'line') =>
  Array.from({ length: count }, (_, index) => ({ timestampMs: fromMs + index, message: `${text} ${index}` }));

const messages = (page: { events?: { message?: string | undefined }[] | undefined }) =>
  (page.events ?? []).map(({ message }) => message);

test('what was appended is read at once, and after the daemon was started again', async (t) => {
  const root = folder(t);
  {
    await using opened = await open(root);
    opened.logs.append(GROUP, 'a', lines(3, 1_000));
    const page = await opened.call<GetLogEventsResponse>('GetLogEvents', {
      logGroupName: GROUP,
      logStreamName: 'a',
    });
    assert.deepEqual(messages(page), ['line 0', 'line 1', 'line 2']);
  }
  await using again = await open(root);
  again.logs.append(GROUP, 'a', lines(1, 2_000, 'later'));
  const page = await again.call<GetLogEventsResponse>('GetLogEvents', {
    logGroupName: GROUP,
    logStreamName: 'a',
  });
  assert.deepEqual(messages(page), ['line 0', 'line 1', 'line 2', 'later 0']);
});

test('tokens lead through a stream in both directions, and stand still at its ends', async (t) => {
  await using opened = await open(folder(t), 64 << 10);
  opened.logs.append(GROUP, 'a', lines(500, 1_000));
  const get = (input: object) =>
    opened.call<GetLogEventsResponse>('GetLogEvents', {
      logGroupName: GROUP,
      logStreamName: 'a',
      limit: 120,
      ...input,
    });
  const newest = await get({});
  assert.equal(messages(newest).at(-1), 'line 499');
  assert.equal(messages(newest).length, 120);
  const before = await get({ nextToken: newest.nextBackwardToken });
  assert.equal(messages(before).at(-1), 'line 379');
  const end = await get({ nextToken: newest.nextForwardToken });
  assert.deepEqual([messages(end), end.nextForwardToken], [[], newest.nextForwardToken]);
  opened.logs.append(GROUP, 'a', lines(1, 9_000, 'new'));
  assert.deepEqual(messages(await get({ nextToken: end.nextForwardToken })), ['new 0']);

  const seen: (string | undefined)[] = [];
  let token: string | undefined;
  for (;;) {
    const page = await get({ startFromHead: true, ...(token === undefined ? {} : { nextToken: token }) });
    seen.push(...messages(page));
    if (page.nextForwardToken === token) break;
    token = page.nextForwardToken;
  }
  assert.deepEqual(seen, [...lines(500, 0).map(({ message }) => message), 'new 0']);
  await assert.rejects(get({ nextToken: 'x/1' }), { reason: 'InvalidParameterException' });
});

test('filtering goes through all streams in the order of time, page by page, and misses none', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(
          fc.constantFrom('a', 'b', 'c'),
          fc.integer({ min: 1, max: 60 }),
          fc.integer({ min: 1, max: 40 }),
        ),
        {
          minLength: 1,
          maxLength: 12,
        },
      ),
      async (batches) => {
        await using opened = await open(folder(t), 1 << 20);
        const all: { timestampMs: number; message: string }[] = [];
        for (const [index, [stream, fromMs, count]] of batches.entries()) {
          const events = lines(count, fromMs * 10, `${stream}${index}`);
          opened.logs.append(GROUP, stream, events);
          all.push(...events);
        }
        const found: { timestamp?: number | undefined; message?: string | undefined }[] = [];
        let nextToken: string | undefined;
        do {
          const page = await opened.call<FilterLogEventsResponse>('FilterLogEvents', {
            logGroupName: GROUP,
            limit: 37,
            filterPattern: '-"9"',
            nextToken,
          });
          found.push(...(page.events ?? []));
          nextToken = page.nextToken;
        } while (nextToken !== undefined);
        const wanted = all.filter(({ message }) => !message.includes('9'));
        const byText = (a: string | undefined, b: string | undefined) => ((a ?? '') < (b ?? '') ? -1 : 1);
        assert.deepEqual(
          found.map(({ message }) => message).sort(byText),
          wanted.map(({ message }) => message).sort(byText),
        );
        const times = found.map(({ timestamp = 0 }) => timestamp);
        assert.deepEqual(
          times,
          times.toSorted((a, b) => a - b),
        );
      },
    ),
    { numRuns: 30 },
  );
});

test('a group that is full loses its oldest lines and keeps its bound', async (t) => {
  const root = folder(t);
  await using opened = await open(root, 256 << 10);
  for (let batch = 0; batch < 40; batch++) {
    opened.logs.append(
      GROUP,
      `s${batch % 3}`,
      lines(200, batch * 1_000, `batch ${batch} ${'x'.repeat(100)}`),
    );
    opened.logs.flush();
  }
  const { logGroups } = await opened.call<DescribeLogGroupsResponse>('DescribeLogGroups', {});
  const stored = logGroups?.[0]?.storedBytes ?? 0;
  assert.ok(stored > 128 << 10 && stored <= 256 << 10, `${stored} bytes`);
  const page = await opened.call<GetLogEventsResponse>('GetLogEvents', {
    logGroupName: GROUP,
    logStreamName: 's0',
    limit: 1,
  });
  assert.match(messages(page)[0] ?? '', /^batch 39 /);
  const first = await opened.call<FilterLogEventsResponse>('FilterLogEvents', {
    logGroupName: GROUP,
    limit: 1,
  });
  assert.ok((first.events?.[0]?.timestamp ?? 0) > 10_000, 'the oldest are gone');
});

test('a line that a crash cut in half is cut off, and lines without a record are found', async (t) => {
  const root = folder(t);
  {
    await using opened = await open(root);
    opened.logs.append(GROUP, 'a', lines(2, 1_000));
  }
  const path = join(root, 'lines/1/1');
  const file = join(path, readdirSync(path)[0] ?? '');
  appendFileSync(file, '[5000,5000,"whole, but not recorded"]\n[6000,6000,"hal');
  await using again = await open(root);
  again.logs.append(GROUP, 'a', lines(1, 7_000, 'next'));
  const page = await again.call<GetLogEventsResponse>('GetLogEvents', {
    logGroupName: GROUP,
    logStreamName: 'a',
    startTime: 4_000,
  });
  assert.deepEqual(messages(page), ['whole, but not recorded', 'next 0']);
});

test('retention takes whole past days, and a stream with its last line', async (t) => {
  await using opened = await open(folder(t));
  const nowMs = systemClock.nowMs();
  opened.logs.append(GROUP, 'old', lines(3, nowMs - 3 * 86_400_000));
  opened.logs.append(GROUP, 'new', lines(3, nowMs));
  await opened.call('PutRetentionPolicy', { logGroupName: GROUP, retentionInDays: 1 });
  const { logStreams } = await opened.call<DescribeLogStreamsResponse>('DescribeLogStreams', {
    logGroupName: GROUP,
  });
  assert.deepEqual(
    logStreams?.map(({ logStreamName }) => logStreamName),
    ['new'],
  );
  await assert.rejects(opened.call('PutRetentionPolicy', { logGroupName: GROUP, retentionInDays: 2 }), {
    reason: 'InvalidParameterException',
  });
});

test('PutLogEvents takes what is in order and of our time, and says which lines it refused', async (t) => {
  await using opened = await open(folder(t));
  const nowMs = systemClock.nowMs();
  await opened.call('CreateLogGroup', { logGroupName: 'mine' });
  await opened.call('CreateLogStream', { logGroupName: 'mine', logStreamName: 's' });
  await assert.rejects(opened.call('CreateLogGroup', { logGroupName: 'mine' }), {
    reason: 'ResourceAlreadyExistsException',
  });
  const put = (logEvents: object[]) =>
    opened.call<PutLogEventsResponse>('PutLogEvents', {
      logGroupName: 'mine',
      logStreamName: 's',
      logEvents,
    });
  const answer = await put([
    { timestamp: nowMs - 20 * 86_400_000, message: 'too old' },
    { timestamp: nowMs, message: 'right' },
    { timestamp: nowMs + 5 * 3_600_000, message: 'too new' },
  ]);
  assert.deepEqual(answer.rejectedLogEventsInfo, { tooOldLogEventEndIndex: 1, tooNewLogEventStartIndex: 2 });
  await assert.rejects(
    put([
      { timestamp: nowMs, message: 'a' },
      { timestamp: nowMs - 1, message: 'b' },
    ]),
    /chronological/,
  );
  const page = await opened.call<GetLogEventsResponse>('GetLogEvents', {
    logGroupName: 'mine',
    logStreamName: 's',
  });
  assert.deepEqual(messages(page), ['right']);
  await opened.call('DeleteLogGroup', { logGroupName: 'mine' });
  await assert.rejects(put([{ timestamp: nowMs, message: 'a' }]), { reason: 'ResourceNotFoundException' });
});

test('streams are listed by name or by their last line, page by page', async (t) => {
  await using opened = await open(folder(t));
  for (let index = 0; index < 7; index++) opened.logs.append(GROUP, `s${index}`, lines(1, 10_000 - index));
  const list = async (input: object) => {
    const names: (string | undefined)[] = [];
    let nextToken: string | undefined;
    do {
      const page: DescribeLogStreamsResponse = await opened.call('DescribeLogStreams', {
        logGroupName: GROUP,
        limit: 3,
        nextToken,
        ...input,
      });
      names.push(...(page.logStreams ?? []).map(({ logStreamName }) => logStreamName));
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
    return names.join(' ');
  };
  assert.equal(await list({}), 's0 s1 s2 s3 s4 s5 s6');
  assert.equal(await list({ descending: true }), 's6 s5 s4 s3 s2 s1 s0');
  assert.equal(await list({ orderBy: 'LastEventTime', descending: true }), 's0 s1 s2 s3 s4 s5 s6');
  assert.equal(await list({ logStreamNamePrefix: 's3' }), 's3');
});

test('a live tail gives the lines that match as they come, and ends with its client', async (t) => {
  await using opened = await open(folder(t));
  opened.logs.append(GROUP, 'a', lines(1, 1_000, 'before'));
  const leaving = new AbortController();
  const { responseStream } = await opened.call<StartLiveTailResponse>(
    'StartLiveTail',
    {
      logGroupIdentifiers: [`arn:aws:logs:eu-central-1:000000000000:log-group:${GROUP}`],
      logEventFilterPattern: 'ERROR',
    },
    leaving.signal,
  );
  opened.logs.append(GROUP, 'a', [
    { timestampMs: 2_000, message: 'ERROR one' },
    { timestampMs: 2_001, message: 'fine' },
  ]);
  const seen: (string | undefined)[] = [];
  for await (const part of responseStream ?? []) {
    seen.push(...(part.sessionUpdate?.sessionResults ?? []).map(({ message }) => message));
    if (seen.length === 1) opened.logs.append(GROUP, 'b', [{ timestampMs: 2_002, message: 'ERROR two' }]);
    if (seen.length === 2) leaving.abort();
  }
  assert.deepEqual(seen, ['ERROR one', 'ERROR two']);
});

test('a hundred megabytes in one go are bounded and do not stay in memory', async (t) => {
  await using opened = await open(folder(t), 16 << 20);
  const message = 'y'.repeat(1_000);
  for (let batch = 0; batch < 100; batch++) {
    opened.logs.append(
      GROUP,
      'loud',
      Array.from({ length: 1_000 }, (_, index) => ({ timestampMs: batch * 1_000 + index, message })),
    );
  }
  const { logGroups } = await opened.call<DescribeLogGroupsResponse>('DescribeLogGroups', {});
  assert.ok((logGroups?.[0]?.storedBytes ?? 0) <= 16 << 20);
  const page = await opened.call<GetLogEventsResponse>('GetLogEvents', {
    logGroupName: GROUP,
    logStreamName: 'loud',
    limit: 1,
  });
  assert.equal(page.events?.[0]?.timestamp, 99_999);
});
