import { AsyncQueue } from '@slipway/base';
import type { AttachSink, OutputChunk } from '@slipway/runtime';

const SUBSCRIBER_BUFFER_BYTES = 1024 * 1024;

/**
 * Hands one run's output to everyone attached. A subscriber that does not read slows the container down, as docker
 * has it, once its megabyte is full; it never loses a byte.
 */
export class OutputHub implements AttachSink {
  readonly #subscribers = new Set<AsyncQueue<OutputChunk>>();
  readonly #sinks = new Set<AttachSink>();
  #ended = false;

  /** Output from now on, ending when the run has ended. Returning from the iteration detaches. */
  subscribe(): AsyncQueue<OutputChunk> {
    const queue = new AsyncQueue<OutputChunk>({
      capacity: SUBSCRIBER_BUFFER_BYTES,
      onOverflow: 'wait',
      weigh: (chunk: OutputChunk) => chunk.bytes.byteLength,
    });
    if (this.#ended) queue.end();
    else this.#subscribers.add(queue);
    return queue;
  }

  /** Hands output on without a buffer between: for who takes each chunk at once, or says how long it takes. */
  pass(sink: AttachSink): void {
    this.#sinks.add(sink);
  }

  write(chunk: OutputChunk): Promise<void> | undefined {
    let waits: Promise<void>[] | undefined;
    for (const sink of this.#sinks) {
      const wait = sink.write(chunk);
      if (wait === undefined) continue;
      waits ??= [];
      waits.push(wait);
    }
    for (const queue of this.#subscribers) {
      if (queue.ended) {
        this.#subscribers.delete(queue);
        continue;
      }
      const wait = queue.pushWhenRoom(chunk);
      waits ??= [];
      waits.push(wait);
    }
    return waits === undefined ? undefined : Promise.all(waits).then(() => undefined);
  }

  end(): void {
    this.#ended = true;
    for (const queue of this.#subscribers) queue.end();
    this.#subscribers.clear();
    for (const sink of this.#sinks) sink.end();
    this.#sinks.clear();
  }
}
