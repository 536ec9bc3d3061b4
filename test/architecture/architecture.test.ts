import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { packageImports, sliceImports } from '../../architecture.ts';
import {
  checkoutRoot,
  isTest,
  readSourceFiles,
  readTypeScriptFiles,
  type SourceFile,
  type TypeScriptFile,
  withoutComments,
} from './source-files.ts';

const files = readSourceFiles();
const filesByPath = new Map(files.map((file) => [file.path, file]));

interface PackageManifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const manifests = new Map(
  readdirSync(join(checkoutRoot, 'packages')).map((name) => [
    name,
    JSON.parse(readFileSync(join(checkoutRoot, 'packages', name, 'package.json'), 'utf8')) as PackageManifest,
  ]),
);

test('every package stands in architecture.ts, and nothing else does', () => {
  assert.deepEqual([...manifests.keys()].sort(), Object.keys(packageImports).sort());
});

test('a package imports only the packages that architecture.ts grants it', () => {
  const offences = files.flatMap((file) =>
    slipwayImports(file)
      .filter(
        (imported) => imported !== file.packageName && !packageImports[file.packageName]?.includes(imported),
      )
      .filter((imported) => !(isTest(file) && devDependency(file.packageName, `@slipway/${imported}`)))
      .map((imported) => `${file.path} imports @slipway/${imported}`),
  );
  assert.deepEqual(offences, []);
});

test('a package lists in its package.json every package it imports', () => {
  const offences = files
    .filter((file) => !isTest(file))
    .flatMap((file) =>
      file.imports
        .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
        .map(packageOf)
        .filter((name) => name !== manifests.get(file.packageName)?.name)
        .filter((name) => manifests.get(file.packageName)?.dependencies?.[name] === undefined)
        .filter((name) => !(isTypeOnly(file, name) && devDependency(file.packageName, name)))
        .map((name) => `${file.path} imports ${name}`),
    );
  assert.deepEqual(offences, []);
});

test('a relative import names an existing .ts file of the same package', () => {
  const offences = files.flatMap((file) =>
    file.imports
      .filter((specifier) => specifier.startsWith('.') && !/\.(json|py)$/.test(specifier))
      .filter((specifier) => {
        const target = resolveRelative(file, specifier);
        return !filesByPath.has(target) || filesByPath.get(target)?.packageName !== file.packageName;
      })
      .map((specifier) => `${file.path} imports ${specifier}`),
  );
  assert.deepEqual(offences, []);
});

test('a slice is entered through its index.ts alone, and by tests through its testing.ts, and only by the slices that architecture.ts names', () => {
  const offences = files.flatMap((file) => {
    const from = sliceOf(file.path);
    if (from === undefined) return [];
    return file.imports.flatMap((specifier) => {
      const into = importedSlice(file, specifier);
      if (into === undefined || into.slice === from) return [];
      if (into.door && mayEnter(from, into.slice)) return [];
      return [`${file.path} imports ${specifier}`];
    });
  });
  assert.deepEqual(offences, []);
});

test('every slice has the same files', () => {
  const slices = [
    ...new Set(files.map((file) => sliceFolder(file.path)).filter((folder) => folder !== undefined)),
  ];
  const missing = slices
    .filter((folder) => folder.startsWith('packages/engine/') && !folder.endsWith('/events'))
    .flatMap((folder) =>
      ['index.ts', 'routes.ts', 'service.ts', 'records.ts', 'README.md']
        .filter((name) => !(folder.endsWith('/system') && name === 'records.ts'))
        .map((name) => `${folder}/${name}`),
    )
    .filter((path) => !existsSync(join(checkoutRoot, path)));
  assert.deepEqual(missing, []);
});

test('no file imports itself through others, types included', () => {
  assert.deepEqual(findCycles([...files, ...['bench', 'test'].flatMap(readTypeScriptFiles)]), []);
});

const BANS = [
  { what: /\bDate\.now\(|\bnew Date\(\s*\)/, instead: 'the injected Clock', allowed: /^packages\/base\// },
  {
    what: /(?<![.\w])set(?:Timeout|Interval)\(/,
    instead: 'the injected Clock',
    allowed: /^packages\/base\//,
  },
  { what: /\bMath\.random\(/, instead: 'the injected Random', allowed: /^packages\/base\// },
  {
    what: /\bprocess\.env\b/,
    instead: 'a value handed in by main.ts',
    allowed: /^packages\/(?:daemon|cli)\/src\/main\.ts$/,
  },
  { what: /\bconsole\.\w+\(/, instead: 'the injected Logger', allowed: /^packages\/cli\// },
  {
    what: /\bfrom 'node:timers(?:\/promises)?'/,
    instead: 'the injected Clock',
    allowed: /^packages\/base\//,
  },
] as const;

test('the outside world comes in through main.ts and base only', () => {
  const offences = files
    .filter((file) => !isTest(file))
    .flatMap((file) =>
      BANS.filter(({ allowed }) => !allowed.test(file.path)).flatMap(({ what, instead }) =>
        withoutComments(file.text)
          .split('\n')
          .flatMap((line, index) =>
            what.test(line) ? [`${file.path}:${index + 1}: use ${instead}: ${line.trim()}`] : [],
          ),
      ),
    );
  assert.deepEqual(offences, []);
});

test('files and folders are named in kebab-case', () => {
  const offences = files
    .filter((file) => !/^[a-z0-9/-]+(?:\.[a-z0-9-]+)*\.ts$/.test(file.path))
    .map((file) => file.path);
  assert.deepEqual(offences, []);
});

function slipwayImports(file: SourceFile): string[] {
  return file.imports.flatMap((specifier) => /^@slipway\/([^/]+)/.exec(specifier)?.[1] ?? []);
}

/** Types leave nothing behind when the program runs. */
function isTypeOnly(file: SourceFile, name: string): boolean {
  const escaped = name.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  const all = file.text.match(new RegExp(`\\bfrom '${escaped}`, 'g')) ?? [];
  const types = file.text.match(new RegExp(`^import type [^;]*?\\bfrom '${escaped}`, 'gm')) ?? [];
  return all.length === types.length;
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? `${parts[0]}/${parts[1]}` : (parts[0] ?? specifier);
}

function devDependency(packageName: string, dependency: string): boolean {
  const manifest = manifests.get(packageName) as { devDependencies?: Record<string, string> } | undefined;
  return manifest?.devDependencies?.[dependency] !== undefined;
}

function resolveRelative(file: TypeScriptFile, specifier: string): string {
  return normalize(join(dirname(file.path), specifier));
}

function sliceFolder(path: string): string | undefined {
  return /^packages\/(?:(?:engine|serverless)\/src\/[^/]+|daemon\/src\/system)(?=\/)/.exec(path)?.[0];
}

/** `system` reads all of them. */
function mayEnter(from: string, slice: string): boolean {
  return from === 'system' || sliceImports[from]?.includes(slice) === true;
}

function sliceOf(path: string): string | undefined {
  return sliceFolder(path)?.split('/').at(-1);
}

function importedSlice(file: SourceFile, specifier: string): { slice: string; door: boolean } | undefined {
  const byName = /^@slipway\/(?:engine|serverless)\/(.+)$/.exec(specifier)?.[1];
  if (byName !== undefined) return { slice: byName, door: true };
  if (!specifier.startsWith('.')) return undefined;
  const target = resolveRelative(file, specifier);
  const slice = sliceOf(target);
  if (slice === undefined) return undefined;
  const isForTests = isTest(file) || file.path.endsWith('/testing.ts');
  const doors = isForTests ? ['index.ts', 'testing.ts'] : ['index.ts'];
  return { slice, door: doors.some((door) => target === `${sliceFolder(target)}/${door}`) };
}

/** What a specifier leads to, as a file of ours; undefined for what comes from outside. */
function resolveImport(file: TypeScriptFile, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return resolveRelative(file, specifier);
  const [, packageName, subpath] = /^@slipway\/([^/]+)(.*)$/.exec(specifier) ?? [];
  if (packageName === undefined) return undefined;
  const target = manifests.get(packageName)?.exports?.[`.${subpath}`];
  return target === undefined ? undefined : normalize(join('packages', packageName, target));
}

function findCycles(files: readonly TypeScriptFile[]): string[] {
  const filesByPath = new Map(files.map((file) => [file.path, file]));
  const cycles: string[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): void => {
    if (done.has(path)) return;
    const start = trail.indexOf(path);
    if (start >= 0) {
      cycles.push([...trail.slice(start), path].join(' -> '));
      return;
    }
    const file = filesByPath.get(path);
    if (file === undefined) return;
    trail.push(path);
    for (const specifier of file.imports) {
      const target = resolveImport(file, specifier);
      if (target !== undefined) visit(target);
    }
    trail.pop();
    done.add(path);
  };
  for (const file of files) visit(file.path);
  return cycles;
}
