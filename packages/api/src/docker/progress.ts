import { errorMessage } from '@slipway/base';
import { jsonLine } from '../json-lines.ts';

/**
 * A line of the stream that load, import, pull, push and build answer.
 * @see moby pkg/jsonmessage
 */
export interface ProgressMessage {
  /** Text as it is, e.g. `Loaded image: busybox:latest\n`. */
  readonly stream?: string;
  /** What is done to `id`: `Loading layer`, `Pull complete`. */
  readonly status?: string;
  readonly id?: string;
  /** `status`' progress as ready-made text, for old clients. */
  readonly progress?: string;
  readonly progressDetail?: ProgressDetail;
  /** A value for programs, e.g. `{ID: 'sha256:…'}`. */
  readonly aux?: unknown;
  readonly error?: string;
  readonly errorDetail?: { readonly code?: number; readonly message: string };
}

/** Bytes unless `units` says otherwise. */
export interface ProgressDetail {
  readonly current?: number;
  readonly total?: number;
  readonly units?: string;
}

/** An error that came after the headers: the stream's last line. */
export const errorProgress = (error: unknown): ProgressMessage => ({
  errorDetail: { message: errorMessage(error) },
  error: errorMessage(error),
});

/**
 * A progress stream as lines. An error that `messages` throws becomes the last line, because the status was sent
 * before it.
 */
export async function* progressLines(messages: AsyncIterable<ProgressMessage>): AsyncGenerator<string> {
  try {
    for await (const message of messages) yield jsonLine(message);
  } catch (error) {
    yield jsonLine(errorProgress(error));
  }
}
