import type { IncomingMessage, ServerResponse } from 'node:http';

const ACCEPTED = Buffer.from('{"status":"OK"}\n');

/** What the Runtime API says to what it takes. */
export function sendAccepted(response: ServerResponse): void {
  response.writeHead(202, { 'Content-Type': 'application/json', 'Content-Length': ACCEPTED.length });
  response.end(ACCEPTED);
}

export function sendJson(
  response: ServerResponse,
  body: object,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    ...headers,
    'Content-Type': 'application/json',
    'Content-Length': bytes.length,
  });
  response.end(bytes);
}

/** The Runtime API's own form of errors. */
export function sendError(
  response: ServerResponse,
  status: number,
  errorType: string,
  errorMessage: string,
): void {
  sendJson(response, { errorMessage, errorType }, {}, status);
}

/** The whole body, or undefined when it is larger: then the rest of it is read and thrown away. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxBytes) chunks.push(chunk);
    else chunks.length = 0;
  });
  request.on('end', () => {
    if (size > maxBytes) resolve(undefined);
    else resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
  });
  request.on('error', reject);
  request.on('close', () => reject(new Error('the runtime hung up in the middle of a request')));
  return await promise;
}
