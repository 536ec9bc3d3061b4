import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { eventually } from '../../integration/harness/command.ts';
import { Engine, findFreePort } from '../../integration/harness/engine.ts';
import { peers } from '../../integration/harness/peers.ts';

/** Whether the tests run against Debian's docker-registry, to see that they are right about registries. */
export const onDockerRegistry: boolean = process.env.SLIPWAY_TEST_REGISTRY === 'docker-registry';

/** For what docker-registry 2.8 is known to do otherwise than the specification asks: pass it as a test's `skip`. */
export const unlikeDockerRegistry = (what: string): string | false =>
  onDockerRegistry && `docker-registry 2.8 ${what}`;

export interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | ReadableStream;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
  /** @throws when the body is no JSON */
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect of every field they read
  readonly json: any;
}

/** A registry to ask. */
export class Registry {
  readonly #base: string;
  #made = 0;

  constructor(port: number) {
    this.#base = `http://127.0.0.1:${port}`;
  }

  /** The name of a repository that no other test of this file uses. */
  newRepository(): string {
    this.#made += 1;
    return `conformance/repository-${this.#made}`;
  }

  /** One request. `path` may be a `Location` that the registry gave, absolute or not. */
  async ask(method: string, path: string, { headers, body, query = {} }: Asked = {}): Promise<Answer> {
    const url = new URL(path, this.#base);
    for (const [name, values] of Object.entries(query)) {
      for (const value of [values].flat()) url.searchParams.append(name, value);
    }
    const response = await fetch(url, {
      method,
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body: body as NonNullable<RequestInit['body']> }),
      ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    return {
      status: response.status,
      headers: response.headers,
      body: bytes,
      get json() {
        return JSON.parse(bytes.toString());
      },
    };
  }

  /** As `ask`, and the status must be `expected`. */
  async must(expected: number, method: string, path: string, asked: Asked = {}): Promise<Answer> {
    const answer = await this.ask(method, path, asked);
    const said = answer.body.subarray(0, 500).toString();
    assert.equal(answer.status, expected, `${method} ${path.slice(0, 200)}: ${answer.status} ${said}`);
    return answer;
  }
}

/** The registry of one test file: a daemon's of its own, or docker-registry with deletion allowed. */
export async function useRegistry(): Promise<Registry> {
  if (onDockerRegistry) return await startDockerRegistry();
  const engine = await Engine.start({ port: 'free' });
  after(() => engine[Symbol.asyncDispose]());
  return new Registry(engine.port);
}

async function startDockerRegistry(): Promise<Registry> {
  const port = await findFreePort();
  const root = await mkdtemp(join(tmpdir(), 'slipway-docker-registry-'));
  const child = spawn(
    peers.dockerRegistry ?? 'docker-registry',
    ['serve', '/etc/docker/registry/config.yml'],
    {
      stdio: 'ignore',
      env: {
        REGISTRY_HTTP_ADDR: `127.0.0.1:${port}`,
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root,
        REGISTRY_STORAGE_DELETE_ENABLED: 'true',
        REGISTRY_AUTH: 'none',
      },
    },
  );
  after(async () => {
    child.kill();
    await rm(root, { recursive: true, force: true });
  });
  const registry = new Registry(port);
  await eventually('docker-registry answers', async () => {
    const answer = await registry.ask('GET', '/v2/').catch(() => undefined);
    return answer?.status === 200;
  });
  return registry;
}
