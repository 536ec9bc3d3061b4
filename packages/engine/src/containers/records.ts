import type { NetworkSandbox } from '@slipway/network';
import type { Database } from '@slipway/store';
import type { Container, ContainerDefinition, ContainerRoots } from './container.ts';
import { newContainer } from './live.ts';
import type { ContainerState } from './state.ts';

const MIGRATIONS = [
  `CREATE TABLE containers (
     id TEXT PRIMARY KEY,
     name TEXT NOT NULL UNIQUE,
     definition TEXT NOT NULL,
     state TEXT NOT NULL
   ) STRICT`,
];

/** What changes while a container lives. */
interface StateRecord {
  readonly state: ContainerState;
  readonly restartCount: number;
  readonly stoppedByUser: boolean;
  readonly sandbox: NetworkSandbox | undefined;
}

/** Containers <-> SQL. The definition and the state are JSON texts; big integers are written as `{"$n":"…"}`. */
export class ContainerRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('containers', MIGRATIONS);
  }

  insert(container: Container): void {
    this.#commit(container, () =>
      this.#database
        .prepare('INSERT INTO containers (id, name, definition, state) VALUES (?, ?, ?, ?)')
        .run(
          container.definition.id,
          container.definition.name,
          encode(container.definition),
          encode(stateRecord(container)),
        ),
    );
  }

  saveState(container: Container): void {
    this.#commit(container, () =>
      this.#database
        .prepare('UPDATE containers SET state = ? WHERE id = ?')
        .run(encode(stateRecord(container)), container.definition.id),
    );
  }

  saveDefinition(container: Container): void {
    this.#database
      .prepare('UPDATE containers SET name = ?, definition = ? WHERE id = ?')
      .run(container.definition.name, encode(container.definition), container.definition.id);
  }

  delete(container: Container): void {
    const statement = this.#database.prepare('DELETE FROM containers WHERE id = ?');
    this.#commit(container, () => statement.run(container.definition.id));
  }

  /** Every container, as it was last known. */
  load(roots: ContainerRoots): Container[] {
    const rows = this.#database.prepare('SELECT definition, state FROM containers').all() as {
      definition: string;
      state: string;
    }[];
    return rows.map((row) => {
      const definition = decode(row.definition) as ContainerDefinition;
      const { state, restartCount, stoppedByUser, sandbox } = decode(row.state) as StateRecord;
      const container = newContainer(roots, definition);
      return Object.assign(container, { state, restartCount, stoppedByUser, sandbox });
    });
  }

  /**
   * A container that goes at its end lives no longer than its run, and no run outlives the machine's power: one that comes
   * back with a record of before is removed at the next start.
   */
  #commit({ definition }: Container, work: () => void): void {
    if (definition.hostConfig.AutoRemove) this.#database.relaxed(work);
    else this.#database.transaction(work);
  }
}

function stateRecord({ state, restartCount, stoppedByUser, sandbox }: Container): StateRecord {
  return { state, restartCount, stoppedByUser, sandbox };
}

function encode(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return { $n: item.toString() };
    if (item instanceof Map) return { $map: [...item] };
    return item;
  });
}

function decode(text: string): unknown {
  return JSON.parse(text, (_key, item: unknown) => {
    if (typeof item !== 'object' || item === null) return item;
    if ('$n' in item) return BigInt(item.$n as string);
    if ('$map' in item) return new Map(item.$map as [unknown, unknown][]);
    return item;
  });
}
