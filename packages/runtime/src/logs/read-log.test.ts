import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type HostPath, hostPath } from '@slipway/base';
import fc from 'fast-check';
import { openLog, type ReadLogOptions } from './read-log.ts';
import { parseRecord } from './record.ts';

const both = { stdout: true, stderr: true };
const record = (n: number, stream = 'stdout') =>
  `${JSON.stringify({ log: `line ${n}\n`, stream, time: `2026-01-01T00:00:${String(n % 60).padStart(2, '0')}.5Z` })}\n`;
const atNs = (second: number) => BigInt(Date.parse('2026-01-01T00:00:00Z') + second * 1000) * 1_000_000n;

describe('reading a log', () => {
  let folder: string;
  let path: HostPath;
  const read = async (options: Partial<ReadLogOptions> = {}) => {
    const lines: string[] = [];
    for await (const { bytes } of await openLog(path, { ...both, ...options }))
      lines.push(String(bytes).trim());
    return lines;
  };

  before(() => {
    folder = mkdtempSync('/tmp/slipway-runtime-log-');
  });
  beforeEach(() => {
    rmSync(folder, { recursive: true });
    folder = mkdtempSync('/tmp/slipway-runtime-log-');
    path = hostPath(join(folder, 'log'));
  });
  after(() => rmSync(folder, { recursive: true }));

  test('a log that is not there is empty', async () => {
    assert.deepEqual(await read(), []);
    assert.deepEqual(await read({ tail: 3 }), []);
  });

  test('rotated files come first, oldest first', async () => {
    writeFileSync(`${path}.2`, record(1));
    writeFileSync(`${path}.1`, record(2));
    writeFileSync(path, record(3));
    assert.deepEqual(await read(), ['line 1', 'line 2', 'line 3']);
    assert.deepEqual(await read({ tail: 2 }), ['line 2', 'line 3']);
    assert.deepEqual(await read({ tail: 0 }), []);
    assert.deepEqual(await read({ tail: 99 }), ['line 1', 'line 2', 'line 3']);
  });

  test('without following, what is written or rotated while it is read does not belong to it', async () => {
    writeFileSync(path, record(1) + record(2));
    const lines: string[] = [];
    for await (const { bytes } of await openLog(path, { ...both, tail: 1 })) {
      lines.push(String(bytes).trim());
      appendFileSync(path, record(3));
      renameSync(path, `${path}.1`);
      writeFileSync(path, record(4));
    }
    assert.deepEqual(lines, ['line 2']);
  });

  test('the tail of a large log is found from its end, whatever the length of lines', async () => {
    const lines = Array.from({ length: 5000 }, (_, n) => record(n));
    writeFileSync(path, lines.join(''));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 6000 }), async (tail) => {
        const got = await read({ tail });
        assert.equal(got.length, Math.min(tail, 5000));
        assert.equal(got.at(-1), 'line 4999');
      }),
      { numRuns: 10 },
    );
  });

  test('streams and times are chosen', async () => {
    writeFileSync(path, record(1) + record(2, 'stderr') + record(3) + record(4));
    assert.deepEqual(await read({ stdout: false }), ['line 2']);
    assert.deepEqual(await read({ sinceNs: atNs(3) }), ['line 3', 'line 4']);
    assert.deepEqual(await read({ untilNs: atNs(3) }), ['line 1', 'line 2']);
  });

  test('a broken record is passed over', async () => {
    writeFileSync(path, `${record(1)}{"log":"half\n${record(2)}`);
    assert.deepEqual(await read(), ['line 1', 'line 2']);
  });

  test('following goes on over a rotation and an emptied file, and ends with all that was written', async () => {
    writeFileSync(path, record(1));
    const stopped = Promise.withResolvers<void>();
    const lines: string[] = [];
    for await (const { bytes } of await openLog(path, { ...both, follow: stopped.promise })) {
      const line = String(bytes).trim();
      lines.push(line);
      if (line === 'line 1') {
        renameSync(path, `${path}.1`);
        appendFileSync(`${path}.1`, record(2));
        writeFileSync(path, record(3) + record(4));
      }
      if (line === 'line 4') {
        void turn().then(() => {
          truncateSync(path, 0);
          appendFileSync(path, record(5));
        });
      }
      if (line === 'line 5') {
        appendFileSync(path, record(6));
        stopped.resolve();
      }
    }
    assert.deepEqual(
      lines,
      [1, 2, 3, 4, 5, 6].map((n) => `line ${n}`),
    );
  });

  test('following ends when it is aborted', async () => {
    writeFileSync(path, record(1));
    const controller = new AbortController();
    const never = new Promise<void>(() => {});
    for await (const _ of await openLog(path, { ...both, follow: never, signal: controller.signal })) {
      void turn().then(() => controller.abort());
    }
  });

  test('a record is read with nanoseconds, and no text breaks the parser', () => {
    const line = '{"log":"x\\u003c","stream":"stderr","time":"2026-01-01T00:00:01.000000009Z"}';
    assert.deepEqual(parseRecord(line), { stream: 'stderr', bytes: Buffer.from('x<'), timeNs: atNs(1) + 9n });
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseRecord(text)));
  });
});
