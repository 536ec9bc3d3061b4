import type { BuildEvent } from '@slipway/build';
import type { Warning } from '@slipway/dockerfile';
import type { Digest } from '@slipway/oci';

/** A line of what `POST /slipway/build` answers. Bytes are base64. */
export type BuildMessage =
  | Exclude<BuildEvent, { kind: 'log' }>
  | {
      readonly kind: 'log';
      readonly digest: Digest;
      readonly stream: 'stdout' | 'stderr';
      readonly data: string;
      readonly atMs: number;
    }
  | { readonly kind: 'warning'; readonly warning: Warning }
  | { readonly kind: 'output'; readonly data: string }
  | { readonly kind: 'image'; readonly id: string; readonly names: readonly string[] }
  | {
      readonly kind: 'error';
      readonly message: string;
      readonly exitCode: number | undefined;
      /** The step that can be looked into. */
      readonly failedStep: string | undefined;
    };

export const toMessage = (event: BuildEvent): BuildMessage => {
  if (event.kind !== 'log') return event;
  const { kind, digest, stream, bytes, atMs } = event;
  return { kind, digest, stream, data: Buffer.from(bytes).toString('base64'), atMs };
};
