import { posix } from 'node:path';
import type { Platform } from '@slipway/oci';
import { formatReference, parseReference, withDefaultTag } from '@slipway/oci';
import type { Operation, Vertex } from '../graph.ts';
import type { ContextSource } from './options.ts';

/** A git repository in a context's or an ADD's words. */
export interface GitSource {
  readonly url: string;
  /** A branch, tag or commit. */
  readonly ref: string | undefined;
  readonly subdirectory: string | undefined;
}

/**
 * `https://host/repo.git#ref:folder`, `git://…`, `git@host:repo.git`; undefined for what names no repository.
 * @see https://docs.docker.com/build/concepts/context/#git-repositories
 */
export function parseGitSource(text: string): GitSource | undefined {
  const hash = text.indexOf('#');
  const withoutFragment = hash === -1 ? text : text.slice(0, hash);
  const fragment = hash === -1 ? '' : text.slice(hash + 1);
  const question = withoutFragment.indexOf('?');
  const address = question === -1 ? withoutFragment : withoutFragment.slice(0, question);
  const isGit =
    /^(?:git|ssh):\/\//.test(address) ||
    /^[\w.-]+@[\w.-]+:(?!\/\/).+/.test(address) ||
    (/^https?:\/\//.test(address) && address.endsWith('.git')) ||
    /^github\.com\/[^/]+\/[^/]+/.test(address);
  if (!isGit) return undefined;
  const query = new URLSearchParams(question === -1 ? '' : withoutFragment.slice(question + 1));
  const colon = fragment.indexOf(':');
  const ref = colon === -1 ? fragment : fragment.slice(0, colon);
  const folder = colon === -1 ? '' : fragment.slice(colon + 1);
  return {
    url: address.startsWith('github.com/') ? `https://${address}` : address,
    ref:
      ref || query.get('ref') || query.get('tag') || query.get('branch') || query.get('commit') || undefined,
    subdirectory: folder || query.get('subdir') || undefined,
  };
}

export const isHttpUrl = (text: string): boolean => /^https?:\/\//.test(text);

/** What a URL's file is called; the last part of its path. */
export function urlFileName(url: string): string {
  const name = posix.basename(new URL(url).pathname);
  return name === '' || name === '/' ? 'download' : decodeURIComponent(name);
}

/** A vertex without inputs: where files come from. */
export const sourceVertex = (operation: Operation, title: string, platform: Platform): Vertex => ({
  operation,
  inputs: [],
  title,
  ignoreCache: false,
  platform,
});

/** A file system without files. */
export const scratchVertex = (platform: Platform): Vertex =>
  sourceVertex({ kind: 'scratch' }, 'scratch', platform);

/** The operation of a git repository. */
export const gitOperation = (
  { url, ref, subdirectory }: GitSource,
  { checksum, keepGitDir }: { checksum?: string | undefined; keepGitDir: boolean },
): Operation => ({ kind: 'git', url, ref, subdirectory, checksum, keepGitDir });

/** The context that stands in for an image or a stage of this name. */
export function findNamedContext(
  contexts: ReadonlyMap<string, ContextSource>,
  name: string,
): ContextSource | undefined {
  const found = contexts.get(name) ?? contexts.get(name.toLowerCase());
  if (found !== undefined || contexts.size === 0) return found;
  const full = fullName(name);
  if (full === undefined) return undefined;
  for (const [key, source] of contexts) if (fullName(key) === full) return source;
  return undefined;
}

/** `docker.io/library/alpine:latest`; undefined for what is no image's name. */
export function fullName(name: string): string | undefined {
  try {
    return formatReference(withDefaultTag(parseReference(name)));
  } catch {
    return undefined;
  }
}

/** As people are told which image: `docker.io/library/alpine:3@sha256:…`. */
export const imageTitle = (reference: string, digest: string): string => {
  const parsed = withDefaultTag(parseReference(reference));
  return parsed.digest === undefined ? `${formatReference(parsed)}@${digest}` : formatReference(parsed);
};
