import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage, hostPath, type Logger, SlipwayError } from '@slipway/base';
import { buildSpec } from '../spec/build-spec.ts';
import { minimalOptions } from '../spec/minimal.ts';
import type { Runtime } from '../task.ts';
import { fileStamp } from './discover.ts';
import type { OciDriver } from './oci-driver.ts';

interface ProofContext {
  readonly runRoot: string;
  readonly shimPath: string;
  readonly logger: Logger;
}

/**
 * The first of `names` that can run a container here. The proof is kept in the run root, so that it lasts until the machine
 * or the runtime's binary changes.
 * @throws FailedPrecondition when none can, with each one's own words
 */
export async function proveDefault(
  runtime: Runtime,
  drivers: ReadonlyMap<string, OciDriver>,
  names: readonly string[],
  context: ProofContext,
): Promise<string> {
  const proofPath = join(context.runRoot, 'proved');
  const failures: string[] = [];
  for (const name of names) {
    const driver = drivers.get(name);
    if (driver === undefined) {
      failures.push(`${name} is not installed`);
      continue;
    }
    const stamp = `${fileStamp(driver.path)} ${fileStamp(context.shimPath)}`;
    if (readProof(proofPath) === stamp) return name;
    try {
      await runOnce(runtime, name, context);
      writeFileSync(proofPath, stamp);
      return name;
    } catch (error) {
      context.logger.warn(
        { runtime: name, cause: errorMessage(error) },
        'this runtime cannot run containers here',
      );
      failures.push(`${name}: ${errorMessage(error)}`);
    }
  }
  throw new SlipwayError(
    'FailedPrecondition',
    `no OCI runtime can run a container on this host; install crun or runc (apt install crun). ${failures.join('; ')}`,
  );
}

/** The shim's binary is a static program that is always at hand; `true` is one of its verbs. */
async function runOnce(runtime: Runtime, name: string, { runRoot, shimPath }: ProofContext): Promise<void> {
  const id = `proof-${process.pid}-${name}`;
  const bundle = join(runRoot, id);
  const layer = join(bundle, 'layer');
  mkdirSync(layer, { recursive: true });
  try {
    copyFileSync(shimPath, join(layer, 'true'));
    const folders = ['upper', 'work'].map((folder) => join(bundle, folder)) as [string, string];
    for (const folder of folders) mkdirSync(folder);
    const rootfs = { lower: [layer], upper: folders[0], work: folders[1] };
    await using sandbox = await runtime.open({ id, bundle: hostPath(bundle), rootfs }, {});
    const spec = buildSpec(
      minimalOptions({
        id,
        rootfsPath: join(bundle, 'rootfs'),
        args: ['/true', 'true'],
        cgroupsPath: `/slipway/${id}`,
      }),
    );
    const task = await sandbox.start({ spec, runtime: name, stdin: false, log: undefined, attach: [] });
    const { exitCode } = await task.exited;
    await task.delete();
    if (exitCode !== 0) throw new SlipwayError('Internal', `the container ended with ${exitCode}`);
  } finally {
    rmSync(bundle, { recursive: true, force: true });
  }
}

function readProof(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
