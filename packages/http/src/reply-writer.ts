import type { ServerResponse } from 'node:http';
import { eitherOf } from './either-of.ts';
import { type OpenFileSender, openFile, writeFileBody } from './file-body.ts';
import type { FileReply, Headers, HijackReply, Reply, StreamReply } from './reply.ts';

/**
 * Writes everything but hijacks; of a reply to HEAD the headers alone. Resolves when the last byte was handed to the
 * socket, or the client went.
 */
export async function writeReply(
  response: ServerResponse,
  reply: Exclude<Reply, HijackReply>,
  dialectHeaders: Headers,
  openSender?: OpenFileSender,
): Promise<void> {
  if (reply.kind === 'file') return await writeFile(response, reply, dialectHeaders, openSender);
  if (response.destroyed) return;
  setHead(response, reply, dialectHeaders);
  switch (reply.kind) {
    case 'json': {
      if (!response.hasHeader('content-type')) response.setHeader('Content-Type', 'application/json');
      const text = `${JSON.stringify(reply.value)}\n`;
      response.setHeader('Content-Length', Buffer.byteLength(text));
      response.end(text);
      return;
    }
    case 'bytes':
      response.setHeader('Content-Length', reply.body.byteLength);
      response.end(reply.body);
      return;
    case 'empty':
      if (mayHaveLength(reply.status) && !response.hasHeader('content-length')) {
        response.setHeader('Content-Length', 0);
      }
      response.end();
      return;
    case 'stream':
      await writeStream(response, reply.body);
  }
}

/** Opens the file before anything is said, so that a failure can still be told. */
async function writeFile(
  response: ServerResponse,
  reply: FileReply,
  dialectHeaders: Headers,
  openSender: OpenFileSender | undefined,
): Promise<void> {
  await using handle = hasBody(response) ? await openFile(reply.path) : undefined;
  if (response.destroyed) return;
  setHead(response, reply, dialectHeaders);
  response.setHeader('Content-Length', reply.length);
  const { offset, length } = reply;
  if (handle !== undefined) await writeFileBody(response, { handle, offset, length }, openSender);
  response.end();
}

/** The body goes out as it comes, no faster than the client reads. */
async function writeStream(response: ServerResponse, body: StreamReply['body']): Promise<void> {
  response.flushHeaders();
  const iterator = body[Symbol.asyncIterator]();
  if (!hasBody(response)) {
    await iterator.return?.();
    response.end();
    return;
  }
  // Tells the source at once, also while it has nothing to say.
  const onClose = () => void iterator.return?.()?.catch(() => {});
  response.once('close', onClose);
  try {
    for (;;) {
      const { value, done } = await iterator.next();
      if (done === true || response.destroyed) break;
      if (!response.write(value) && !response.destroyed) await eitherOf(response, 'drain', 'close');
    }
  } finally {
    response.off('close', onClose);
  }
  response.end();
}

const hasBody = (response: ServerResponse): boolean => response.req.method !== 'HEAD';

function setHead(
  response: ServerResponse,
  reply: { readonly status: number; readonly headers: Headers },
  dialectHeaders: Headers,
): void {
  response.statusCode = reply.status;
  setHeaders(response, dialectHeaders);
  setHeaders(response, reply.headers);
}

function setHeaders(response: ServerResponse, headers: Headers): void {
  for (const name in headers) response.setHeader(name, headers[name] as string | string[]);
}

const mayHaveLength = (status: number) => status >= 200 && status !== 204 && status !== 304;
