import { errorMessage, SlipwayError } from '@slipway/base/errors';
import { encodeEventMessage } from './event-stream.ts';
import type { AwsService } from './services.ts';
import type { OperationRow } from './table.ts';
import {
  decodeTimestamp,
  formatTimestamp,
  type Member,
  mismatch,
  requireObject,
  splitType,
  ValueCodec,
} from './values.ts';

/** A request, as much of it as an operation's input is in. */
export interface WireRequest {
  /** What the path's labels stand for, decoded. */
  readonly labels: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
}

export interface WireResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined: none. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined;
}

const EVENT_STREAM = 'application/vnd.amazon.eventstream';
const CONTENT_TYPES = {
  restJson1: 'application/json',
  awsJson1_0: 'application/x-amz-json-1.0',
  awsJson1_1: 'application/x-amz-json-1.1',
} as const;

/** Between a service's requests and replies on the wire and its operations' inputs and outputs. */
export class AwsCodec {
  readonly service: AwsService;
  readonly #values: ValueCodec;
  readonly #contentType: string;
  readonly #isRest: boolean;

  constructor(service: AwsService) {
    this.service = service;
    this.#values = new ValueCodec(service.table, service.missing);
    this.#contentType = CONTENT_TYPES[service.table.protocol];
    this.#isRest = service.table.protocol === 'restJson1';
  }

  /**
   * An operation's input as the SDK's types have it: blobs are `Uint8Array`s (streamed ones too), timestamps `Date`s.
   * @throws InvalidArgument with the exception that the service itself has for it: SerializationException, ValidationException, …
   */
  decodeInput(operation: string, request: WireRequest): Record<string, unknown> {
    const [structure] = this.#operation(operation);
    if (structure === '') return {};
    const isInBody = this.#isRest ? isBodyMember : () => true;
    const input: Record<string, unknown> = {};
    let json: Readonly<Record<string, unknown>> | undefined;
    for (const member of this.#values.members(structure)) {
      let value: unknown;
      if (isInBody(member)) {
        json ??= this.#parse(request.body);
        const given = json[member.wireName];
        value = given == null ? undefined : this.#values.decode(member.type, member.name)(given);
      } else {
        value = this.#decodeBound(member, request);
      }
      if (value !== undefined) input[member.name] = value;
    }
    this.#values.requireMembers(structure, input);
    return input;
  }

  /** What an operation answered. An event stream and a streamed blob are read while they are sent. */
  encodeOutput(operation: string, output: object): WireResponse {
    const [, structure, , , status = 200] = this.#operation(operation);
    if (structure === '') return this.#emptyOutput(status);
    const values = output as Readonly<Record<string, unknown>>;
    const members = this.#values.members(structure);
    const payload = members.find(({ binding }) => binding.payload || binding.eventStream);
    const head = this.#encodeHead(members, values, status);
    if (payload === undefined) {
      const body = this.#isRest ? members.filter(isBodyMember) : members;
      if (head.status === 204 || (this.#isRest && body.length === 0 && members.length > 0)) {
        return { ...head, body: undefined };
      }
      return this.#json(head, this.#encodeMembers(body, values));
    }
    return this.#encodePayload(structure, head, payload, values[payload.name]);
  }

  /** An exception's reply; `members` are its message and what else it is modelled to have. */
  encodeError(exception: string, status: number, members: Readonly<Record<string, unknown>>): WireResponse {
    const row = this.service.table.errors[exception];
    const { status: own, headers, type } = this.#nameError(exception, status);
    const body: Record<string, unknown> = this.#isRest ? {} : { __type: type };
    if (row === undefined) {
      body['message'] = members['message'];
    } else {
      for (const member of this.#values.members(exception)) {
        const value = members[member.name] ?? this.#impliedMember(member.name, row.status, members);
        if (value === undefined) continue;
        if (member.binding.header === undefined)
          body[member.wireName] = this.#values.encode(member.type)(value);
        else headers[member.binding.header] = String(value);
      }
      // Some are modelled without one, but people read it.
      if (body['message'] === undefined && body['Message'] === undefined)
        body['message'] = members['message'];
    }
    return this.#json({ status: own, headers }, body);
  }

  /** What an exception is called in head and body, and its status, where that is not `status`. */
  #nameError(exception: string, status: number) {
    const { table, queryErrors } = this.service;
    const row = table.errors[exception];
    const common = row === undefined ? queryErrors?.common[exception] : undefined;
    const name = common?.name ?? exception;
    const own = row?.status ?? common?.status ?? status;
    const headers: Record<string, string> = { 'x-amzn-ErrorType': name };
    if (queryErrors === undefined) return { status: own, headers, type: name };
    const queryCode = row?.queryCode ?? common?.queryCode ?? name;
    headers['x-amzn-query-error'] = `${queryCode};${own < 500 ? 'Sender' : 'Receiver'}`;
    const namespace = row === undefined ? queryErrors.commonNamespace : queryErrors.namespace;
    return { status: own, headers, type: `${namespace}#${name}` };
  }

  #operation(name: string): OperationRow {
    const row = this.service.table.operations[name];
    if (row === undefined) {
      throw new SlipwayError('Internal', `${this.service.table.title} has no operation "${name}"`);
    }
    return row;
  }

  #parse(body: Uint8Array): Readonly<Record<string, unknown>> {
    if (body.byteLength === 0) return {};
    let value: unknown;
    try {
      value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
    } catch (cause) {
      throw new SlipwayError(
        'InvalidArgument',
        `Could not parse request body into json: ${errorMessage(cause)}`,
        { cause, reason: this.service.badJson },
      );
    }
    return value === null ? {} : requireObject(value, 'the body');
  }

  #decodeBound({ name, type, binding }: Member, { labels, query, headers, body }: WireRequest): unknown {
    if (binding.label) return parseText(labels[name], type, name);
    if (binding.header !== undefined) return parseText(headers[binding.header.toLowerCase()], type, name);
    if (binding.query !== undefined) {
      const given = query.getAll(binding.query);
      if (given.length === 0) return undefined;
      const [head, rest] = splitType(type);
      return head === 'list'
        ? given.map((text) => parseText(text, rest, name))
        : parseText(given[0], type, name);
    }
    if (!binding.payload || body.byteLength === 0) return undefined;
    return type === 'blob' || type === 'stream' ? body : this.#values.decode(type, name)(this.#parse(body));
  }

  #emptyOutput(status: number): WireResponse {
    const headers = {};
    return this.#isRest ? { status, headers, body: undefined } : this.#json({ status, headers }, {});
  }

  #encodeHead(members: readonly Member[], values: Readonly<Record<string, unknown>>, status: number) {
    const headers: Record<string, string> = {};
    let told = status;
    if (this.#isRest) {
      for (const { name, type, binding } of members) {
        const value = values[name];
        if (value === undefined || value === null) continue;
        if (binding.status) told = Number(value);
        if (binding.header !== undefined) headers[binding.header] = formatHeader(value, type);
      }
    }
    return { status: told, headers };
  }

  #encodeMembers(
    members: readonly Member[],
    values: Readonly<Record<string, unknown>>,
  ): Record<string, unknown> {
    const body: Record<string, unknown> = {};
    for (const { name, wireName, type } of members) {
      const value = values[name];
      if (value !== undefined && value !== null) body[wireName] = this.#values.encode(type)(value);
    }
    return body;
  }

  #encodePayload(
    structure: string,
    head: { readonly status: number; readonly headers: Readonly<Record<string, string>> },
    { type, binding }: Member,
    value: unknown,
  ): WireResponse {
    const headers = { 'Content-Type': this.#contentType, ...head.headers };
    if (binding.eventStream) {
      const events = value as AsyncIterable<Readonly<Record<string, unknown>>>;
      return {
        status: head.status,
        headers: { ...headers, 'Content-Type': head.headers['Content-Type'] ?? EVENT_STREAM },
        body: this.#encodeEvents(structure, type, events),
      };
    }
    if (value === undefined || value === null) return { ...head, body: undefined };
    if (type === 'blob' || type === 'stream') {
      return { status: head.status, headers, body: value as Uint8Array | AsyncIterable<Uint8Array> };
    }
    return this.#json(head, this.#values.encode(type)(value));
  }

  /** Clients of the JSON protocols wait for the rest of the output as a first event, also when there is none. */
  async *#encodeEvents(
    structure: string,
    union: string,
    events: AsyncIterable<Readonly<Record<string, unknown>>>,
  ): AsyncGenerator<Uint8Array> {
    if (!this.#isRest) yield this.#event('initial-response', this.#toBytes({}), this.#contentType);
    const members = new Map(this.#values.members(union).map((member) => [member.name, member]));
    for await (const event of events) {
      const [name = ''] = Object.keys(event);
      const member = members.get(name);
      if (member === undefined) {
        throw new SlipwayError('Internal', `${structure}: there is no event "${name}"`);
      }
      yield this.#encodeEvent(member, event[name]);
    }
  }

  #encodeEvent({ name, type }: Member, value: unknown): Uint8Array {
    const members = this.#values.members(type);
    const values = value as Readonly<Record<string, unknown>>;
    const payload = members.find(({ binding }) => binding.eventPayload);
    if (payload !== undefined) {
      const bytes = (values[payload.name] ?? new Uint8Array()) as Uint8Array;
      return this.#event(name, bytes, 'application/octet-stream');
    }
    const body = this.#toBytes(this.#encodeMembers(members, values));
    if (this.service.table.errors[type] === undefined) return this.#event(name, body, this.#contentType);
    return encodeEventMessage({
      headers: { ':message-type': 'exception', ':exception-type': name, ':content-type': this.#contentType },
      body,
    });
  }

  #event(type: string, body: Uint8Array, contentType: string): Uint8Array {
    return encodeEventMessage({
      headers: { ':message-type': 'event', ':event-type': type, ':content-type': contentType },
      body,
    });
  }

  /** Messages are modelled under two names, and Lambda's exceptions say whose fault it was. */
  #impliedMember(name: string, status: number, members: Readonly<Record<string, unknown>>): unknown {
    if (name === 'Message' || name === 'message') return members['message'];
    return name === 'Type' ? (status < 500 ? 'User' : 'Service') : undefined;
  }

  #json(
    { status, headers }: { readonly status: number; readonly headers: Readonly<Record<string, string>> },
    value: unknown,
  ): WireResponse {
    return {
      status,
      headers: { 'Content-Type': this.#contentType, ...headers },
      body: this.#toBytes(value),
    };
  }

  #toBytes(value: unknown): Uint8Array {
    return Buffer.from(JSON.stringify(value));
  }
}

/** Whether the member stands in the body's JSON. */
const isBodyMember = ({ binding }: Member): boolean =>
  !binding.label &&
  !binding.payload &&
  !binding.status &&
  !binding.eventStream &&
  binding.query === undefined &&
  binding.header === undefined;

/** A label, a parameter or a header. @throws InvalidArgument SerializationException */
function parseText(text: string | undefined, type: string, name: string): unknown {
  if (text === undefined) return undefined;
  const [head] = splitType(type);
  switch (head) {
    case 'number': {
      const number = Number(text === '' ? Number.NaN : text);
      if (Number.isNaN(number)) throw mismatch(text, 'Number', name);
      return number;
    }
    case 'boolean':
      if (text !== 'true' && text !== 'false') throw mismatch(text, 'Boolean', name);
      return text === 'true';
    case 'timestamp':
      return decodeTimestamp(text, name);
    default:
      return text;
  }
}

function formatHeader(value: unknown, type: string): string {
  const [head, rest] = splitType(type);
  return head === 'timestamp' ? formatTimestamp(value as Date, rest || 'http-date') : String(value);
}
