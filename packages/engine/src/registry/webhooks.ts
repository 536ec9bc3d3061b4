import { createHmac } from 'node:crypto';
import { AsyncQueue, type Clock, errorMessage, type Logger, type Random, SlipwayError } from '@slipway/base';
import type { Visitor } from '@slipway/distribution/server';
import type { Digest } from '@slipway/oci';
import type { RepositoryRecords, WebhookRecord } from './records.ts';
import type { Webhook } from './registry.ts';

/** A manifest that came or went. */
export interface ManifestEvent {
  readonly action: 'push' | 'delete';
  readonly repository: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly tag: string | undefined;
  readonly visitor: Visitor;
}

const CONTENT_TYPE = 'application/vnd.docker.distribution.events.v1+json';
/** Events that wait for one hook; the oldest are dropped. */
const QUEUE = 1_000;
const TIMEOUT_MS = 10_000;
/** Waits before the next tries; an event that fails after them is dropped. */
const RETRY_MS = [1_000, 4_000, 15_000, 60_000];

/**
 * Tells URLs what was pushed and deleted. Never waited for; what was not told when the daemon ends is lost.
 * @see https://distribution.github.io/distribution/about/notifications/
 */
export class Webhooks implements AsyncDisposable {
  readonly #records: RepositoryRecords;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #instanceId: string;
  readonly #hooks = new Map<string, Hook>();

  constructor({
    repositories,
    clock,
    random,
    logger,
  }: {
    repositories: RepositoryRecords;
    clock: Clock;
    random: Random;
    logger: Logger;
  }) {
    this.#records = repositories;
    this.#clock = clock;
    this.#random = random;
    this.#logger = logger;
    this.#instanceId = random.hex(16);
    for (const record of repositories.webhooks()) this.#start(record);
  }

  list(): Webhook[] {
    return [...this.#hooks.values()].map(({ record }) => toWebhook(record));
  }

  /** @throws InvalidArgument */
  add({
    url,
    repositories = '*',
    secret,
  }: {
    url: string;
    repositories?: string;
    secret?: string | undefined;
  }): Webhook {
    const protocol = URL.canParse(url) ? new URL(url).protocol : '';
    if (protocol !== 'http:' && protocol !== 'https:') {
      throw new SlipwayError(
        'InvalidArgument',
        `webhook ${JSON.stringify(url)}: give an http:// or https:// URL`,
      );
    }
    const record = { id: this.#random.hex(8), url, repositories, secret };
    this.#records.insertWebhook(record);
    this.#start(record);
    return toWebhook(record);
  }

  /** @throws NotFound */
  async remove(id: string): Promise<void> {
    if (!this.#records.deleteWebhook(id)) throw new SlipwayError('NotFound', `webhook ${id}: not found`);
    const hook = this.#hooks.get(id);
    this.#hooks.delete(id);
    await hook?.[Symbol.asyncDispose]();
  }

  publish(event: ManifestEvent): void {
    const hooks = [...this.#hooks.values()].filter((hook) => hook.wants(event.repository));
    if (hooks.length === 0) return;
    const body = JSON.stringify({ events: [this.#toWire(event)] });
    for (const hook of hooks) hook.queue.push(body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const hooks = [...this.#hooks.values()];
    this.#hooks.clear();
    await Promise.all(hooks.map((hook) => hook[Symbol.asyncDispose]()));
  }

  #start(record: WebhookRecord): void {
    this.#hooks.set(record.id, new Hook(record, this.#clock, this.#logger));
  }

  #toWire({ action, repository, digest, mediaType, sizeBytes, tag, visitor }: ManifestEvent): object {
    return {
      id: this.#random.hex(16),
      timestamp: new Date(this.#clock.nowMs()).toISOString(),
      action,
      target: {
        mediaType,
        size: sizeBytes,
        digest,
        length: sizeBytes,
        repository,
        url: `/v2/${repository}/manifests/${digest}`,
        ...(tag === undefined ? {} : { tag }),
      },
      request: { id: this.#random.hex(16), method: action === 'push' ? 'PUT' : 'DELETE' },
      actor: visitor.name === undefined ? {} : { name: visitor.name },
      source: { instanceID: this.#instanceId },
    };
  }
}

/** One URL and what it is still to be told, in order. */
class Hook implements AsyncDisposable {
  readonly record: WebhookRecord;
  readonly queue = new AsyncQueue<string>({ capacity: QUEUE, onOverflow: 'drop-oldest' });
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #ending = new AbortController();
  readonly #done: Promise<void>;

  constructor(record: WebhookRecord, clock: Clock, logger: Logger) {
    this.record = record;
    this.#clock = clock;
    // The URL may carry a secret.
    this.#logger = logger.child({ webhook: record.id });
    this.#done = this.#deliverAll();
  }

  wants(repository: string): boolean {
    const pattern = this.record.repositories.split('*').map((text) => RegExp.escape(text));
    return new RegExp(`^${pattern.join('.*')}$`).test(repository);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue.return();
    this.#ending.abort();
    await this.#done;
  }

  async #deliverAll(): Promise<void> {
    for await (const body of this.queue) {
      try {
        await this.#deliver(body);
      } catch (error) {
        if (this.#ending.signal.aborted) return;
        this.#logger.warn(
          { error: errorMessage(error) },
          'a webhook could not be told: the event is dropped',
        );
      }
    }
  }

  async #deliver(body: string): Promise<void> {
    for (const waitMs of [...RETRY_MS, undefined]) {
      try {
        return await this.#post(body);
      } catch (error) {
        if (waitMs === undefined || this.#ending.signal.aborted) throw error;
        await this.#clock.sleep(waitMs, { signal: this.#ending.signal });
      }
    }
  }

  async #post(body: string): Promise<void> {
    const { url, secret } = this.record;
    const controller = new AbortController();
    const signal = AbortSignal.any([controller.signal, this.#ending.signal]);
    using _timeout = this.#clock.timer(TIMEOUT_MS, () =>
      controller.abort(new Error(`no answer for ${TIMEOUT_MS / 1000} s`)),
    );
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': CONTENT_TYPE,
        ...(secret === undefined
          ? {}
          : { 'x-slipway-signature': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}` }),
      },
      body,
      signal,
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`it answered ${response.status}`);
  }
}

const toWebhook = ({ id, url, repositories, secret }: WebhookRecord): Webhook => ({
  id,
  url,
  repositories,
  hasSecret: secret !== undefined,
});
