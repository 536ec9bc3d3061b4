import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Clock, hostPath, silentLogger, systemClock, systemRandom } from '@slipway/base';
import { type Digest, formatDigest, type ImageId } from '@slipway/oci';
import { openStore } from '@slipway/store';
import type { AwsCall } from '../aws/index.ts';
import { type FoundImage, ImageFailure, type ImageSource } from './code/image-source.ts';
import { zipOf } from './code/testing.ts';
import { type FunctionLimits, LAMBDA_LIMITS } from './limits.ts';
import { keptZips } from './records.ts';
import { type Functions, type FunctionsOptions, openFunctions } from './service.ts';

export const ROLE = 'arn:aws:iam::000000000000:role/lambda';

/** A call over the TCP door by an administrator. */
export const CALL: AwsCall = {
  accountId: '000000000000',
  region: 'eu-central-1',
  host: 'localhost:4566',
  requestId: '00000000-0000-4000-8000-000000000000',
  caller: { kind: 'account', name: 'admin', isAdmin: true },
  signal: new AbortController().signal,
};

/** Images in memory: those that are here, and those that a registry has, which come when `arrive` is called. */
export class MemoryImages implements ImageSource {
  readonly #here = new Map<string, FoundImage>();
  readonly #waiting = new Map<string, PromiseWithResolvers<FoundImage>>();

  add(uri: string): FoundImage {
    const hex = Buffer.from(uri).toString('hex').padEnd(64, '0').slice(0, 64);
    const image = { id: formatDigest(hex) as ImageId, manifest: formatDigest(hex) as Digest };
    this.#here.set(uri, image);
    this.#waiting.get(uri)?.resolve(image);
    return image;
  }

  /** A pull of it fails, now or once somebody asks. */
  refuse(uri: string): void {
    this.#pull(uri).reject(
      new ImageFailure({ code: 'ImageAccessDenied', text: `Source image ${uri}: denied` }, {}),
    );
  }

  find(uri: string): FoundImage | undefined {
    return this.#here.get(uri);
  }

  check(): void {}

  async pull(uri: string, { signal }: { readonly signal: AbortSignal }): Promise<FoundImage> {
    const { promise, reject } = this.#pull(uri);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    return await promise;
  }

  #pull(uri: string): PromiseWithResolvers<FoundImage> {
    const pull = this.#waiting.get(uri) ?? Promise.withResolvers<FoundImage>();
    pull.promise.catch(() => {});
    this.#waiting.set(uri, pull);
    return pull;
  }
}

/** The system's clock, whose timers run when the test says so. */
export function steppedClock(): { clock: Clock; runTimers: () => void } {
  const timers = new Set<() => void>();
  return {
    clock: {
      nowMs: () => systemClock.nowMs(),
      nowNs: () => systemClock.nowNs(),
      monotonicMs: () => systemClock.monotonicMs(),
      sleep: (ms, options) => systemClock.sleep(ms, options),
      interval: (ms, run) => systemClock.interval(ms, run),
      timer(_ms, run) {
        timers.add(run);
        return { [Symbol.dispose]: () => void timers.delete(run) };
      },
    },
    runTimers() {
      for (const run of timers) {
        timers.delete(run);
        run();
      }
    },
  };
}

export interface TestFunctions extends AsyncDisposable {
  readonly functions: Functions;
  readonly root: string;
  readonly images: MemoryImages;
  readonly runTimers: () => void;
  /** Runs an operation by its name, as the wire layer does. */
  call<Output = Record<string, never>>(name: string, input: object, call?: Partial<AwsCall>): Promise<Output>;
  /** Waits until nothing of a function is under way. */
  settled(name: string): Promise<void>;
}

export interface TestOptions
  extends Partial<Pick<FunctionsOptions, 'codeRoot' | 'runtimes' | 'random' | 'prepareRuntime'>> {
  /** Of an earlier one, to open its records again; otherwise a folder that the test's end removes. */
  readonly root?: string;
  readonly images?: MemoryImages;
  readonly limits?: Partial<FunctionLimits>;
}

/** Functions over a store of their own. */
export async function openTestFunctions(
  t: TestContext,
  { root: given, images = new MemoryImages(), limits = {}, ...options }: TestOptions = {},
): Promise<TestFunctions> {
  const root = given ?? (await mkdtemp(join(tmpdir(), 'slipway-fns-')));
  if (given === undefined) t.after(() => rm(root, { recursive: true, force: true }));
  const { clock, runTimers } = steppedClock();
  const logger = silentLogger;
  const random = systemRandom;
  const store = await openStore({ root, clock, random, logger });
  const functions = await openFunctions({
    store,
    images,
    clock,
    random,
    logger,
    root: hostPath(join(root, 'functions')),
    accountId: CALL.accountId,
    limits: { ...LAMBDA_LIMITS, ...limits },
    runtimes: ['nodejs22.x', 'python3.11'],
    prepareRuntime: async () => {},
    architecture: 'x86_64',
    isolations: ['crun', 'runc'],
    codeRoot: undefined,
    port: 4566,
    collectStore: () => store.collectGarbage({ roots: () => ({ blobsAlone: keptZips(store.database) }) }),
    ...options,
  });
  const operations = new Map(functions.operations.map(({ name, run }) => [name, run]));
  const call = async <Output>(
    name: string,
    input: object,
    changes: Partial<AwsCall> = {},
  ): Promise<Output> => {
    const run = operations.get(name);
    if (run === undefined) throw new Error(`there is no operation ${name}`);
    return (await run(input, { ...CALL, ...changes })) as Output;
  };
  let isOpen = true;
  const opened: TestFunctions = {
    functions,
    root,
    images,
    runTimers,
    call,
    async settled(name) {
      for (;;) {
        const { State, LastUpdateStatus } = await call<Record<string, string>>('GetFunctionConfiguration', {
          FunctionName: name,
        });
        if (State !== 'Pending' && LastUpdateStatus !== 'InProgress') return;
        await systemClock.sleep(5);
      }
    },
    async [Symbol.asyncDispose]() {
      if (!isOpen) return;
      isOpen = false;
      await functions[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
  t.after(() => opened[Symbol.asyncDispose]());
  return opened;
}

/** A package of one Node file. */
export const nodeZip = (text = 'exports.handler = async () => 1'): Buffer =>
  zipOf([{ name: 'index.js', content: text }]);

/** What CreateFunction needs at least. */
export const newFunction = (name: string, changes: object = {}) => ({
  FunctionName: name,
  Role: ROLE,
  Runtime: 'nodejs22.x',
  Handler: 'index.handler',
  Code: { ZipFile: nodeZip() },
  ...changes,
});
