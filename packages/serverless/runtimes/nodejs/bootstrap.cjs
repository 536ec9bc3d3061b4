/**
 * The runtime of `nodejs*`: takes invocations from the Runtime API and gives them to the function's handler. When it was
 * started ahead, it first waits to be told whose it is: a function's variables are there before any of its code runs.
 * Plain JavaScript of the oldest Node that it runs on, without a dependency: it is what every cold start waits for.
 */
'use strict';
const { RuntimeClient } = require('./client.cjs');
const { loadHandler } = require('./load.cjs');
const { describeError } = require('./errors.cjs');
const { patchConsole, setRequestId } = require('./log.cjs');
const { installStreaming } = require('./stream.cjs');
const { runHandler } = require('./invoke.cjs');

const client = new RuntimeClient(process.env.AWS_LAMBDA_RUNTIME_API);
/** The id of the invocation that runs. */
let current;

async function main() {
  if (process.env.SLIPWAY_PREPARED === '1') {
    // Made at their first use, which had better be now.
    void process.stdout;
    void process.stderr;
    become(await client.assignment());
  }
  patchConsole();
  installStreaming();
  process.on('uncaughtException', (error) => fail('Uncaught Exception', error, 129));
  process.on('unhandledRejection', (reason) => {
    const error = new Error(reason instanceof Error ? String(reason) : String(reason));
    error.name = 'Runtime.UnhandledPromiseRejection';
    error.reason = reason;
    if (reason instanceof Error) error.stack = `${error.name}: ${reason.stack}`;
    fail('Unhandled Promise Rejection', error, 128);
  });
  let handler;
  try {
    handler = await loadHandler(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  } catch (error) {
    const body = describeError(error);
    console.error('Uncaught Exception\t', JSON.stringify(body));
    await client.initError(body);
    process.exit(1);
  }
  for (;;) {
    const invocation = await client.next();
    current = invocation.requestId;
    setRequestId(current);
    if (invocation.traceId === undefined) delete process.env._X_AMZN_TRACE_ID;
    else process.env._X_AMZN_TRACE_ID = invocation.traceId;
    await runHandler(client, handler, invocation);
    current = undefined;
    setRequestId(undefined);
  }
}

/** @param {{ variables: Record<string, string> }} assignment */
function become({ variables }) {
  for (const name of Object.keys(process.env)) if (!(name in variables)) delete process.env[name];
  Object.assign(process.env, variables);
  // The folder that it started in lies under the code now.
  process.chdir(process.env.LAMBDA_TASK_ROOT);
}

/** Something was thrown where nobody waits for it: the invocation fails with it, and the process ends. */
function fail(title, error, exitCode) {
  const body = describeError(error);
  console.error(`${title}\t`, JSON.stringify(body));
  const exit = () => process.exit(exitCode);
  // Between invocations, and within a streamed response, there is nothing that it could be the answer of.
  if (client.isBusy) return exit();
  (current === undefined ? client.initError(body) : client.error(current, body)).then(exit, exit);
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
