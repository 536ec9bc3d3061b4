/** A line of a log. */
export interface LogEvent {
  /** Milliseconds since the epoch. */
  readonly timestampMs: number;
  readonly message: string;
}

/** Where environments write. */
export interface LogWriter {
  /**
   * Appends to a stream, which is made (with its group) by the first line. Returns at once; what was appended is readable
   * at once, and on disk within a second. A group past its bounds loses its oldest lines, never its newest.
   */
  append(group: string, stream: string, events: readonly LogEvent[]): void;
}
