/** Something that happened, from a source, in the hands of a mapping. */
export interface SourceItem {
  /** Names it to the function, which may report it as failed: `itemIdentifier`. */
  readonly id: string;
  /** As the function sees it, one of its `Records`. */
  readonly record: Readonly<Record<string, unknown>>;
  readonly sizeBytes: number;
}

export interface ReceiveItems {
  readonly max: number;
  /** How long to wait for the first. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/**
 * Where events come from. An item is the caller's until it is acknowledged or released; what a crash takes from the caller
 * comes again.
 */
export interface EventSource extends AsyncDisposable {
  /** Whether an item that is neither acknowledged nor released comes again by itself, as a message of a queue does. */
  readonly redelivers: boolean;
  /** Up to `max` items; none when there were none in time. */
  receive(request: ReceiveItems): Promise<readonly SourceItem[]>;
  /** Done with: they do not come again. */
  acknowledge(items: readonly SourceItem[]): Promise<void>;
  /** They take longer than expected. */
  keep(items: readonly SourceItem[]): Promise<void>;
  /** They were not worked on, and may come again at once. */
  release(items: readonly SourceItem[]): Promise<void>;
}
