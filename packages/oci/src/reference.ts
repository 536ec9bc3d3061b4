import { SlipwayError } from '@slipway/base';
import { type Digest, parseDigest } from './digest.ts';

/** Where an image is found: `docker.io` / `library/ubuntu`, with a tag, a digest, both or neither. */
export interface Reference {
  /** The registry's host, with its port. */
  readonly domain: string;
  readonly path: string;
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
}

const DEFAULT_DOMAIN = 'docker.io';
const OFFICIAL_PREFIX = 'library/';
const NAME_MAX_LENGTH = 255;
const DEFAULT_TAG = 'latest';

const domainComponent = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const domain = `(?:${domainComponent}(?:\\.${domainComponent})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?`;
const pathComponent = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const path = `${pathComponent}(?:/${pathComponent})*`;
const tag = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const digest = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';

const REFERENCE = new RegExp(`^(?:(${domain})/)?(${path})(?::(${tag}))?(?:@(${digest}))?$`);
const TAG = new RegExp(`^${tag}$`);
const IDENTIFIER = /^[a-f0-9]{64}$/;

const invalid = (message: string) => new SlipwayError('InvalidArgument', message);

/**
 * Reads what people write (`ubuntu`, `user/app:1`, `localhost:5000/app@sha256:…`) into its full form.
 * No tag is added: see `withDefaultTag`.
 * @throws InvalidArgument in the wording of distribution/reference, which clients match on
 * @see https://github.com/distribution/reference, ParseNormalizedNamed
 */
export function parseReference(text: string): Reference {
  if (IDENTIFIER.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const [host, remainder] = splitDomain(text);
  const tagAt = remainder.indexOf(':');
  const name = tagAt === -1 ? remainder : remainder.slice(0, tagAt);
  if (name.toLowerCase() !== name) {
    throw invalid(`invalid reference format: repository name (${name}) must be lowercase`);
  }
  return parseCanonical(`${host}/${remainder}`);
}

/** Parses a form that has its domain. */
function parseCanonical(text: string): Reference {
  const match = REFERENCE.exec(text);
  if (match === null) throw invalid('invalid reference format');
  const [, host, repository = '', tagText, digestText] = match;
  if (host === undefined) throw invalid('invalid reference format');
  if (repository.length > NAME_MAX_LENGTH) {
    throw invalid(
      `invalid reference format: repository name must not be more than ${NAME_MAX_LENGTH} characters`,
    );
  }
  return {
    domain: host,
    path: repository,
    ...(tagText === undefined ? {} : { tag: tagText }),
    ...(digestText === undefined ? {} : { digest: parseDigest(digestText) }),
  };
}

function splitDomain(text: string): readonly [host: string, remainder: string] {
  const slash = text.indexOf('/');
  const first = slash === -1 ? '' : text.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first;
  let host = isHost ? first : DEFAULT_DOMAIN;
  const remainder = isHost ? text.slice(slash + 1) : text;
  if (host === 'index.docker.io') host = DEFAULT_DOMAIN;
  const isOfficial = host === DEFAULT_DOMAIN && !remainder.includes('/');
  return [host, isOfficial ? OFFICIAL_PREFIX + remainder : remainder];
}

/** The reference with `latest` where it has neither tag nor digest. */
export const withDefaultTag = (reference: Reference): Reference =>
  reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: DEFAULT_TAG }
    : reference;

/** The reference with this tag. @throws InvalidArgument */
export function withTag(reference: Reference, tagText: string): Reference {
  if (!TAG.test(tagText)) throw invalid('invalid tag format');
  return { domain: reference.domain, path: reference.path, tag: tagText };
}

/** The repository without tag and digest: `docker.io/library/ubuntu`. */
export const repositoryName = (reference: Reference): string => `${reference.domain}/${reference.path}`;

/** The repository as people write it: `ubuntu`. */
export function familiarName({ domain: host, path: repository }: Reference): string {
  if (host !== DEFAULT_DOMAIN) return `${host}/${repository}`;
  const parts = repository.split('/');
  return parts.length === 2 && parts[0] === 'library' ? (parts[1] as string) : repository;
}

/** The full form: `docker.io/library/ubuntu:latest`. */
export const formatReference = (reference: Reference): string =>
  repositoryName(reference) + suffix(reference);

/** The short form, as docker shows it: `ubuntu:latest`. */
export const formatFamiliar = (reference: Reference): string => familiarName(reference) + suffix(reference);

const suffix = (reference: Reference): string =>
  (reference.tag === undefined ? '' : `:${reference.tag}`) +
  (reference.digest === undefined ? '' : `@${reference.digest}`);
