/**
 * The Runtime API over one connection that is kept open. Not `node:http`: loading that takes longer than all the rest of
 * a start, and its agent longer than a warm invocation.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
'use strict';
const net = require('node:net');

const BASE = '/2018-06-01/runtime';
const END_OF_HEAD = Buffer.from('\r\n\r\n');

class RuntimeClient {
  #host;
  #port;
  #address;
  #socket;
  #rest = Buffer.alloc(0);
  #head;
  #waiting;

  /** @param {string} address `127.0.0.1:9001` */
  constructor(address) {
    const colon = address.lastIndexOf(':');
    this.#address = address;
    this.#host = address.slice(0, colon);
    this.#port = Number(address.slice(colon + 1));
  }

  /** Whether an answer is waited for. */
  get isBusy() {
    return this.#waiting !== undefined;
  }

  /** Whose this process is to be. Of Slipway alone. */
  async assignment() {
    const { body } = await this.#request('GET', '/slipway/assignment');
    return JSON.parse(body.toString());
  }

  async next() {
    // Only waiting for an invocation keeps this process alive.
    this.#socket?.ref();
    const { headers, body } = await this.#request('GET', `${BASE}/invocation/next`);
    this.#socket.unref();
    return {
      requestId: headers['lambda-runtime-aws-request-id'],
      deadlineMs: Number(headers['lambda-runtime-deadline-ms']),
      invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
      traceId: headers['lambda-runtime-trace-id'],
      clientContext: headers['lambda-runtime-client-context'],
      identity: headers['lambda-runtime-cognito-identity'],
      body,
    };
  }

  async response(requestId, text) {
    this.#socket.ref();
    return await this.#request('POST', `${BASE}/invocation/${requestId}/response`, text);
  }

  async error(requestId, error) {
    return await this.#sendError(`${BASE}/invocation/${requestId}/error`, error);
  }

  async initError(error) {
    return await this.#sendError(`${BASE}/init/error`, error);
  }

  async #sendError(path, error) {
    this.#socket?.ref();
    return await this.#request('POST', path, JSON.stringify(error), {
      'Lambda-Runtime-Function-Error-Type': headerValue(error.errorType),
    });
  }

  /**
   * A streamed response: `write` answers whether there is room, `drained` when there is again, `end` resolves when the
   * answer has come.
   */
  openStream(requestId, contentType) {
    const socket = this.#socket;
    socket.ref();
    const answer = this.#wait();
    socket.write(
      `POST ${BASE}/invocation/${requestId}/response HTTP/1.1\r\nHost: ${this.#address}\r\n` +
        `Content-Type: ${headerValue(contentType)}\r\nTransfer-Encoding: chunked\r\n` +
        'Lambda-Runtime-Function-Response-Mode: streaming\r\n' +
        'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n',
    );
    return {
      write(chunk) {
        if (chunk.length === 0) return true;
        socket.write(`${chunk.length.toString(16)}\r\n`);
        socket.write(chunk);
        return socket.write('\r\n');
      },
      drained: () => new Promise((resolve) => socket.once('drain', resolve)),
      async end(error) {
        const trailers =
          error === undefined
            ? ''
            : `Lambda-Runtime-Function-Error-Type: ${headerValue(error.errorType)}\r\n` +
              `Lambda-Runtime-Function-Error-Body: ${Buffer.from(JSON.stringify(error)).toString('base64')}\r\n`;
        socket.write(`0\r\n${trailers}\r\n`);
        return await answer;
      },
    };
  }

  async #request(method, path, body, headers = {}) {
    if (this.#socket === undefined) await this.#connect();
    const answer = this.#wait();
    let head = `${method} ${path} HTTP/1.1\r\nHost: ${this.#address}\r\n`;
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    if (body === undefined) this.#socket.write(`${head}\r\n`);
    else {
      head += `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
      // One write is one segment; a large body is not copied for that.
      if (body.length < 65536) this.#socket.write(head + body);
      else {
        this.#socket.write(head);
        this.#socket.write(body);
      }
    }
    return await answer;
  }

  #wait() {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  #connect() {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host: this.#host, port: this.#port, noDelay: true });
      this.#socket = socket;
      socket.once('connect', resolve);
      socket.once('error', reject);
      socket.on('data', (chunk) => this.#receive(chunk));
      socket.on('close', () => {
        this.#waiting?.reject(new Error('the Runtime API closed the connection'));
      });
    });
  }

  #receive(chunk) {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (this.#head === undefined) {
      const end = this.#rest.indexOf(END_OF_HEAD);
      if (end < 0) return;
      this.#head = parseHead(this.#rest.toString('latin1', 0, end));
      this.#rest = this.#rest.subarray(end + END_OF_HEAD.length);
    }
    const size = Number(this.#head.headers['content-length'] ?? 0);
    if (this.#rest.length < size) return;
    const answer = { ...this.#head, body: this.#rest.subarray(0, size) };
    this.#rest = this.#rest.subarray(size);
    this.#head = undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(answer);
  }
}

function parseHead(text) {
  const [first, ...lines] = text.split('\r\n');
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    // Header values are UTF-8 here, as a client context may hold anything.
    headers[line.slice(0, colon).toLowerCase()] = Buffer.from(
      line.slice(colon + 1).trim(),
      'latin1',
    ).toString();
  }
  return { status: Number(first.split(' ')[1]), headers };
}

const headerValue = (value) => String(value).replace(/[^\x20-\x7e]/g, '?');

module.exports = { RuntimeClient };
