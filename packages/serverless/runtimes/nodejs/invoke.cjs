'use strict';
const { RuntimeError, describeError } = require('./errors.cjs');
const { createResponseStream, isStreaming } = require('./stream.cjs');

const { env } = process;

/** Runs the handler for one invocation; resolves when its outcome was told. */
async function runHandler(client, handler, invocation) {
  const { requestId, body } = invocation;
  let event;
  try {
    event = JSON.parse(body.length === 0 ? 'null' : body.toString());
  } catch (error) {
    return await tellError(
      client,
      requestId,
      new RuntimeError('Runtime.UnmarshalError', `Unable to unmarshal input: ${error.message}`, error),
    );
  }
  if (isStreaming(handler)) return await runStreaming(client, handler, event, invocation);
  let text;
  try {
    const result = await call(handler, event, invocation);
    text = JSON.stringify(result === undefined ? null : result);
    if (text === undefined)
      throw new RuntimeError(
        'Runtime.MarshalError',
        `Unable to stringify response body: it is a ${typeof result}`,
      );
  } catch (error) {
    return await tellError(client, requestId, error);
  }
  await client.response(requestId, text);
}

async function runStreaming(client, handler, event, invocation) {
  const { stream, end, isOpen } = createResponseStream(client, invocation.requestId);
  const { context } = createContext(invocation);
  const finished = new Promise((resolve, reject) => stream.once('finish', resolve).once('error', reject));
  finished.catch(() => {});
  try {
    await handler(event, stream, context);
    // Who pipes into it may still be at it; one that is left open ends when nothing else goes on.
    const endLeftOpen = () => stream.end();
    process.once('beforeExit', endLeftOpen);
    await finished;
    process.removeListener('beforeExit', endLeftOpen);
  } catch (error) {
    const described = describeError(error);
    console.error('Invoke Error\t', JSON.stringify(described));
    if (!isOpen()) return await client.error(invocation.requestId, described);
    return await end(described);
  }
  await end();
}

async function tellError(client, requestId, error) {
  const described = describeError(error);
  console.error(
    'Invoke Error\t',
    JSON.stringify({ ...described, ...(error !== null && typeof error === 'object' ? { ...error } : {}) }),
  );
  await client.error(requestId, described);
}

/** By its promise, by its callback, or by the old methods of its context, whichever comes first. */
function call(handler, event, invocation) {
  return new Promise((resolve, reject) => {
    const { context, options } = createContext(invocation);
    const whenIdle = (settle) => {
      if (!options.waits) return settle();
      process.removeListener('beforeExit', neverSettled);
      process.once('beforeExit', settle);
    };
    const neverSettled = () =>
      reject(
        new RuntimeError(
          'Runtime.NodeJsExit',
          'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes',
        ),
      );
    const done = (settle) => (value) => {
      process.removeListener('beforeExit', neverSettled);
      settle(value);
    };
    const [succeed, fail] = [done(resolve), done(reject)];
    const callback = (error, result) => {
      if (error !== undefined && error !== null) whenIdle(() => fail(error));
      else whenIdle(() => succeed(result));
    };
    context.succeed = (result) => succeed(result);
    context.fail = (error) => fail(error ?? 'handled');
    context.done = (error, result) => (error === undefined || error === null ? succeed(result) : fail(error));
    process.once('beforeExit', neverSettled);
    try {
      const result = handler(event, context, callback);
      if (typeof result?.then === 'function') result.then(succeed, fail);
    } catch (error) {
      fail(error);
    }
  });
}

function createContext(invocation) {
  const options = { waits: true };
  const context = {
    get callbackWaitsForEmptyEventLoop() {
      return options.waits;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      options.waits = value;
    },
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parseHeader(invocation.clientContext),
    identity: parseHeader(invocation.identity),
    invokedFunctionArn: invocation.invokedFunctionArn,
    awsRequestId: invocation.requestId,
    getRemainingTimeInMillis: () => invocation.deadlineMs - Date.now(),
  };
  return { context, options };
}

const parseHeader = (text) => (text === undefined || text === '' ? undefined : JSON.parse(text));

module.exports = { runHandler };
