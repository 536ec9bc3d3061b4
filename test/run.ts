/**
 * Runs the tests in parts, and says while it works what takes how long:
 * `check` (types, lint, architecture), `unit` (beside the code), `integration` (real clients against real
 * daemons), `conformance` (specifications, against daemons), `e2e` (script/run). Without a part, all of them. A last
 * argument that is no part is a pattern: only files whose path holds it, and `NAME:TEXT` only tests whose name holds
 * TEXT. A pattern that nothing matches is a failure.
 */
import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { run } from 'node:test';

const root = new URL('..', import.meta.url).pathname;
const PARTS = ['check', 'unit', 'integration', 'conformance', 'e2e'] as const;
type Part = (typeof PARTS)[number];

/** Where the tests of each part are. */
const GLOBS: Readonly<Record<Part, string>> = {
  check: 'test/architecture/**/*.test.ts',
  unit: 'packages/*/src/**/*.test.ts',
  integration: 'test/integration/**/*.test.ts',
  conformance: 'test/conformance/**/*.test.ts',
  e2e: 'test/e2e/**/*.test.ts',
};

/** A test or a suite, and its name where that is written down. Methods are others', as a regular expression's. */
const TEST = /(?<![.\w])(?:test|it|describe)(?:\.\w+)?\(\s*(?:(['"`])((?:\\.|(?!\1)[^\\])*)\1)?/g;

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  readonly failures: string[];
}

const tally: Tally = { passed: 0, failed: 0, skipped: 0, failures: [] };
const startedAtMs = performance.now();
const { parts, pattern } = parseArguments(process.argv.slice(2));
const [filePattern = '', namePattern] = (pattern ?? '').split(/:(.*)/s);
/** Tests that ran, with those that were skipped. */
let testCount = 0;

const stopped = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopped.abort());

process.chdir(root);
if (pattern !== undefined && parts.every((part) => select(part).length === 0)) {
  process.stderr.write(`${describePattern()}\n`);
  process.exit(1);
}
for (const part of parts) if (!stopped.signal.aborted) await runPart(part);
if (namePattern !== undefined && testCount === 0) record('failed', describePattern());
printSummary();
process.exit(tally.failed === 0 && !stopped.signal.aborted ? 0 : 1);

function parseArguments(words: readonly string[]): { parts: readonly Part[]; pattern: string | undefined } {
  const named = words.filter((word): word is Part => (PARTS as readonly string[]).includes(word));
  const others = words.filter((word) => !(named as string[]).includes(word));
  if (others.length > 1 || others[0]?.startsWith('-') === true) {
    process.stderr.write(`usage: script/test [${PARTS.join('|')}]... [pattern]\n`);
    process.exit(2);
  }
  return { parts: named.length === 0 ? PARTS : named, pattern: others[0] };
}

async function runPart(part: Part): Promise<void> {
  switch (part) {
    case 'check':
      await runTool('types', ['npx', 'tsc', '--noEmit', '-p', '.']);
      await runTool('lint and format', ['npx', 'biome', 'check', '--error-on-warnings', '.']);
      return runTests(part, { concurrency: 1 });
    case 'unit':
      return runTests(part, { concurrency: 2 });
    case 'integration':
      await runTool('peers', ['script/peers']);
      // Two dockerds at once fight over the host's rules.
      return runTests(part, {
        concurrency: process.env.SLIPWAY_TEST_ENGINE === 'dockerd' ? 1 : 2,
      });
    case 'conformance':
      return runTests(part, { concurrency: 2 });
    case 'e2e':
      return runTests(part, { concurrency: 1 });
  }
}

/** A program that passes or fails as a whole; what it printed is shown when it fails. */
async function runTool(name: string, [command = '', ...args]: readonly string[]): Promise<void> {
  const toolStartedAtMs = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
  const code = await new Promise<number>((resolve) => {
    child.on('error', (error) => output.push(Buffer.from(`${error.message}\n`)) && resolve(127));
    child.on('close', (exitCode) => resolve(exitCode ?? 1));
  });
  record(code === 0 ? 'passed' : 'failed', `${name}: ${[command, ...args].join(' ')}`);
  printLine(code === 0 ? 'ok' : 'FAILED', name, performance.now() - toolStartedAtMs);
  if (code !== 0) process.stdout.write(indent(Buffer.concat(output).toString()));
}

/** A part's files that the pattern means. */
function select(part: Part): string[] {
  return globSync(GLOBS[part])
    .filter((path) => path.includes(filePattern))
    .filter((path) => namePattern === undefined || mayName(readFileSync(path, 'utf8'), namePattern))
    .sort();
}

/**
 * Whether a test of this source may hold `text` in its name, or in that of its suite. A file without any is not run: it
 * would start its daemon for nothing, and one that is started within a suite that is left out is never stopped.
 */
function mayName(source: string, text: string): boolean {
  return [...source.matchAll(TEST)].some(([, quote, name]) => {
    const isKnown = name !== undefined && !(quote === '`' && name.includes('${'));
    return !isKnown || name.replace(/\\(.)/g, '$1').includes(text);
  });
}

function describePattern(): string {
  const where = `${parts.join(', ')}: no file with "${filePattern}" in its path`;
  return namePattern === undefined ? where : `${where} has a test with "${namePattern}" in its name`;
}

async function runTests(part: Part, { concurrency }: { concurrency: number }): Promise<void> {
  const files = select(part);
  if (files.length === 0) return;
  process.stdout.write(`\n${part === 'check' ? 'architecture' : part}: ${files.length} files\n`);
  const problemsOf = new Map<string, string[]>();
  const events = run({
    files,
    concurrency,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    timeout: 240_000,
    signal: stopped.signal,
    ...(namePattern === undefined ? {} : { testNamePatterns: [escapeRegExp(namePattern)] }),
  });
  for await (const { type, data } of events as AsyncIterable<{ type: string; data: TestEventData }>) {
    const file = relative(root, data.file ?? '');
    if (type === 'test:stderr' || type === 'test:stdout') remember(problemsOf, file, data.message ?? '');
    if (type === 'test:pass' && isLeaf(data))
      record(data.skip === undefined ? 'passed' : 'skipped', data.name ?? '');
    if (type === 'test:fail' && isOwnFailure(data)) {
      record('failed', `${file}: ${data.name}`);
      const problem = `\n✖ ${data.name} (line ${data.line})\n${describeError(data.details?.error)}\n`;
      // A hook's failure is reported for the file that registered it, which may be a helper's.
      if (files.includes(file)) remember(problemsOf, file, problem);
      else process.stdout.write(indent(problem));
    }
    if (type === 'test:summary' && data.file !== undefined) {
      const ok = data.success === true;
      testCount += data.counts?.tests ?? 0;
      const counts = `${data.counts?.passed ?? 0}/${data.counts?.tests ?? 0}`;
      printLine(ok ? 'ok' : 'FAILED', `${file} ${counts}`, data.duration_ms ?? 0);
      if (!ok) process.stdout.write(indent((problemsOf.get(file) ?? []).join('')));
      problemsOf.delete(file);
    }
  }
  // A file that ended before its tests did has no summary.
  for (const [file, problems] of problemsOf) {
    printLine('FAILED', file, 0);
    process.stdout.write(indent(problems.join('')));
  }
}

interface TestEventData {
  readonly file?: string;
  readonly name?: string;
  readonly line?: number;
  readonly message?: string;
  readonly skip?: string | boolean;
  readonly success?: boolean;
  readonly duration_ms?: number;
  readonly counts?: { readonly tests: number; readonly passed: number };
  readonly details?: { readonly type?: string; readonly error?: Error };
}

function isLeaf(data: TestEventData): boolean {
  return data.details?.type !== 'suite';
}

/** A suite, or a file, that failed only because a test in it did, says nothing new. */
function isOwnFailure(data: TestEventData): boolean {
  const failureType = (data.details?.error as { failureType?: string } | undefined)?.failureType;
  return failureType !== 'subtestsFailed';
}

function describeError(error: Error | undefined): string {
  const cause = error?.cause;
  if (cause instanceof Error) return cause.stack ?? cause.message;
  return typeof cause === 'string' ? cause : (error?.stack ?? 'no reason given');
}

function record(outcome: 'passed' | 'failed' | 'skipped', what: string): void {
  tally[outcome] += 1;
  if (outcome === 'failed') tally.failures.push(what);
}

function remember(lines: Map<string, string[]>, file: string, text: string): void {
  const known = lines.get(file);
  if (known === undefined) lines.set(file, [text]);
  else known.push(text);
}

function printLine(verdict: string, what: string, durationMs: number): void {
  const total = ((performance.now() - startedAtMs) / 1000).toFixed(0).padStart(4);
  process.stdout.write(`${total}s  ${verdict.padEnd(6)} ${what} (${(durationMs / 1000).toFixed(1)} s)\n`);
}

function printSummary(): void {
  const minutes = ((performance.now() - startedAtMs) / 60_000).toFixed(1);
  if (tally.failures.length > 0) process.stdout.write(`\nfailed:\n${indent(tally.failures.join('\n'))}\n`);
  const skipped = tally.skipped === 0 ? '' : `, ${tally.skipped} skipped`;
  process.stdout.write(`\n${tally.passed} passed, ${tally.failed} failed${skipped} in ${minutes} min\n`);
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '    ');
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
