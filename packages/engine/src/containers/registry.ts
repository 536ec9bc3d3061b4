import { SlipwayError } from '@slipway/base';
import type { Container } from './container.ts';

/** Every container of this daemon, by id and by name. */
export class ContainerRegistry {
  readonly #byId = new Map<string, Container>();
  readonly #byName = new Map<string, Container>();
  readonly #reserved = new Map<string, string>();
  /** Who waits for an exec's exit code may ask for it when the container is gone already. */
  readonly #byExec = new Map<string, Container>();

  add(container: Container): void {
    this.#byId.set(container.definition.id, container);
    this.#byName.set(container.definition.name, container);
  }

  remove(container: Container): void {
    this.#byId.delete(container.definition.id);
    this.#byName.delete(container.definition.name);
    for (const { id, running, exitCode } of container.execs.values()) {
      if (!running && exitCode === undefined) this.#byExec.delete(id);
    }
  }

  addExec(container: Container, execId: string): void {
    this.#byExec.set(execId, container);
  }

  removeExec(execId: string): void {
    this.#byExec.delete(execId);
  }

  rename(container: Container, name: string): void {
    this.#byName.delete(container.definition.name);
    container.definition.name = name;
    this.#byName.set(name, container);
  }

  /** Holds a name for a container that is being made, until disposed. */
  reserveName(name: string, id: string): Disposable {
    this.#reserved.set(name, id);
    return { [Symbol.dispose]: () => this.#reserved.delete(name) };
  }

  /** The id of the container that has this name or is about to. */
  holderOf(name: string): string | undefined {
    return this.#byName.get(name)?.definition.id ?? this.#reserved.get(name);
  }

  findByName(name: string): Container | undefined {
    return this.#byName.get(name);
  }

  findById(id: string): Container | undefined {
    return this.#byId.get(id);
  }

  /** The container in which this exec was made; for a while after its end also one that is gone. */
  findByExec(execId: string): Container | undefined {
    return this.#byExec.get(execId);
  }

  /** Newest first. */
  list(): Container[] {
    return [...this.#byId.values()].sort((a, b) =>
      Number(b.definition.createdAtNs - a.definition.createdAtNs),
    );
  }

  /**
   * By id, name or unambiguous id prefix, as docker looks it up.
   * @throws NotFound; InvalidArgument when a prefix fits several.
   */
  get(reference: string): Container {
    const exact = this.#byId.get(reference) ?? this.#byName.get(reference.replace(/^\//, ''));
    if (exact !== undefined) return exact;
    if (/^[0-9a-f]{1,64}$/.test(reference)) {
      const matches = [...this.#byId.keys()].filter((id) => id.startsWith(reference));
      if (matches.length > 1) {
        throw new SlipwayError(
          'InvalidArgument',
          `Multiple IDs found with provided prefix: ${reference}; give more digits`,
        );
      }
      const match = this.#byId.get(matches[0] ?? '');
      if (match !== undefined) return match;
    }
    throw new SlipwayError('NotFound', `No such container: ${reference}`);
  }
}
