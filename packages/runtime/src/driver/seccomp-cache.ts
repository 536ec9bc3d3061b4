import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OciSpec } from '../spec/oci-spec.ts';
import { compactFilter } from './compact-filter.ts';
import type { OciDriver } from './oci-driver.ts';

/** crun loads this filter as it is, instead of compiling `linux.seccomp`, which takes it 13 ms for Docker's profile. */
const BPF_ANNOTATION = 'run.oci.seccomp_bpf_data';

/**
 * The seccomp filters that crun has compiled, by what they were compiled from. They lie in the run root, so they are
 * forgotten with a reboot, when a new libseccomp may compile them otherwise.
 */
export class SeccompCache {
  readonly #folder: string;
  readonly #filters = new Map<string, string>();
  readonly #keys = new WeakMap<object, string>();

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** The specification with a ready filter, when there is one; otherwise as it was. */
  apply(driver: OciDriver, spec: OciSpec): OciSpec {
    const key = this.#key(driver, spec);
    const filter = key === undefined ? undefined : this.#find(key);
    if (filter === undefined) return spec;
    const { seccomp: _, ...linux } = spec.linux;
    return { ...spec, linux, annotations: { ...spec.annotations, [BPF_ANNOTATION]: filter } };
  }

  /** Keeps the filter of a container that was just started. */
  learn(driver: OciDriver, spec: OciSpec, id: string): void {
    const key = this.#key(driver, spec);
    if (key === undefined || this.#filters.has(key)) return;
    try {
      const compiled = readFileSync(join(driver.stateDir, id, 'seccomp.bpf'));
      if (compiled.length === 0) return;
      const filter = compactFilter(compiled);
      this.#filters.set(key, filter.toString('base64'));
      const path = join(this.#folder, key);
      writeFileSync(`${path}.new`, filter, { mode: 0o600 });
      renameSync(`${path}.new`, path);
    } catch {
      // The container has ended and its state is gone; the next one's will do.
    }
  }

  #find(key: string): string | undefined {
    const known = this.#filters.get(key);
    if (known !== undefined) return known;
    try {
      const filter = readFileSync(join(this.#folder, key)).toString('base64');
      this.#filters.set(key, filter);
      return filter;
    } catch {
      return undefined;
    }
  }

  /** Undefined when this runtime or profile has more to it than a filter: flags, or a listener for notifications. */
  #key(driver: OciDriver, { linux: { seccomp } }: OciSpec): string | undefined {
    if (!driver.loadsSeccompFilters || typeof seccomp !== 'object' || seccomp === null) return undefined;
    if ('flags' in seccomp || 'listenerPath' in seccomp) return undefined;
    const known = this.#keys.get(seccomp);
    if (known !== undefined) return known;
    const key = createHash('sha256')
      .update(`${driver.version}\n${JSON.stringify(seccomp)}`)
      .digest('hex');
    this.#keys.set(seccomp, key);
    return key;
  }
}
