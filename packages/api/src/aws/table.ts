/**
 * A service of AWS as its clients speak with it: protocol, operations, shapes. Generated from the schemas of AWS's own
 * JavaScript clients (`generate.ts`), so that nothing of the wire format is written by hand.
 * @see https://smithy.io/2.0/spec/http-bindings.html
 */
export interface ServiceTable {
  /** As people know it: `Lambda`. */
  readonly title: string;
  /** What a signature's scope says: `lambda`. */
  readonly signingName: string;
  readonly protocol: 'restJson1' | 'awsJson1_0' | 'awsJson1_1';
  /** What stands before an operation's name in `X-Amz-Target`, without the dot; of the JSON protocols. */
  readonly target: string;
  readonly operations: Readonly<Record<string, OperationRow>>;
  readonly structures: Readonly<Record<string, StructureRow>>;
  readonly errors: Readonly<Record<string, ErrorRow>>;
}

/** Structures by name (`''` for none), then, in REST, how it is bound to HTTP: method, URI pattern, status. */
export type OperationRow =
  | readonly [input: string, output: string]
  | readonly [input: string, output: string, method: HttpMethod, uri: string, status: number];

export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface StructureRow {
  /** How many of the members, from the first, must be there. */
  readonly required?: number;
  readonly members: Readonly<Record<string, MemberRow>>;
}

export interface ErrorRow extends StructureRow {
  readonly status: number;
  /** What clients of the query protocol knew it by. */
  readonly queryCode?: string;
}

/**
 * A member's type: `string`, `number`, `boolean`, `blob`, `stream` (a blob that may be long), `document`, `timestamp` with
 * its format behind a colon when it has its own, a structure's name, or one of these behind `list:` or `map:`.
 */
export type MemberRow = string | readonly [type: string, binding: Binding];

/** Where a member stands when that is not the body's JSON under its own name. */
export interface Binding {
  readonly label?: true;
  readonly query?: string;
  readonly header?: string;
  /** The whole body. */
  readonly payload?: true;
  /** The status. */
  readonly status?: true;
  readonly jsonName?: string;
  /** The payload is a stream of events, each a member of this union. */
  readonly eventStream?: true;
  /** Of an event: its bytes are the message's payload. */
  readonly eventPayload?: true;
  /** The client makes one up when nobody gave it. */
  readonly idempotencyToken?: true;
}
