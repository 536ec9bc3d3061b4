import type { IncomingMessage } from 'node:http';
import type { ResponseSink } from '../environment.ts';
import { responseTooLarge } from '../execution/errors.ts';
import type { Answer } from './answer.ts';

export interface ResponseLimits {
  /** Of a response that is answered whole, in bytes. */
  readonly bufferedBytes: number;
  /** Of one that is streamed to who asked for it so. */
  readonly streamedBytes: number;
}

/** Whoever takes it may go before the end: the function is run to its end all the same, as on Lambda. */
export async function handOver(sink: ResponseSink, bytes: Uint8Array): Promise<void> {
  await sink.write(bytes).catch(() => {});
}

/** A response that comes piece by piece, with what went wrong told at its end. */
export class StreamedResponse {
  readonly #request: IncomingMessage;
  readonly #sink: ResponseSink | undefined;
  readonly #maxBytes: number;

  constructor(request: IncomingMessage, sink: ResponseSink | undefined, limits: ResponseLimits) {
    this.#request = request;
    this.#sink = sink;
    this.#maxBytes = sink === undefined ? limits.bufferedBytes : limits.streamedBytes;
  }

  /** Hands it on, or collects it where nobody takes it as it comes. */
  async read(): Promise<Answer> {
    this.#sink?.begin(this.#request.headers['content-type'] ?? 'application/octet-stream');
    const collected: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.#request as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      // What is too much is read all the same, so that the runtime comes to its end.
      if (size > this.#maxBytes) continue;
      if (this.#sink === undefined) collected.push(chunk);
      else await handOver(this.#sink, chunk);
    }
    const failure = this.#failure();
    if (failure !== undefined) return failure;
    if (size > this.#maxBytes) {
      const { errorType, body } = responseTooLarge(this.#maxBytes);
      return { kind: 'error', payload: body, errorType };
    }
    return { kind: 'response', payload: Buffer.concat(collected) };
  }

  #failure(): Answer | undefined {
    const { trailers } = this.#request;
    const errorType = trailers['lambda-runtime-function-error-type'];
    if (errorType === undefined) return undefined;
    const body = Buffer.from(trailers['lambda-runtime-function-error-body'] ?? '', 'base64');
    return { kind: 'error', payload: body, errorType };
  }
}
