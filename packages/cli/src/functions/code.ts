import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SlipwayError } from '@slipway/base/errors';
import type { Context } from '../command.ts';
import { writeFunctionZip } from '../package/function-zip.ts';
import type { FunctionPlan, PackagePlan } from '../package/plan.ts';
import { COMMON_IGNORE } from '../package/plan.ts';
import { readProject } from '../package/project.ts';
import { findPlan } from '../package/recognise.ts';
import { zipFolder } from '../package/zip.ts';
import { MANIFEST, type Manifest } from './manifest.ts';

/** A function's code as it is uploaded, and what it showed of itself. */
export interface PackedCode {
  readonly zip: Buffer;
  readonly runtime: string | undefined;
  readonly handler: string | undefined;
  /** How it was packed, for people. */
  readonly how: string;
}

/** Of a folder, what belongs to the work on a function and not to it. */
const NOT_CODE: ReadonlySet<string> = new Set([
  MANIFEST,
  'events',
  '.git',
  '.gitignore',
  '.dockerignore',
  '.env',
  '.venv',
]);

/**
 * Packs a folder. What needs no build, or brings its dependencies (`node_modules`), is packed as it is; what names
 * dependencies that are not there, or must be compiled, is built by the engine first, as `slipway package --zip` does.
 */
export async function packCode(
  context: Context,
  folder: string,
  manifest: Manifest,
  options: { readonly build: 'auto' | 'always' | 'never'; readonly base: string },
): Promise<PackedCode> {
  const plan = findPlan(readProject(folder), { base: options.base, entry: '', isFunction: true });
  const found = {
    runtime: manifest.runtime ?? plan?.functionPlan?.runtime,
    handler: manifest.handler ?? plan?.functionPlan?.handler,
  };
  const needsBuild = options.build === 'always' || (options.build === 'auto' && mustBuild(folder, plan));
  if (!needsBuild) return { ...found, zip: await zipAsIs(folder), how: 'as it is' };
  if (plan?.functionPlan === undefined) {
    throw new SlipwayError(
      'InvalidArgument',
      `cannot tell how to build a function of ${folder}: build it yourself and deploy with --zip FILE, or --no-build to pack the folder as it is`,
    );
  }
  return {
    ...found,
    zip: await build(context, folder, plan, plan.functionPlan),
    how: `built as ${plan.kind}`,
  };
}

function mustBuild(folder: string, plan: PackagePlan | undefined): boolean {
  if (plan?.functionPlan === undefined) return false;
  const has = (name: string): boolean => existsSync(join(folder, name));
  if (/^(?:Go|Java)/.test(plan.kind)) return !has('bootstrap');
  const { runtime } = plan.functionPlan;
  if (runtime.startsWith('nodejs')) {
    const { dependencies = {}, scripts = {} } = packageJson(folder);
    return scripts['build'] !== undefined || (Object.keys(dependencies).length > 0 && !has('node_modules'));
  }
  return ['requirements.txt', 'pyproject.toml', 'Pipfile', 'poetry.lock', 'uv.lock'].some(has);
}

function packageJson(folder: string): { dependencies?: object; scripts?: Record<string, string> } {
  const text = readProject(folder).text('package.json');
  return text === undefined ? {} : (JSON.parse(text) as ReturnType<typeof packageJson>);
}

async function zipAsIs(folder: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of zipFolder(folder, (path) => !NOT_CODE.has(path.split('/')[0] ?? '')))
    chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function build(
  context: Context,
  folder: string,
  plan: PackagePlan,
  { dockerfile }: FunctionPlan,
): Promise<Buffer> {
  const scratch = await mkdtemp(join(tmpdir(), 'slipway-code-'));
  try {
    const path = join(scratch, 'code.zip');
    const ignore = [...COMMON_IGNORE, ...plan.ignore, MANIFEST, 'events'];
    await writeFunctionZip(
      context,
      {
        directory: folder,
        dockerfile,
        ignore: `${ignore.join('\n')}\n`,
        noCache: false,
        pull: false,
        quiet: false,
      },
      path,
    );
    return await readFile(path);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
