import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { boolean, list, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { readManifest } from '../functions/manifest.ts';
import { summary } from '../functions/result.ts';
import { readSavedEvents, type SavedEvent } from '../functions/saved-events.ts';

export default defineCommand({
  summary: 'Run a function on its saved events',
  description:
    'Events are files events/NAME.json. Where there is a NAME.expected.json beside it, the answer must be that; otherwise the function must not fail. --save keeps the answers as what is expected from now on.',
  arguments: { usage: '[DIR]', min: 0, max: 1, complete: 'file' },
  flags: {
    function: text("The function (default that of function.json, or the folder's name)", {
      complete: 'function',
    }),
    event: list('Only this event', { value: 'name' }),
    save: boolean('Keep the answers as expected'),
    qualifier: text('A version or an alias'),
  },
  examples: [
    ['fn test', 'the function in this folder, as it is deployed'],
    ['fn test --event order --save', 'what it answers is right'],
  ],
  async run(context, { flags, args }) {
    const { client, stdout, stderr } = context;
    const folder = args[0] ?? '.';
    const name = flags.function || readManifest(folder).name || basename(resolve(folder));
    const events = readSavedEvents(folder, flags.event);
    let failed = 0;
    for (const event of events) {
      const invoked = await client.functions.invoke(name, readFileSync(event.path), {
        qualifier: flags.qualifier,
      });
      const problem = judge(event, invoked.functionError, invoked.payload);
      if (flags.save && invoked.functionError === undefined) event.save(invoked.payload);
      const isGood = problem === undefined || (flags.save && invoked.functionError === undefined);
      stdout.write(`${isGood ? 'ok  ' : 'FAIL'} ${event.name}: ${summary(invoked)}\n`);
      if (isGood) continue;
      failed += 1;
      stderr.write(`${problem}\n${invoked.logTail}`);
    }
    stdout.write(`${events.length - failed} passed, ${failed} failed\n`);
    if (failed > 0) throw new ExitError(1);
  },
});

/** What is wrong with an answer; undefined when nothing is. */
function judge(event: SavedEvent, functionError: string | undefined, payload: Buffer): string | undefined {
  const answer = payload.toString('utf8');
  if (functionError !== undefined) return `  it failed: ${answer}`;
  const expected = event.expected();
  if (expected === undefined || isDeepStrictEqual(expected, parse(answer))) return undefined;
  return `  expected ${JSON.stringify(expected)}\n  answered ${answer}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
