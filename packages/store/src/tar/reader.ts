import type { TarEntry } from './entry.ts';
import { TarParser } from './parser.ts';

/** An entry and its bytes, holes as zeros. A body that is not read to its end is skipped. */
export interface TarItem {
  readonly entry: TarEntry;
  readonly body: AsyncIterable<Buffer>;
}

type Event =
  | { readonly kind: 'entry'; readonly entry: TarEntry }
  | { readonly kind: 'data'; readonly chunk: Buffer; readonly offset: number }
  | { readonly kind: 'end' };

const ZEROS = Buffer.alloc(64 << 10);

/**
 * The entries of an archive, one after another. Each body must be read, or left, before the next entry is asked for.
 * @throws InvalidArgument for what is not a tar, DataLoss for one that is cut off
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarItem> {
  const events = parseEvents(source);
  try {
    for (let next = await events.next(); next.done !== true; next = await events.next()) {
      if (next.value.kind !== 'entry') continue;
      const { entry } = next.value;
      let isRead = false;
      const body = async function* (): AsyncGenerator<Buffer> {
        if (isRead) return;
        isRead = true;
        yield* readBody(events, entry);
      };
      yield { entry, body: { [Symbol.asyncIterator]: body } };
    }
  } finally {
    await events.return();
  }
}

/** A body's bytes up to its end; the file's holes come as zeros. */
async function* readBody(events: AsyncGenerator<Event>, entry: TarEntry): AsyncGenerator<Buffer> {
  let position = 0;
  for (;;) {
    const { value, done } = await events.next();
    if (done === true) return;
    const until = value.kind === 'data' ? value.offset : entry.sizeBytes;
    for (; position < until; position += Math.min(ZEROS.length, until - position)) {
      yield ZEROS.subarray(0, Math.min(ZEROS.length, until - position));
    }
    if (value.kind !== 'data') return;
    yield value.chunk;
    position += value.chunk.length;
  }
}

async function* parseEvents(source: AsyncIterable<Uint8Array>): AsyncGenerator<Event, void> {
  let events: Event[] = [];
  const parser = new TarParser({
    entry: (entry) => events.push({ kind: 'entry', entry }),
    data: (chunk, offset) => events.push({ kind: 'data', chunk, offset }),
    endEntry: () => events.push({ kind: 'end' }),
  });
  for await (const chunk of source) {
    parser.push(
      Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength),
    );
    const ready = events;
    events = [];
    yield* ready;
  }
  parser.end();
}
