import { posix } from 'node:path';
import { SlipwayError } from '@slipway/base';
import type { Platform } from '@slipway/oci';
import type { Vertex } from '../graph.ts';
import type { ContextSource } from './options.ts';
import {
  gitOperation,
  isHttpUrl,
  parseGitSource,
  scratchVertex,
  sourceVertex,
  urlFileName,
} from './sources.ts';

/** The contexts of one plan. All that is wanted of one is asked for at once, so that its client sends it once. */
export class ContextSources {
  readonly #platform: Platform;
  readonly #vertices = new Map<ContextSource, Vertex>();
  /** What is wanted of each local context; everything once `.` is. */
  readonly #followed = new Map<ContextSource, { paths: string[]; all: boolean }>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** The context's files, of which `path` is wanted. */
  open(source: ContextSource, path: string): Vertex {
    this.#follow(source, path);
    let vertex = this.#vertices.get(source);
    if (vertex === undefined) {
      vertex = this.#make(source);
      this.#vertices.set(source, vertex);
    }
    return vertex;
  }

  #follow(source: ContextSource, path: string): void {
    let followed = this.#followed.get(source);
    if (followed === undefined) {
      followed = { paths: [], all: false };
      this.#followed.set(source, followed);
    }
    const relative = posix.join('/', path).replace(/^\/+|\/+$/g, '');
    if (relative === '') {
      followed.all = true;
      followed.paths.length = 0;
    } else if (!followed.all && !followed.paths.includes(relative)) {
      followed.paths.push(relative);
      followed.paths.sort();
    }
  }

  #make(source: ContextSource): Vertex {
    switch (source.kind) {
      case 'local': {
        const { name, excludes } = source;
        // Filled while the rest of the Dockerfile is gone through.
        const followPaths = this.#followed.get(source)?.paths ?? [];
        const title =
          name === 'context' ? '[internal] load build context' : `[context ${name}] load from client`;
        return sourceVertex({ kind: 'local', name, excludes, followPaths }, title, this.#platform);
      }
      case 'git': {
        const git = parseGitSource(source.url);
        if (git === undefined) throw unusable(source.url);
        return sourceVertex(
          gitOperation(git, { keepGitDir: false }),
          `[internal] load git source ${source.url}`,
          this.#platform,
        );
      }
      case 'http': {
        if (!isHttpUrl(source.url)) throw unusable(source.url);
        const fileName = urlFileName(source.url);
        const archive = sourceVertex(
          { kind: 'http', url: source.url, checksum: undefined, fileName },
          `[internal] load remote build context`,
          this.#platform,
        );
        return this.#unpacked(archive, fileName);
      }
      case 'image':
      case 'scratch':
        return scratchVertex(this.#platform);
    }
  }

  /** The files of an archive that was fetched. */
  #unpacked(archive: Vertex, fileName: string): Vertex {
    const empty = scratchVertex(this.#platform);
    return {
      operation: {
        kind: 'files',
        actions: [
          {
            kind: 'copy',
            from: 1,
            source: `/${fileName}`,
            destination: '/',
            owner: undefined,
            mode: undefined,
            contentsOnly: true,
            unpack: true,
            parents: false,
            excludes: [],
            allowNothing: false,
          },
        ],
      },
      inputs: [empty, archive],
      title: '[internal] unpack remote build context',
      ignoreCache: false,
      platform: this.#platform,
    };
  }
}

const unusable = (url: string) =>
  new SlipwayError('InvalidArgument', `the context ${url} is neither a git repository nor a web address`);

/** All of one context's files, by itself. */
export const contextVertex = (source: ContextSource, platform: Platform): Vertex =>
  new ContextSources(platform).open(source, '/');
