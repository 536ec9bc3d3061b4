import type { HostPath } from '@slipway/base';
import { awsError } from '../aws/index.ts';
import type {
  EventInvokeConfig,
  FunctionCatalog,
  FunctionVersion,
  ResolvedFunction,
} from '../functions/index.ts';
import type { EventInvoker } from './acceptor.ts';

/** A version of a function that has no code: for tests of what invokes functions. */
export const testVersion = (name: string): FunctionVersion => ({
  name,
  version: '$LATEST',
  functionArn: `arn:aws:lambda:eu-central-1:000000000000:function:${name}`,
  accountId: '000000000000',
  region: 'eu-central-1',
  revisionId: '1',
  code: {
    packageType: 'Zip',
    runtime: 'nodejs24.x',
    folder: '/nowhere' as HostPath,
    sha256: '',
    sizeBytes: 0,
  },
  handler: 'index.handler',
  memoryMb: 128,
  timeoutMs: 3000,
  ephemeralStorageMb: 512,
  variables: {},
  layers: [],
  network: 'none',
  isolation: undefined,
  logging: { group: `/aws/lambda/${name}`, format: 'Text', applicationLevel: 'INFO', systemLevel: 'INFO' },
  sourceFolder: undefined,
});

/** A function of a test: what it answers, and what is configured for it. */
export interface TestFunction {
  readonly run?: (event: unknown, attempt: number) => unknown;
  readonly config?: Partial<EventInvokeConfig>;
  readonly reservedConcurrency?: number;
}

/** What ran. */
export interface TestRun {
  readonly functionName: string;
  readonly atMs: number;
  readonly event: unknown;
}

/**
 * Functions as JavaScript, in memory: a catalog of them and what invokes them. A `run` that throws an `awsError` refuses the
 * invocation; another error is the function's.
 */
export function testFunctions(functions: Record<string, TestFunction>, nowMs: () => number) {
  const runs: TestRun[] = [];
  const byName = new Map(Object.entries(functions));
  const catalog: Pick<FunctionCatalog, 'resolve' | 'reservedConcurrency' | 'eventInvokeConfig'> = {
    resolve: (reference, qualifier, region = 'us-east-1'): ResolvedFunction => {
      const name = reference.split(':function:').at(-1)?.split(':')[0] ?? '';
      if (!byName.has(name)) {
        const arn = `arn:aws:lambda:${region}:000000000000:function:${name}`;
        throw awsError('NotFound', 'ResourceNotFoundException', `Function not found: ${arn}`);
      }
      const version = testVersion(name);
      return { version, qualifier, invokedArn: version.functionArn };
    },
    reservedConcurrency: (name) => byName.get(name)?.reservedConcurrency,
    eventInvokeConfig: ({ version }) => ({
      maxRetries: 2,
      maxAgeSeconds: 21_600,
      onSuccess: undefined,
      onFailure: undefined,
      deadLetterTarget: undefined,
      ...byName.get(version.name)?.config,
    }),
  };
  const invoker = {
    invoke: async ({ target, payload }: { target: ResolvedFunction; payload: Uint8Array }) => {
      const { name } = target.version;
      const event: unknown = JSON.parse(Buffer.from(payload).toString());
      runs.push({ functionName: name, atMs: nowMs(), event });
      const answer = (value: unknown, functionError?: string) => ({
        executedVersion: '$LATEST',
        functionError,
        payload: Buffer.from(JSON.stringify(value ?? null)),
      });
      try {
        return answer(await byName.get(name)?.run?.(event, runs.length));
      } catch (error) {
        if (!(error instanceof Error) || 'code' in error) throw error;
        return answer({ errorType: error.name, errorMessage: error.message }, 'Unhandled');
      }
    },
  } satisfies EventInvoker;
  return { catalog, invoker, runs, functions: byName };
}
