/** What a stage stands on. */
export interface BaseImage {
  readonly image: string;
  /** Lines that bring the tools which the image lacks. */
  readonly setup: readonly string[];
  /** Lines that make an unprivileged user and, after `files`, the one that becomes it. */
  readonly addUser: readonly string[];
  readonly user: string;
  /** The language's own image, Debian with packages, or one that is taken as it is. */
  readonly family: 'official' | 'debian' | 'given';
}

/** Of the user that is made; above those of people and of packages. */
const USER_ID = 10_001;

/**
 * The image for a stage.
 * @param base the user's choice: '' for `official`; a Debian or Ubuntu gets the packages `apt`; any other has the tools
 *   already
 */
export function chooseBase(
  base: string,
  official: { readonly image: string; readonly user?: string },
  apt: readonly string[],
): BaseImage {
  const image = base === '' ? official.image : base;
  const family = base === '' ? 'official' : isDebian(base) ? 'debian' : 'given';
  const setup = family === 'debian' && apt.length > 0 ? [aptInstall(apt)] : [];
  if (base === '' && official.user !== undefined) {
    return { image, setup, family, addUser: [], user: official.user };
  }
  return { image, setup, family, addUser: [addUser(image)], user: 'app' };
}

/** The lines that begin a stage. */
export const stage = ({ image, setup }: BaseImage, name: string): readonly string[] => [
  `FROM ${image} AS ${name}`,
  ...setup,
];

/** Java's package links its manual pages, whose folder images without documentation lack. */
const JAVA_NEEDS = 'mkdir -p /usr/share/man/man1 && ';

/** Installs packages and leaves no lists behind. */
export const aptInstall = (packages: readonly string[]): string =>
  [
    `RUN ${packages.some((name) => name.startsWith('default-j')) ? JAVA_NEEDS : ''}apt-get update \\`,
    ` && apt-get install -y --no-install-recommends ${packages.join(' ')} \\`,
    ' && rm -rf /var/lib/apt/lists/*',
  ].join('\n');

/** What the releases of Debian bring, by language; they stay what they were. */
const DEBIAN_VERSIONS: Readonly<Record<string, Readonly<Record<Language, string>>>> = {
  bookworm: { Node: '18', Python: '3.11', Go: '1.19', Java: '17' },
  trixie: { Node: '20', Python: '3.13', Go: '1.24', Java: '21' },
};

export type Language = 'Node' | 'Python' | 'Go' | 'Java';

/** A language's version, and where it was asked for; undefined when it was nowhere. */
export interface Version {
  readonly number: string;
  readonly place: string | undefined;
}

/** What the base really brings: told, and warned of when it is older than what is asked for. */
export function settleVersion(base: string, language: Language, { number, place }: Version) {
  const asked =
    place === undefined ? `no version asked for: ${language} ${number}` : `${place}: ${language} ${number}`;
  if (base === '') return { number, why: asked, warnings: [] };
  const release = Object.keys(DEBIAN_VERSIONS).find((name) => isDebian(base) && base.includes(name));
  const brought = release === undefined ? undefined : DEBIAN_VERSIONS[release]?.[language];
  if (brought === undefined) return { number, why: `${language} as ${base} has it`, warnings: [] };
  const isOlder = place !== undefined && compareVersions(brought, number) < 0;
  return {
    number: brought,
    why: `${base}: ${language} ${brought}`,
    warnings: isOlder ? [`${place} asks for ${language} ${number}, and ${base} has ${brought}`] : [],
  };
}

/** Of `1.23` and the like; negative when `a` is older. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number)) as [number[], number[]];
  return (left[0] ?? 0) - (right[0] ?? 0) || (left[1] ?? 0) - (right[1] ?? 0);
}

/** The last part of an image's name, without tag and digest. */
export const repositoryName = (image: string): string =>
  (image.split('@')[0] as string).split('/').at(-1)?.split(':')[0] ?? '';

const isDebian = (image: string): boolean => ['debian', 'ubuntu'].includes(repositoryName(image));

const addUser = (image: string): string =>
  /alpine|busybox/.test(image)
    ? `RUN adduser -D -u ${USER_ID} app`
    : `RUN useradd --create-home --uid ${USER_ID} app`;
