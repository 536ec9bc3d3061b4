import type { IncomingMessage } from 'node:http';
import type { Connection } from './connection.ts';

/** What was used, and what it costs, for one function, version or day. */
export interface UsageRow {
  readonly day?: string;
  readonly functionName?: string;
  readonly version?: string;
  readonly invocations: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly throttles: number;
  readonly coldStarts: number;
  readonly durationMs: number;
  readonly billedMs: number;
  readonly maxMemoryUsedMb: number;
  readonly gbSeconds: number;
  readonly provisionedGbSeconds: number;
  readonly keptGbSeconds: number;
  readonly cost: number;
}

export interface UsageReport {
  /** Days, both included; UTC. */
  readonly from: string;
  readonly to: string;
  readonly currency: string;
  readonly rows: readonly UsageRow[];
}

/** `/slipway/usage…`: the ledger of functions. */
export class Usage {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  report(query: {
    readonly from?: string;
    readonly to?: string;
    readonly by?: string;
  }): Promise<UsageReport> {
    return this.#connection.json('GET', '/slipway/usage', { query });
  }

  /** Every invocation, as CSV or JSON lines. */
  invocations(query: {
    readonly from?: string;
    readonly to?: string;
    readonly format: string;
  }): Promise<IncomingMessage> {
    return this.#connection.request('GET', '/slipway/usage/invocations', { query });
  }
}
