import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SlipwayError } from '@slipway/base/errors';

/** An event that is kept in a function's folder, and what it should come to. */
export interface SavedEvent {
  readonly name: string;
  readonly path: string;
  /** Undefined when nothing is kept. */
  expected(): unknown;
  save(answer: Buffer): void;
}

const FOLDER = 'events';
const EVENT = /^(.+)\.json$/;
const EXPECTED = '.expected.json';

/** The events of a folder, or those of these names. @throws NotFound when there is none */
export function readSavedEvents(folder: string, names: readonly string[]): SavedEvent[] {
  const root = join(folder, FOLDER);
  const files = existsSync(root) ? readdirSync(root).sort() : [];
  const found = files
    .filter((file) => EVENT.test(file) && !file.endsWith(EXPECTED))
    .map((file) => openEvent(root, EVENT.exec(file)?.[1] ?? ''));
  const missing = names.find((name) => !found.some((event) => event.name === name));
  if (missing !== undefined || found.length === 0) {
    const what = missing === undefined ? 'no events' : `no event "${missing}"`;
    throw new SlipwayError('NotFound', `there is ${what} in ${root}: keep one as ${join(root, 'NAME.json')}`);
  }
  return found.filter(({ name }) => names.length === 0 || names.includes(name));
}

function openEvent(root: string, name: string): SavedEvent {
  const expectedPath = join(root, `${name}${EXPECTED}`);
  return {
    name,
    path: join(root, `${name}.json`),
    expected: () => (existsSync(expectedPath) ? JSON.parse(readFileSync(expectedPath, 'utf8')) : undefined),
    save: (answer) =>
      writeFileSync(expectedPath, `${JSON.stringify(JSON.parse(answer.toString('utf8')), undefined, 2)}\n`),
  };
}
