import { errorMessage, KeyedLock, type Logger } from '@slipway/base';
import type { CodeStore } from './code/code-store.ts';
import { ImageFailure, type ImageSource } from './code/image-source.ts';
import { type FunctionRecord, type VersionRecord, versionsOf } from './function-record.ts';
import type { FunctionRegistry } from './registry.ts';
import { isSettled, type ProgressEvent, type Reason, transition } from './state.ts';

export interface SettlerOptions {
  readonly registry: FunctionRegistry;
  readonly codes: CodeStore;
  readonly images: ImageSource;
  /** Makes what a runtime runs in, unless it is there. */
  readonly prepareRuntime: (runtime: string, options: { readonly signal: AbortSignal }) => Promise<void>;
  readonly logger: Logger;
}

/** Brings what functions need after their creation or update was answered, and lets them become active, or fail. */
export class Settler implements AsyncDisposable {
  readonly #options: SettlerOptions;
  readonly #locks = new KeyedLock();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  /** Goes on with what an earlier process began. */
  resume(): void {
    for (const record of this.#options.registry.list())
      if (unsettledOf(record) !== undefined) this.begin(record.name);
  }

  /** Sees to a function until nothing of it is under way; returns at once. */
  begin(name: string): void {
    const work = this.#locks
      .run(name, () => this.#settle(name))
      .catch((error: unknown) => {
        if (this.#stop.signal.aborted) return;
        this.#options.logger.error(
          { function: name, error: errorMessage(error) },
          'a function cannot be settled',
        );
      })
      .finally(() => this.#running.delete(work));
    this.#running.add(work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #settle(name: string): Promise<void> {
    const { registry } = this.#options;
    for (;;) {
      const record = registry.find(name);
      const version = record && unsettledOf(record);
      if (version === undefined) return;
      const outcome = await this.#prepare(version);
      const now = registry.find(name);
      if (now !== undefined) registry.save(settled(now, version, outcome));
    }
  }

  /** What becomes of the version; never rejects but when this is stopped. */
  async #prepare({ code, configuration }: VersionRecord): Promise<Prepared> {
    const { codes, images, prepareRuntime } = this.#options;
    const { signal } = this.#stop;
    try {
      for (const layer of configuration.layers) await codes.ensure(layer.code.digest);
      if (code.kind === 'Zip') {
        await codes.ensure(code.digest);
        await prepareRuntime(configuration.runtime ?? '', { signal });
        return { event: { kind: 'settled' }, code };
      }
      const resolved = images.find(code.uri) ?? (await images.pull(code.uri, { signal }));
      return { event: { kind: 'settled' }, code: { ...code, resolved } };
    } catch (error) {
      // What was stopped goes on when the daemon is there again.
      signal.throwIfAborted();
      return { event: { kind: 'failed', reason: reasonOf(error) }, code };
    }
  }
}

interface Prepared {
  readonly event: ProgressEvent;
  readonly code: VersionRecord['code'];
}

/** `$LATEST` last: who waits for it may use what was published with it. */
const unsettledOf = (record: FunctionRecord): VersionRecord | undefined =>
  versionsOf(record).findLast(({ progress }) => !isSettled(progress));

/** The function with the outcome, unless the version is another by now. */
function settled(record: FunctionRecord, version: VersionRecord, { event, code }: Prepared): FunctionRecord {
  const progress = transition(version.progress, event);
  if (record.latest === version) {
    const { previous } = record;
    const latest =
      event.kind === 'failed' && previous !== undefined
        ? { ...previous, progress }
        : { ...version, code, progress };
    return { ...record, latest, previous: undefined };
  }
  if (record.published[version.version] !== version) return record;
  return { ...record, published: { ...record.published, [version.version]: { ...version, code, progress } } };
}

function reasonOf(error: unknown): Reason {
  if (error instanceof ImageFailure) return error.reason;
  return { code: 'InternalError', text: errorMessage(error) };
}
