import type { Connection } from './connection.ts';
import type {
  RegistryCollection,
  RegistryRepository,
  RegistryStatus,
  RegistryWebhook,
  RepositoryManifest,
} from './types.ts';

/** `/slipway/registry…`: the keeping of the daemon's own registry. */
export class Registry {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  status(): Promise<RegistryStatus> {
    return this.#connection.json('GET', '/slipway/registry');
  }

  /** What is younger than the grace is kept, as it may belong to a push under way. */
  collectGarbage(options: { readonly graceMs?: number }): Promise<RegistryCollection> {
    return this.#connection.json('POST', '/slipway/registry/gc', { json: options });
  }

  repositories(): Promise<RegistryRepository[]> {
    return this.#connection.json('GET', '/slipway/registry/repositories');
  }

  /** Newest first. */
  manifests(repository: string): Promise<RepositoryManifest[]> {
    return this.#connection.json('GET', `${at(repository)}/manifests`);
  }

  /** A first push makes a repository too, without settings of its own. */
  create(
    name: string,
    settings: { readonly immutableTags?: boolean; readonly quotaBytes?: number | null },
  ): Promise<RegistryRepository> {
    return this.#connection.json('POST', '/slipway/registry/repositories', { json: { name, ...settings } });
  }

  /** A quota of null takes the quota away. */
  configure(
    repository: string,
    settings: { readonly immutableTags?: boolean; readonly quotaBytes?: number | null },
  ): Promise<RegistryRepository> {
    return this.#connection.json('POST', `${at(repository)}/settings`, { json: settings });
  }

  remove(repository: string, options: { readonly force?: boolean }): Promise<void> {
    return this.#connection.empty('DELETE', at(repository), { query: options });
  }

  /** A tag alone, or by its digest a manifest with its tags. */
  removeManifest(repository: string, reference: string): Promise<void> {
    return this.#connection.empty('DELETE', `${at(repository)}/manifests`, { query: { reference } });
  }

  webhooks(): Promise<RegistryWebhook[]> {
    return this.#connection.json('GET', '/slipway/registry/webhooks');
  }

  addWebhook(hook: {
    readonly url: string;
    readonly repositories?: string;
    readonly secret?: string;
  }): Promise<RegistryWebhook> {
    return this.#connection.json('POST', '/slipway/registry/webhooks', { json: hook });
  }

  removeWebhook(id: string): Promise<void> {
    return this.#connection.empty('DELETE', `/slipway/registry/webhooks/${encodeURIComponent(id)}`);
  }
}

/** A repository's name may contain slashes, which stay as they are. */
const at = (name: string): string =>
  `/slipway/registry/repositories/${encodeURIComponent(name).replaceAll('%2F', '/')}`;
