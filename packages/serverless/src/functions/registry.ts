import type { Digest, ImageId } from '@slipway/oci';
import { functionArn, type Place } from './arn.ts';
import { functionNotFound } from './errors.ts';
import type { FunctionRecord, LayerRecord } from './function-record.ts';
import { codeOf, type FunctionRecords, layerCodeOf } from './records.ts';

/** All functions and layers, in memory; a change is on disk before it is seen. */
export class FunctionRegistry {
  readonly #records: FunctionRecords;
  readonly #functions = new Map<string, FunctionRecord>();
  readonly #layers = new Map<string, LayerRecord>();
  readonly #listeners = new Set<(name: string) => void>();
  readonly #dropListeners = new Set<(zip: Digest) => void>();
  /** By the id of their URL. */
  readonly #urls = new Map<string, { readonly name: string; readonly qualifier: string }>();

  /** The sum of what functions reserved. */
  #reserved = 0;

  constructor(records: FunctionRecords) {
    this.#records = records;
    for (const record of records.loadFunctions()) this.#keep(record);
    for (const layer of records.loadLayers()) this.#layers.set(layer.name, layer);
  }

  find(name: string): FunctionRecord | undefined {
    return this.#functions.get(name);
  }

  /** @throws NotFound ResourceNotFoundException */
  get(name: string, place: Place, qualifier?: string): FunctionRecord {
    const record = this.#functions.get(name);
    if (record === undefined) throw functionNotFound(functionArn(place, name, qualifier));
    return record;
  }

  /** By name. */
  list(): FunctionRecord[] {
    return [...this.#functions.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** On disk, then told to who listens. */
  save(record: FunctionRecord): void {
    const before = this.#functions.get(record.name);
    this.#records.saveFunction(record, before);
    this.#keep(record);
    this.#tellDropped(before === undefined ? [] : codeOf(before).zips, codeOf(record).zips);
    this.#tell(record.name);
  }

  delete(name: string): void {
    const before = this.#functions.get(name);
    this.#records.deleteFunction(name);
    this.#forget(name);
    if (before !== undefined) this.#tellDropped(codeOf(before).zips, []);
    this.#tell(name);
  }

  findUrl(id: string): { readonly record: FunctionRecord; readonly qualifier: string } | undefined {
    const found = this.#urls.get(id);
    const record = found && this.#functions.get(found.name);
    return found && record && { record, qualifier: found.qualifier };
  }

  findLayer(name: string): LayerRecord | undefined {
    return this.#layers.get(name);
  }

  /** By name. */
  listLayers(): LayerRecord[] {
    return [...this.#layers.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  saveLayer(record: LayerRecord): void {
    const before = this.#layers.get(record.name);
    this.#records.saveLayer(record);
    this.#layers.set(record.name, record);
    this.#tellDropped(before === undefined ? [] : layerCodeOf(before), layerCodeOf(record));
  }

  /** Packages that something here needs. */
  zips(): Set<Digest> {
    return new Set([
      ...[...this.#functions.values()].flatMap((record) => codeOf(record).zips),
      ...[...this.#layers.values()].flatMap(layerCodeOf),
    ]);
  }

  /** The functions that stand on an image. */
  usersOf(image: ImageId): string[] {
    return this.list()
      .filter((record) => codeOf(record).images.includes(image))
      .map(({ name }) => name);
  }

  /** What functions reserved of the account's concurrency; `but` left out. */
  reservedConcurrency(but?: string): number {
    const left = but === undefined ? undefined : this.#functions.get(but);
    return this.#reserved - (left?.reservedConcurrency ?? 0);
  }

  onChange(listener: (name: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Calls `listener` for each package that a record named, and that record does not any more. */
  onDrop(listener: (zip: Digest) => void): Disposable {
    this.#dropListeners.add(listener);
    return { [Symbol.dispose]: () => void this.#dropListeners.delete(listener) };
  }

  #keep(record: FunctionRecord): void {
    this.#forget(record.name);
    this.#functions.set(record.name, record);
    this.#reserved += record.reservedConcurrency ?? 0;
    for (const [qualifier, { id }] of Object.entries(record.urls)) {
      this.#urls.set(id, { name: record.name, qualifier });
    }
  }

  #forget(name: string): void {
    const record = this.#functions.get(name);
    if (record === undefined) return;
    for (const { id } of Object.values(record.urls)) this.#urls.delete(id);
    this.#reserved -= record.reservedConcurrency ?? 0;
    this.#functions.delete(name);
  }

  #tellDropped(before: readonly Digest[], after: readonly Digest[]): void {
    for (const zip of new Set(before)) {
      if (after.includes(zip)) continue;
      for (const listener of this.#dropListeners) listener(zip);
    }
  }

  #tell(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }
}
