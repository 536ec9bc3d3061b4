import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { ProgressMessage } from '@slipway/api/docker';
import { isSlipwayError } from '@slipway/base/errors';
import { showProgress } from './progress.ts';

async function shown(messages: readonly ProgressMessage[], terminal?: { rows: number; columns: number }) {
  const out = new PassThrough().setEncoding('utf8');
  const stream = Object.assign(out, { isTTY: terminal !== undefined, ...terminal });
  const source = (async function* () {
    yield* messages;
  })();
  const values = await showProgress(source, stream as unknown as NodeJS.WriteStream);
  return { values, text: (out.read() as string | null) ?? '' };
}

/** What a terminal would show of text with the escapes that the board uses. */
function screen(text: string): string[] {
  const lines: string[] = [''];
  let row = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what is read here.
  for (const [part, up, down] of text.matchAll(/\x1b\[(\d+)A|\x1b\[(\d+)B|\x1b\[2K|\r|\n|[^\x1b\r\n]+/g)) {
    if (up !== undefined) row -= Number(up);
    else if (down !== undefined) row += Number(down);
    else if (part === '\n') lines[++row] ??= '';
    else if (part === '\x1b[2K') lines[row] = '';
    else if (part !== '\r') lines[row] += part;
  }
  return lines;
}

const layer = (id: string, status: string, current?: number, total?: number): ProgressMessage => ({
  id,
  status,
  ...(current === undefined
    ? {}
    : { progressDetail: { current, ...(total === undefined ? {} : { total }) } }),
});

const PULL: readonly ProgressMessage[] = [
  layer('latest', 'Pulling from app'),
  layer('aaaa', 'Pulling fs layer'),
  layer('bbbb', 'Pulling fs layer'),
  layer('aaaa', 'Downloading', 5e6, 10e6),
  layer('bbbb', 'Extracting', 3e6, 3e6),
  layer('aaaa', 'Downloading', 10e6, 10e6),
  layer('bbbb', 'Pull complete'),
  { status: 'Digest: sha256:1' },
];

test('layers under way show as bars one below the other on a terminal', async () => {
  const { text } = await shown(PULL.slice(0, 6), { rows: 24, columns: 100 });
  assert.deepEqual(screen(text), [
    'latest: Pulling from app',
    `aaaa: Downloading [${'='.repeat(30)}] 10MB/10MB`,
    `bbbb: Extracting  [${'='.repeat(30)}] 3MB/3MB`,
    '',
  ]);
});

test('what is said after the layers stays where it was said, whatever comes later', async () => {
  const again = [layer('aaaa', 'Layer already exists'), layer('aaaa', 'Pushed')];
  const { text } = await shown([...PULL, ...again], { rows: 24, columns: 100 });
  assert.deepEqual(screen(text).slice(2), ['bbbb: Pull complete', 'Digest: sha256:1', 'aaaa: Pushed', '']);
});

test('a board that is higher than the terminal does not write over what is not its own', async () => {
  const many = Array.from({ length: 8 }, (_, index) => layer(`l${index}`, 'Waiting'));
  const { text } = await shown([...many, layer('l0', 'Pushed'), layer('l7', 'Pushed')], {
    rows: 5,
    columns: 80,
  });
  assert.ok(!text.includes('l0: Pushed'));
  assert.ok(text.includes('l7: Pushed'));
});

test('without a terminal there is one line for each change of status, and no bar', async () => {
  const { text } = await shown(PULL);
  assert.deepEqual(text.trim().split('\n'), [
    'latest: Pulling from app',
    'aaaa: Pulling fs layer',
    'bbbb: Pulling fs layer',
    'aaaa: Downloading',
    'bbbb: Extracting',
    'bbbb: Pull complete',
    'Digest: sha256:1',
  ]);
});

test('the stream’s error is thrown in its own words, and its values are returned', async () => {
  assert.deepEqual((await shown([{ aux: { ID: 'x' } }])).values, [{ ID: 'x' }]);
  await assert.rejects(
    shown([{ error: 'manifest unknown', errorDetail: { message: 'manifest unknown' } }]),
    (error) => isSlipwayError(error) && error.message === 'manifest unknown',
  );
});
