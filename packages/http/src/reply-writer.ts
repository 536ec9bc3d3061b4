import type { ServerResponse } from 'node:http';
import { eitherOf } from './either-of.ts';
import type { EmptyReply, Headers, JsonReply, StreamReply } from './reply.ts';

/** Writes everything but hijacks. Resolves when the last byte was handed to the socket, or the client went. */
export async function writeReply(
  response: ServerResponse,
  reply: JsonReply | StreamReply | EmptyReply,
  dialectHeaders: Headers,
): Promise<void> {
  if (response.destroyed) return;
  response.statusCode = reply.status;
  setHeaders(response, dialectHeaders);
  setHeaders(response, reply.headers);
  switch (reply.kind) {
    case 'json': {
      if (!response.hasHeader('content-type')) response.setHeader('Content-Type', 'application/json');
      const text = `${JSON.stringify(reply.value)}\n`;
      response.setHeader('Content-Length', Buffer.byteLength(text));
      response.end(text);
      return;
    }
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

/** The body goes out as it comes, no faster than the client reads. */
async function writeStream(response: ServerResponse, body: StreamReply['body']): Promise<void> {
  response.flushHeaders();
  const iterator = body[Symbol.asyncIterator]();
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

function setHeaders(response: ServerResponse, headers: Headers): void {
  for (const name in headers) response.setHeader(name, headers[name] as string | string[]);
}

const mayHaveLength = (status: number) => status >= 200 && status !== 204 && status !== 304;
