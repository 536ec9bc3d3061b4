'use strict';
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';
const PRELUDE_END = Buffer.alloc(8);

/** Gives the function `awslambda`, as on Lambda a global. */
function installStreaming() {
  globalThis.awslambda = {
    streamifyResponse(handler) {
      handler[STREAMING] = 'response';
      return handler;
    },
    HttpResponseStream: {
      /** Puts status, headers and cookies before the body, for function URLs. */
      from(stream, prelude) {
        stream.setContentType(PRELUDE_TYPE);
        stream._onBeforeFirstWrite = (write) => {
          write(Buffer.from(JSON.stringify(prelude)));
          write(PRELUDE_END);
        };
        return stream;
      },
    },
  };
}

const isStreaming = (handler) => handler[STREAMING] === 'response';

/** The stream that a streaming handler writes to. It is opened by the first write, so that its type can be set before. */
function createResponseStream(client, requestId) {
  // Most functions never stream, and need not wait until this is loaded.
  const { Writable } = require('node:stream');
  let contentType = 'application/octet-stream';
  let open;
  const opened = (stream) => {
    if (open === undefined) {
      open = client.openStream(requestId, contentType);
      stream._onBeforeFirstWrite?.((chunk) => open.write(Buffer.from(chunk)));
    }
    return open;
  };
  const stream = new Writable({
    write(chunk, _encoding, done) {
      const target = opened(stream);
      if (target.write(chunk)) done();
      else target.drained().then(() => done(), done);
    },
  });
  stream.setContentType = (type) => {
    contentType = type;
  };
  return {
    stream,
    /** Whether the head has gone: an error then goes into the trailers. */
    isOpen: () => open !== undefined,
    end: (error) => opened(stream).end(error),
  };
}

module.exports = { installStreaming, isStreaming, createResponseStream };
