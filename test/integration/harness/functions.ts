import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after } from 'node:test';
import {
  CreateFunctionCommand,
  type CreateFunctionRequest,
  InvokeCommand,
  type InvokeCommandInput,
  LambdaClient,
  waitUntilFunctionActiveV2,
} from '@aws-sdk/client-lambda';
import { checkoutRoot } from '../../architecture/source-files.ts';
import { eventually, mustRun } from './command.ts';
import type { Engine } from './engine.ts';
import { useEngine } from './suite.ts';
import { zipOf } from './zip.ts';

export const REGION = 'eu-central-1';
export const ROLE = 'arn:aws:iam::000000000000:role/test';

/** An access key of an engine, and AWS's own client with it. */
export interface Lambda {
  readonly client: LambdaClient;
  readonly endpoint: string;
  /** For the aws CLI and boto3. */
  readonly env: Readonly<Record<string, string>>;
  readonly key: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Creates a function and waits until it is active. Runs on Node unless said otherwise. */
  create(name: string, zip: Buffer, fields?: Partial<CreateFunctionRequest>): Promise<void>;
  invoke(name: string, event?: unknown, input?: Partial<InvokeCommandInput>): Promise<Invoked>;
}

/** What an invocation answered. */
export interface Invoked {
  readonly status: number | undefined;
  readonly error: string | undefined;
  readonly version: string | undefined;
  /** Parsed where it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect of it
  readonly payload: any;
  readonly log: string;
}

/** Images of runtimes take half a minute to make: they are kept here between runs. */
const imageCache = join(checkoutRoot, '.cache/images');

/** Gives an engine the images of runtimes that an earlier run has made, and makes those that are wanted and missing. */
export async function loadRuntimes(engine: Engine, names: readonly string[]): Promise<void> {
  for (const { name, image } of await listRuntimes(engine)) {
    if (!names.includes(name)) continue;
    const archive = join(imageCache, `${image.replace(/\W/g, '-')}.tar`);
    if (existsSync(archive)) await engine.mustDocker('load', '-i', archive);
    if (await isReady(engine, name)) continue;
    // It is made to its end also when nobody waits any more.
    void engine.api({ method: 'POST', path: `/slipway/runtimes/${name}/prepare` }).catch(() => {});
    await eventually(`${name} is ready`, () => isReady(engine, name), 300_000);
    await engine.mustDocker('save', '-o', `${archive}.${process.pid}`, image);
    await rename(`${archive}.${process.pid}`, archive);
  }
}

interface ListedRuntime {
  readonly name: string;
  readonly image: string;
  readonly isReady: boolean;
}

async function listRuntimes(engine: Engine): Promise<readonly ListedRuntime[]> {
  const { json } = await engine.api({ path: '/slipway/runtimes' });
  return (json as { runtimes: readonly ListedRuntime[] }).runtimes;
}

const isReady = async (engine: Engine, wanted: string): Promise<boolean> =>
  (await listRuntimes(engine)).some(({ name, isReady }) => name === wanted && isReady);

/** An engine for one test file that has these runtimes, and AWS's client for it. */
export async function useFunctions(
  runtimes: readonly string[] = ['nodejs24.x'],
): Promise<{ readonly engine: Engine; readonly lambda: Lambda }> {
  const engine = await useEngine({ port: 'free', settle: endFunctions });
  await loadRuntimes(engine, runtimes);
  return { engine, lambda: await useLambda(engine) };
}

/** Removes all functions, and what runs or waits for one. */
async function endFunctions(engine: Engine): Promise<void> {
  const path = '/2015-03-31/functions';
  const { json } = await engine.api({ path });
  for (const { FunctionName } of (json as { Functions: { FunctionName: string }[] }).Functions) {
    await engine.api({ method: 'DELETE', path: `${path}/${FunctionName}` });
  }
  await engine.api({ method: 'DELETE', path: '/slipway/functions/environments' });
}

/** Lambda's API of an engine that has a TCP door. */
export async function useLambda(engine: Engine): Promise<Lambda> {
  const made = await engine.slipway('iam', 'create-access-key', '--format', 'json');
  const { AccessKey } = JSON.parse(made.stdout) as {
    readonly AccessKey: { readonly AccessKeyId: string; readonly SecretAccessKey: string };
  };
  const key = { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey };
  const endpoint = `http://localhost:${engine.port}`;
  const client = new LambdaClient({ endpoint, region: REGION, credentials: key, maxAttempts: 1 });
  after(() => client.destroy());
  return {
    client,
    endpoint,
    key,
    env: {
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
      AWS_DEFAULT_REGION: REGION,
      AWS_ENDPOINT_URL: endpoint,
      AWS_MAX_ATTEMPTS: '1',
      AWS_PAGER: '',
      HOME: engine.root,
    },
    async create(name, zip, fields = {}) {
      const code =
        fields.PackageType === 'Image' ? {} : { Runtime: 'nodejs24.x' as const, Handler: 'index.handler' };
      const create = new CreateFunctionCommand({
        FunctionName: name,
        Role: ROLE,
        ...code,
        Code: { ZipFile: zip },
        ...fields,
      });
      await client.send(create);
      await waitUntilFunctionActiveV2({ client, maxWaitTime: 60, minDelay: 1 }, { FunctionName: name });
    },
    async invoke(name, event, input = {}) {
      const answer = await client.send(
        new InvokeCommand({
          FunctionName: name,
          ...(event === undefined ? {} : { Payload: Buffer.from(JSON.stringify(event)) }),
          ...input,
        }),
      );
      const text = Buffer.from(answer.Payload ?? []).toString('utf8');
      return {
        status: answer.StatusCode,
        error: answer.FunctionError,
        version: answer.ExecutedVersion,
        payload: parse(text),
        log: Buffer.from(answer.LogResult ?? '', 'base64').toString('utf8'),
      };
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The files of a package that this checkout has installed, and of what it needs, below `node_modules/`. */
export async function npmFiles(name: string): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {};
  const add = async (packageName: string): Promise<void> => {
    const prefix = `node_modules/${packageName}`;
    if (files[`${prefix}/package.json`] !== undefined) return;
    Object.assign(files, await filesBelow(join(checkoutRoot, prefix), prefix));
    const { dependencies = {} } = JSON.parse(String(files[`${prefix}/package.json`])) as {
      dependencies?: Record<string, string>;
    };
    for (const dependency of Object.keys(dependencies)) await add(dependency);
  };
  await add(name);
  return files;
}

/** The files below a folder, their paths below `prefix`. */
export async function filesBelow(folder: string, prefix: string): Promise<Record<string, Buffer>> {
  const files: Record<string, Buffer> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files[join(prefix, relative(folder, path))] = await readFile(path);
  }
  return files;
}

/** A program of C, compiled to one that needs nothing else. */
export async function compileStatic(source: string): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'slt-c-'));
  try {
    await writeFile(join(folder, 'main.c'), source);
    await mustRun(['gcc', '-O2', '-static', '-o', join(folder, 'main'), join(folder, 'main.c')]);
    return await readFile(join(folder, 'main'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A zip with one file of code for Node. */
export const nodeZip = (source: string, more: Readonly<Record<string, Buffer>> = {}): Buffer =>
  zipOf({ 'index.mjs': source, ...more });
