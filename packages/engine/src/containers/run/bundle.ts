import { mkdirSync, rmSync } from 'node:fs';
import type { HostPath } from '@slipway/base';
import type { Container } from '../container.ts';

/** Makes the folder of one run. Its files are small and, in the usual place, in memory: no thread is worth their while. */
export function openBundle({
  bundle,
}: Pick<Container, 'bundle'>): Disposable & { readonly bundle: HostPath } {
  mkdirSync(bundle, { recursive: true, mode: 0o710 });
  return { bundle, [Symbol.dispose]: () => removeBundle({ bundle }) };
}

/** Takes it away, once its shim is gone. Idempotent. */
export function removeBundle({ bundle }: Pick<Container, 'bundle'>): void {
  rmSync(bundle, { recursive: true, force: true });
}
