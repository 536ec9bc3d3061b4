import { SlipwayError } from '@slipway/base/errors';

/** What detaches a client that says nothing else. */
export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

/**
 * A comma-separated key sequence as the bytes a terminal sends for it: single characters, and `ctrl-` with a letter or
 * one of `@ [ \ ] ^ _`.
 * @throws InvalidArgument naming the key.
 * @see moby/term ascii.go
 */
export function parseDetachKeys(keys: string): Uint8Array {
  if (keys === '') return new Uint8Array();
  return Uint8Array.from(keys.split(','), (key) => {
    if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
    const control = /^ctrl-([a-zA-Z@[\\\]^_])$/.exec(key)?.[1];
    if (control === undefined) {
      throw new SlipwayError(
        'InvalidArgument',
        `Invalid detach keys (${keys}) provided: unknown character: '${key}'; use single characters and ctrl-<a-z@[\\]^_>, separated by commas`,
      );
    }
    return control.toUpperCase().charCodeAt(0) - 64;
  });
}

/**
 * Looks for the detach keys in what a terminal sends. Keys that began the sequence but did not finish it are passed on
 * late, none is lost.
 */
export class DetachScanner {
  readonly #keys: Uint8Array;
  #matched = 0;

  /** No keys: never detaches. */
  constructor(keys: Uint8Array) {
    this.#keys = keys;
  }

  /** What to pass on, and whether the sequence was completed; what follows it is dropped. */
  push(chunk: Uint8Array): { readonly bytes: Uint8Array; readonly detached: boolean } {
    const keys = this.#keys;
    if (keys.byteLength === 0) return { bytes: chunk, detached: false };
    if (this.#matched === 0 && !chunk.includes(keys[0] as number)) return { bytes: chunk, detached: false };
    const passed: number[] = [];
    for (const byte of chunk) {
      if (byte === keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === keys.byteLength) return { bytes: Uint8Array.from(passed), detached: true };
        continue;
      }
      this.#giveUp(byte, passed);
    }
    return { bytes: Uint8Array.from(passed), detached: false };
  }

  /** What was held back when the input ended. */
  flush(): Uint8Array {
    const held = this.#keys.slice(0, this.#matched);
    this.#matched = 0;
    return held;
  }

  /** The held keys and `byte` did not complete the sequence; their tail may still begin it anew. */
  #giveUp(byte: number, passed: number[]): void {
    const held = [...this.#keys.subarray(0, this.#matched), byte];
    for (let start = 1; start <= held.length; start++) {
      const tail = held.slice(start);
      if (tail.every((key, index) => key === this.#keys[index])) {
        passed.push(...held.slice(0, start));
        this.#matched = tail.length;
        return;
      }
    }
  }
}
