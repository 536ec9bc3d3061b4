import type {
  FilteredLogEvent,
  FilterLogEventsRequest,
  FilterLogEventsResponse,
} from '@aws-sdk/client-cloudwatch-logs';
import type { Connection } from './connection.ts';

/** CloudWatch Logs' API over the daemon's socket. */
export class FunctionLogs {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Lines of a group in the order of their times. @throws NotFound for a group that nothing was written to */
  async *filter(request: FilterLogEventsRequest): AsyncGenerator<FilteredLogEvent> {
    let nextToken: string | undefined;
    do {
      const page: FilterLogEventsResponse = await this.#call('FilterLogEvents', { ...request, nextToken });
      yield* page.events ?? [];
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
  }

  #call<T>(action: string, input: object): Promise<T> {
    return this.#connection.json('POST', '/', {
      json: input,
      headers: { 'Content-Type': 'application/x-amz-json-1.1', 'X-Amz-Target': `Logs_20140328.${action}` },
    });
  }
}
