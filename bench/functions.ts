import { eventually } from '../test/integration/harness/command.ts';
import { Engine } from '../test/integration/harness/engine.ts';
import { loadRuntimes } from '../test/integration/harness/functions.ts';
import { zipOf } from '../test/integration/harness/zip.ts';
import type { Contender, Group } from './figure.ts';
import { LambdaClient } from './lambda-client.ts';

/** A daemon with functions, and a client that signs. */
export interface FunctionsContender extends Contender {
  readonly engine: Engine;
  readonly client: LambdaClient;
  /** Creates a function and waits until it can be invoked. */
  create(name: string, runtime: Runtime, fields?: Readonly<Record<string, unknown>>): Promise<void>;
}

export type Runtime = 'nodejs24.x' | 'python3.11';

const CODE: Readonly<Record<Runtime, { readonly file: string; readonly source: string }>> = {
  'nodejs24.x': {
    file: 'index.mjs',
    source: `const born = Date.now();
export const handler = async (event) => {
  const beganMs = performance.now();
  if (event.sleepMs) await new Promise((resolve) => setTimeout(resolve, event.sleepMs));
  return { born, pid: process.pid, at: Date.now(), ownMs: performance.now() - beganMs };
};`,
  },
  'python3.11': {
    file: 'index.py',
    source: `import time
def handler(event, context):
    began = time.monotonic()
    return {"ownMs": (time.monotonic() - began) * 1000}
`,
  },
};

export const FUNCTIONS = '/2015-03-31/functions';

/** Starts it, with access keys and the images of the runtimes. */
export const startFunctions: Group<FunctionsContender>['start'] = async ({ stack }) => {
  const engine = stack.use(
    await Engine.start({ port: 'free', flags: ['--function-idle-timeout', '15', '--log-level', 'warn'] }),
  );
  await loadRuntimes(engine, ['nodejs24.x', 'python3.11', 'python3.13']);
  const made = await engine.slipway('iam', 'create-access-key', '--format', 'json');
  const { AccessKey: key } = JSON.parse(made.stdout) as {
    AccessKey: { AccessKeyId: string; SecretAccessKey: string };
  };
  const client = stack.use(
    new LambdaClient(engine.port, { accessKeyId: key.AccessKeyId, secretAccessKey: key.SecretAccessKey }),
  );
  const create: FunctionsContender['create'] = async (name, runtime, fields = {}) => {
    const { file, source } = CODE[runtime];
    await client.call('POST', FUNCTIONS, {
      FunctionName: name,
      Role: 'arn:aws:iam::000000000000:role/bench',
      Runtime: runtime,
      Handler: 'index.handler',
      Timeout: 30,
      Code: { ZipFile: zipOf({ [file]: source }).toString('base64') },
      ...fields,
    });
    await eventually(
      `${name} is active`,
      async () => {
        const { text } = await client.call('GET', `${FUNCTIONS}/${name}/configuration`);
        return (JSON.parse(text) as { State: string }).State === 'Active';
      },
      60_000,
    );
  };
  return [{ name: 'slipway', version: '', daemonPid: engine.pid, engine, client, create }];
};
