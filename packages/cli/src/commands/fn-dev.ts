import { watch } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { SlipwayError } from '@slipway/base/errors';
import { text } from '../args/flags.ts';
import { type Context, defineCommand } from '../command.ts';
import { packCode } from '../functions/code.ts';
import { deploy } from '../functions/deploy.ts';
import { showLogs } from '../functions/logs.ts';
import { readManifest } from '../functions/manifest.ts';
import { manifestWith, SETTING_FLAGS } from '../functions/settings.ts';

/** Editors write a file in several steps. */
const SETTLE_MS = 50;
const SOURCE_TAG = 'slipway:source';

export default defineCommand({
  summary: 'Run a function from its folder while it is worked on',
  description:
    'Deploys it, lets the folder stand for its code, begins anew with each change, and shows its log, until Ctrl-C. Node and Python functions; what must be compiled is deployed.',
  arguments: { usage: '[DIR]', min: 0, max: 1, complete: 'file' },
  flags: {
    name: text("Name of the function (default that of function.json, or the folder's)"),
    ...SETTING_FLAGS,
  },
  examples: [['fn dev', 'then, in another terminal: slipway fn invoke hello']],
  async run(context, { flags, args }) {
    const { client, stderr } = context;
    const folder = resolve(args[0] ?? '.');
    const manifest = manifestWith(readManifest(folder), flags, context.env);
    const name = flags.name || manifest.name || basename(folder);
    const packed = await packCode(context, folder, manifest, { build: 'never', base: '' });
    const { runtime, handler, zip } = packed;
    if (runtime === undefined || handler === undefined) {
      throw new SlipwayError(
        'InvalidArgument',
        `cannot tell runtime and handler of ${folder}: say them in function.json`,
      );
    }
    const code = { ZipFile: zip.toString('base64') };
    await deploy(context, { name, code, role: flags.role, manifest: { ...manifest, runtime, handler } });
    await client.functions.tag(name, { [SOURCE_TAG]: folder });
    stderr.write(`${name} runs from ${folder}; Ctrl-C goes back to what was deployed\n`);
    const ending = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
    try {
      const logs = { follow: true, since: '0s', until: '', filter: '', tail: 'all', timestamps: false };
      await Promise.race([
        restartOnChange(context, name, folder, ending.signal),
        showLogs(context, name, logs, { signal: ending.signal }),
      ]);
    } catch (error) {
      if (!ending.signal.aborted) throw error;
    } finally {
      ending.abort();
      await client.functions.untag(name, [SOURCE_TAG]);
    }
  },
});

async function restartOnChange(
  { client, clock, stderr }: Context,
  name: string,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  let settling: Disposable | undefined;
  for await (const { filename } of watch(folder, { recursive: true, signal })) {
    settling?.[Symbol.dispose]();
    settling = clock.timer(SETTLE_MS, () => {
      stderr.write(`${filename ?? 'a file'} changed: the next call begins anew\n`);
      client.functions.endEnvironments(name).catch((error) => stderr.write(`${(error as Error).message}\n`));
    });
  }
}
