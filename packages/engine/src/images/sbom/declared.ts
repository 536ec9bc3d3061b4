import { parseFields } from './fields.ts';
import { fromDebianLicense } from './license.ts';
import type { DeclaredPackage } from './package.ts';

/** What dpkg has installed. A file of `status.d` has no state: there the package is. */
export function* parseDpkg(text: string): Generator<DeclaredPackage> {
  for (const fields of parseFields(text)) {
    const get = (name: string) => fields.get(name)?.[0];
    const [name, version, status] = [get('package'), get('version'), get('status')];
    if (!name || !version || (status !== undefined && !/\sinstalled$/.test(status))) continue;
    const description = get('description')?.split('\n', 1)[0];
    yield { type: 'deb', name, version, architecture: get('architecture'), licenses: [], description };
  }
}

/** The licences that a Debian copyright file names, when it is one for machines. @see https://dep-team.pages.debian.net/deps/dep5/ */
export function parseCopyright(text: string): string[] {
  if (!/^Format:/i.test(text)) return [];
  const names = new Set<string>();
  for (const fields of parseFields(text)) {
    const name = fields.get('license')?.[0]?.split('\n', 1)[0]?.trim();
    if (name) names.add(fromDebianLicense(name));
  }
  return [...names].sort();
}

/** What apk has installed. @see https://wiki.alpinelinux.org/wiki/Apk_spec */
export function* parseApk(text: string): Generator<DeclaredPackage> {
  for (const record of text.split(/\n\s*\n/)) {
    const fields = new Map(
      [...record.matchAll(/^([A-Za-z]):(.*)$/gm)].map(([, key = '', value = '']) => [key, value.trim()]),
    );
    const [name, version] = [fields.get('P'), fields.get('V')];
    if (!name || !version) continue;
    yield {
      type: 'apk',
      name,
      version,
      architecture: fields.get('A'),
      licenses: [fields.get('L')].filter((license) => license !== undefined && license !== '') as string[],
      description: fields.get('T'),
    };
  }
}

/** A package of `node_modules`; undefined for one without name and version, which is a part of another. @throws SyntaxError */
export function parseNpm(text: string): DeclaredPackage | undefined {
  const manifest = JSON.parse(text) as Record<string, unknown> | null;
  const { name, version, description } = manifest ?? {};
  if (typeof name !== 'string' || typeof version !== 'string' || name === '' || version === '')
    return undefined;
  const [, namespace, bare = name] = /^(@[^/]+)\/(.+)$/.exec(name) ?? [];
  return {
    type: 'npm',
    namespace,
    name: bare,
    version,
    licenses: [manifest?.license, manifest?.licenses].flat().flatMap(npmLicense),
    description: typeof description === 'string' ? description : undefined,
  };
}

/** Long ago a licence was an object, or several. */
function npmLicense(license: unknown): string[] {
  const text = typeof license === 'object' && license !== null && 'type' in license ? license.type : license;
  return typeof text === 'string' && text.trim() !== '' ? [text.trim()] : [];
}

const LONGEST_LICENSE = 200;

/** An installed Python distribution. @see https://packaging.python.org/en/latest/specifications/core-metadata/ */
export function parsePypi(text: string): DeclaredPackage | undefined {
  const [fields] = parseFields(text);
  const get = (name: string) => fields?.get(name)?.[0]?.trim();
  const [name, version] = [get('name'), get('version')];
  if (!name || !version) return undefined;
  return { type: 'pypi', name, version, licenses: pypiLicenses(fields), description: get('summary') };
}

function pypiLicenses(fields: ReadonlyMap<string, readonly string[]> | undefined): string[] {
  const expression = fields?.get('license-expression')?.[0]?.trim();
  if (expression) return [expression];
  const classified = (fields?.get('classifier') ?? []).flatMap((classifier) => {
    const parts = classifier.split('::').map((part) => part.trim());
    const last = parts.at(-1) ?? '';
    return parts[0] === 'License' && last !== 'OSI Approved' ? [last] : [];
  });
  const license = fields?.get('license')?.[0]?.trim();
  // Some have the licence's whole text there.
  if (!license || license === 'UNKNOWN' || license.includes('\n') || license.length > LONGEST_LICENSE) {
    return classified;
  }
  return [license];
}
