import { errorMessage } from '@slipway/base';
import type { DiffId } from '@slipway/oci';
import { PackageURL } from 'packageurl-js';
import { parseApk, parseCopyright, parseDpkg, parseNpm, parsePypi } from './declared.ts';
import { parseAssignments } from './fields.ts';
import { type MergedFile, mergedFiles, readLayerFile, type UnpackedLayer } from './merged-files.ts';
import type { DeclaredPackage, FoundPackage, Inventory, OperatingSystem } from './package.ts';

const DATABASE_BYTES = 32 << 20;
const DOCUMENT_BYTES = 4 << 20;
const MOST_PACKAGES = 200_000;
const MOST_UNREAD = 1_000;
/** Of a name with its version, of a description, of a licence: images may be hostile. */
const LONGEST_TEXT = 1_000;

type Kind = 'dpkg' | 'apk' | 'npm' | 'pypi' | 'system' | 'copyright';

/** What tells of packages, by its path. */
const KINDS: readonly (readonly [Kind, RegExp])[] = [
  ['dpkg', /^var\/lib\/dpkg\/status(?:\.d\/[^/]+(?<!\.md5sums))?$/],
  ['apk', /^(?:usr\/)?lib\/apk\/db\/installed$/],
  ['npm', /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@.][^/]*\/package\.json$/],
  ['pypi', /\.(?:dist-info\/METADATA|egg-info\/PKG-INFO)$/],
  ['system', /^(?:etc|usr\/lib)\/os-release$/],
  ['copyright', /^usr\/share\/doc\/[^/]+\/copyright$/],
];

type Packages = Map<string, FoundPackage & { readonly locations: FoundPackage['locations'][number][] }>;

const kindOf = (path: string): Kind | undefined => KINDS.find(([, pattern]) => pattern.test(path))?.[0];

interface Declaration {
  readonly declared: DeclaredPackage;
  readonly path: string;
  readonly diffId: DiffId;
}

/** What a walk over an image gathers before it is put together. */
interface Gathered {
  readonly declarations: Declaration[];
  readonly systems: Map<string, OperatingSystem>;
  /** By the package that the copyright file is of. */
  readonly licenses: Map<string, readonly string[]>;
  readonly unread: string[];
}

/**
 * What the layers, top first, hold together. A package is the layer's that brought it, not the layer's that wrote its
 * manager's list last.
 */
export async function takeInventory(
  layers: readonly UnpackedLayer[],
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Inventory> {
  const gathered: Gathered = { declarations: [], systems: new Map(), licenses: new Map(), unread: [] };
  for await (const file of mergedFiles(layers, (path) => kindOf(path) !== undefined, options)) {
    try {
      await readFile(file, gathered);
    } catch (error) {
      // One package's bad file says nothing of the others.
      if (!(error instanceof SyntaxError)) throw error;
      note(gathered.unread, `/${file.path}: ${errorMessage(error)}`);
    }
    if (gathered.declarations.length > MOST_PACKAGES) {
      note(gathered.unread, `/: more than ${MOST_PACKAGES} packages; the others are left out`);
      break;
    }
  }
  const { systems, licenses, unread } = gathered;
  const system = systems.get('etc/os-release') ?? systems.get('usr/lib/os-release');
  const packages: Packages = new Map();
  for (const declaration of gathered.declarations) {
    addPackage(packages, declaration, { system, licenses, unread });
  }
  return {
    system,
    packages: [...packages.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1)),
    unread: unread.sort(),
  };
}

async function readFile(file: MergedFile, gathered: Gathered): Promise<void> {
  const { path, layers } = file;
  const kind = kindOf(path);
  if (kind === 'dpkg' || kind === 'apk') return await readDatabase(file, kind, gathered);
  const [top] = layers;
  if (top === undefined) return;
  const text = await readLayerFile(top, path, DOCUMENT_BYTES);
  if (text === undefined) {
    note(gathered.unread, `/${path}: larger than ${DOCUMENT_BYTES} bytes`);
  } else if (kind === 'system') {
    const system = toSystem(text);
    if (system !== undefined) gathered.systems.set(path, system);
  } else if (kind === 'copyright') {
    gathered.licenses.set(path.split('/')[3] ?? '', parseCopyright(text));
  } else {
    const declared = kind === 'npm' ? parseNpm(text) : parsePypi(text);
    if (declared !== undefined) gathered.declarations.push({ declared, path, diffId: top.diffId });
  }
}

/** Each layer that installs something writes the whole list again: the lowest one that has a package brought it. */
async function readDatabase(
  { path, layers }: MergedFile,
  kind: 'dpkg' | 'apk',
  { declarations, unread }: Gathered,
): Promise<void> {
  const keyOf = ({ name, version, architecture }: DeclaredPackage) => `${name} ${version} ${architecture}`;
  const brought = new Map<string, DiffId>();
  let seen: DeclaredPackage[] = [];
  for (const layer of layers.toReversed()) {
    const text = await readLayerFile(layer, path, DATABASE_BYTES);
    if (text === undefined) note(unread, `/${path} of ${layer.diffId}: larger than ${DATABASE_BYTES} bytes`);
    seen = [...(kind === 'dpkg' ? parseDpkg : parseApk)(text ?? '').take(MOST_PACKAGES)];
    const present = new Set(seen.map(keyOf));
    // What was removed and comes again is brought by who brings it again.
    for (const key of brought.keys()) if (!present.has(key)) brought.delete(key);
    for (const key of present) if (!brought.has(key)) brought.set(key, layer.diffId);
  }
  for (const declared of seen) {
    const diffId = brought.get(keyOf(declared));
    if (diffId !== undefined) declarations.push({ declared, path, diffId });
  }
}

function toSystem(text: string): OperatingSystem | undefined {
  const fields = parseAssignments(text);
  const id = fields.get('ID');
  if (!id) return undefined;
  return { id, versionId: fields.get('VERSION_ID'), prettyName: fields.get('PRETTY_NAME') };
}

function addPackage(
  packages: Packages,
  { declared, path, diffId }: Declaration,
  {
    system,
    licenses,
    unread,
  }: Pick<Gathered, 'licenses' | 'unread'> & { system: OperatingSystem | undefined },
): void {
  const { name, version, type, description } = declared;
  let purl: string;
  try {
    if (name.length + version.length > LONGEST_TEXT) throw new Error('its name and version are too long');
    // The specification wants a plus encoded; the library leaves it in versions.
    purl = toPurl(declared, system).replaceAll('+', '%2B');
  } catch (error) {
    note(unread, `/${path}: ${type} package "${name.slice(0, 100)}": ${errorMessage(error)}`);
    return;
  }
  const location = { path: `/${path}`, diffId };
  const present = packages.get(purl);
  if (present !== undefined) {
    present.locations.push(location);
    return;
  }
  const all = type === 'deb' ? (licenses.get(name) ?? []) : declared.licenses;
  const own = all.filter((text) => text.length <= LONGEST_TEXT);
  if (own.length < all.length) note(unread, `/${path}: a licence of more than ${LONGEST_TEXT} characters`);
  packages.set(purl, {
    ...declared,
    description: description?.slice(0, LONGEST_TEXT),
    licenses: own,
    purl,
    locations: [location],
  });
}

function note(unread: string[], text: string): void {
  if (unread.length < MOST_UNREAD) unread.push(text);
  else if (unread.length === MOST_UNREAD) unread.push('/: and more that is not told');
}

/** @throws Error for a name that no package of its type can have @see https://github.com/package-url/purl-spec */
function toPurl(
  { type, namespace, name, version, architecture }: DeclaredPackage,
  system: OperatingSystem | undefined,
): string {
  if (type === 'npm' || type === 'pypi') {
    return new PackageURL(type, namespace, name, version, undefined, undefined).toString();
  }
  const id = system?.id ?? (type === 'deb' ? 'debian' : 'alpine');
  const distro = system?.versionId === undefined ? undefined : `${id}-${system.versionId}`;
  const qualifiers = {
    ...(architecture === undefined ? {} : { arch: architecture }),
    ...(distro === undefined ? {} : { distro }),
  };
  return new PackageURL(type, id, name, version, qualifiers, undefined).toString();
}
