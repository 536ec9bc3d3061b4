import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import { EventStreamCodec } from '@smithy/core/event-streams';
import { fromUtf8, toUtf8 } from '@smithy/core/serde';
import fc from 'fast-check';
import { AwsCodec, type WireRequest } from './codec.ts';
import { encodeEventMessage } from './event-stream.ts';
import { SERVICES } from './generate.ts';
import { AWS_SERVICES } from './services.ts';
import { comparable, Loop, type Values } from './testing.ts';
import { type Member, splitType, ValueCodec } from './values.ts';

const RUNS = { numRuns: 8 };

const DEEPEST = 3;
/** What may stand in a path, a query and a header. */
const word = fc.stringMatching(/^[A-Za-z0-9$:_./-]{1,20}$/);
const key = fc.stringMatching(/^[a-zA-Z][\w.-]{0,10}$/);
const SIMPLE: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  string: fc.string({ unit: 'grapheme', maxLength: 20 }),
  number: fc.integer(),
  boolean: fc.boolean(),
  blob: fc.uint8Array({ minLength: 1, maxLength: 50 }),
  stream: fc.uint8Array({ minLength: 1, maxLength: 50 }),
  timestamp: fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }),
};

/** Values of a structure, as the SDK's types have them. An event stream is a list of its events. */
class ValuesOf {
  readonly #codec: ValueCodec;
  readonly #isError: (name: string) => boolean;

  constructor({ service }: AwsCodec) {
    this.#codec = new ValueCodec(service.table, service.missing);
    this.#isError = (name) => name in service.table.errors;
  }

  structure(name: string, depth = 0): fc.Arbitrary<Values> {
    if (name === '') return fc.constant({});
    const members = this.#codec.members(name);
    const shape = Object.fromEntries(members.map((member) => [member.name, this.#member(member, depth)]));
    const requiredKeys = members
      .filter(
        ({ isRequired, binding }) =>
          isRequired || binding.idempotencyToken || binding.eventStream || binding.eventPayload,
      )
      .map((member) => member.name);
    return fc.record(depth < DEEPEST ? shape : pick(shape, requiredKeys), { requiredKeys });
  }

  #member({ type, binding }: Member, depth: number): fc.Arbitrary<unknown> {
    if (binding.status) return fc.constant(202);
    if (binding.eventStream) return fc.array(this.#event(type), { maxLength: 4 });
    const isText = binding.label || binding.header !== undefined || binding.query !== undefined;
    if (isText && type === 'string') return word;
    if (isText && type === 'list:string') return fc.array(word, { minLength: 1, maxLength: 3 });
    return this.#value(type, depth);
  }

  #event(union: string): fc.Arbitrary<unknown> {
    const events = this.#codec.members(union).filter(({ type }) => !this.#isError(type));
    return fc.oneof(
      ...events.map(({ name, type }) => this.structure(type).map((value) => ({ [name]: value }))),
    );
  }

  #value(type: string, depth: number): fc.Arbitrary<unknown> {
    const [head, rest] = splitType(type);
    if (head === 'list') return fc.array(this.#value(rest, depth + 1), { maxLength: 2 });
    if (head === 'map') return fc.dictionary(key, this.#value(rest, depth + 1), { maxKeys: 2 });
    return SIMPLE[head] ?? fc.constant(null).chain(() => this.structure(type, depth + 1));
  }
}

const pick = <T>(record: Record<string, T>, keys: readonly string[]): Record<string, T> =>
  Object.fromEntries(Object.entries(record).filter(([name]) => keys.includes(name)));

for (const service of SERVICES) {
  const loop = new Loop(service);
  const { table } = loop.codec.service;
  const values = new ValuesOf(loop.codec);

  test(`what AWS's client of ${service.name} sends is read as it was given, and it reads what is answered`, async () => {
    for (const [operation, [inputName, outputName]] of Object.entries(table.operations)) {
      await fc.assert(
        fc.asyncProperty(values.structure(inputName), values.structure(outputName), async (input, output) => {
          const events = streamOf(table.structures[outputName]?.members ?? {});
          const given =
            events === undefined ? output : { ...output, [events]: iterate(output[events] as Values[]) };
          const reply = loop.codec.encodeOutput(operation, given);
          const { decoded, answer } = await loop.exchange(operation, input, reply);
          assert.deepEqual(comparable(withoutImplied(decoded, input)), comparable(input), operation);
          const got = events === undefined ? answer : { ...answer, [events]: await collect(answer[events]) };
          assert.deepEqual(comparable(withoutImplied(got, output)), comparable(output), operation);
        }),
        RUNS,
      );
    }
  });

  test(`AWS's client of ${service.name} throws every exception as it is modelled`, async () => {
    const [operation = '', row] =
      Object.entries(table.operations).find(
        ([, [input]]) => input === '' || !table.structures[input]?.required,
      ) ?? [];
    assert.ok(row, 'an operation that needs nothing');
    for (const [name, { status, members }] of Object.entries(table.errors)) {
      const details = Object.fromEntries(
        Object.entries(members)
          .filter(([member, type]) => type === 'string' && !/^(message|type)$/i.test(member))
          .map(([member]) => [member, `the ${member}`]),
      );
      const reply = loop.codec.encodeError(name, 400, { ...details, message: 'it is so' });
      assert.equal(reply.status, status, name);
      const error = await loop.exchange(operation, {}, reply).then(
        () => assert.fail(`${name} was no error`),
        (thrown: Error) => thrown,
      );
      assert.equal(error.name, name);
      assert.equal(error.message || (error as unknown as Values)['Message'], 'it is so', name);
      for (const [member, value] of Object.entries(details)) {
        assert.equal((error as unknown as Values)[member], value, name);
      }
    }
  });
}

test("SQS's errors have their names of the query protocol in the head, and its statuses", () => {
  const codec = new AwsCodec(AWS_SERVICES.sqs);
  const told = (exception: string) => {
    const { status, headers, body } = codec.encodeError(exception, 400, { message: 'it is so' });
    const { __type, message } = JSON.parse(String(body)) as Values;
    assert.equal(message, 'it is so');
    return [status, headers['x-amzn-query-error'], __type];
  };
  const common = 'com.amazon.coral.service';
  // As the real one was recorded to answer: an unknown access key, a wrong secret, no signature, a value, an operation.
  for (const [exception, ...answer] of [
    [
      'UnrecognizedClientException',
      403,
      'InvalidClientTokenId;Sender',
      `${common}#UnrecognizedClientException`,
    ],
    ['InvalidSignatureException', 403, 'SignatureDoesNotMatch;Sender', `${common}#InvalidSignatureException`],
    ['MissingAuthenticationTokenException', 403, 'AccessDenied;Sender', `${common}#AccessDeniedException`],
    [
      'InvalidParameterValueException',
      400,
      'InvalidParameterValue;Sender',
      `${common}#InvalidParameterValueException`,
    ],
    ['UnknownOperationException', 400, 'InvalidAction;Sender', `${common}#UnknownOperationException`],
    ['InvalidAttributeName', 400, 'InvalidAttributeName;Sender', 'com.amazonaws.sqs#InvalidAttributeName'],
    [
      'QueueDoesNotExist',
      400,
      'AWS.SimpleQueueService.NonExistentQueue;Sender',
      'com.amazonaws.sqs#QueueDoesNotExist',
    ],
  ] as const) {
    assert.deepEqual(told(exception), answer, exception);
  }
});

/** What the client adds: empty payloads, and the status and content type that every reply has. */
const withoutImplied = (got: Values, given: Values): Values =>
  Object.fromEntries(
    Object.entries(got).filter(
      ([name, value]) =>
        name in given ||
        !(/^Status(?:Code)?$|ContentType$/.test(name) || Object.keys(value ?? {}).length === 0),
    ),
  );

const streamOf = (members: Readonly<Record<string, unknown>>): string | undefined =>
  Object.entries(members).find(([, row]) => Array.isArray(row) && row[1].eventStream)?.[0];

async function* iterate(events: readonly Values[]): AsyncGenerator<Values> {
  yield* events;
}

async function collect(events: unknown): Promise<unknown[]> {
  const collected: unknown[] = [];
  for await (const event of events as AsyncIterable<unknown>) collected.push(event);
  return collected;
}

test('a message of an event stream is read by the codec of the SDK', () => {
  const codec = new EventStreamCodec(toUtf8, fromUtf8);
  const name = fc.stringMatching(/^:?[a-z][a-z-]{0,30}$/);
  fc.assert(
    fc.property(
      fc.dictionary(name, fc.string({ unit: 'grapheme', maxLength: 60 }), {
        maxKeys: 5,
        noNullPrototype: true,
      }),
      fc.uint8Array({ maxLength: 500 }),
      (headers, body) => {
        const message = codec.decode(encodeEventMessage({ headers, body }));
        const read = Object.entries(message.headers).map(([key, { value }]) => [key, value]);
        assert.deepEqual(Object.fromEntries(read), headers);
        assert.deepEqual(Buffer.from(message.body), Buffer.from(body));
      },
    ),
  );
});

const lambda = new AwsCodec(AWS_SERVICES.lambda);
const request = (body: string, more: Partial<WireRequest> = {}): WireRequest => ({
  labels: {},
  query: new URLSearchParams(),
  headers: {},
  body: Buffer.from(body),
  ...more,
});
const create = (body: string) => lambda.decodeInput('CreateFunction', request(body));

test('input of another type, without a required member or that is no JSON is refused as the service does', () => {
  assert.throws(() => create('{'), {
    reason: 'InvalidRequestContentException',
    message: /^Could not parse request body into json: /,
  });
  assert.throws(() => create('[]'), { reason: 'SerializationException' });
  assert.throws(() => create('{"FunctionName":1}'), {
    reason: 'SerializationException',
    message: 'FunctionName: NUMBER_VALUE can not be converted to a String',
  });
  assert.throws(() => create('{"FunctionName":"a","Role":"r","Code":{"ZipFile":"%"}}'), {
    reason: 'SerializationException',
  });
  assert.throws(() => create('{"FunctionName":"a"}'), {
    reason: 'ValidationException',
    message: /Value null at 'role' failed to satisfy constraint: Member must not be null/,
  });
  assert.throws(
    () => lambda.decodeInput('ListFunctions', request('', { query: new URLSearchParams('MaxItems=many') })),
    { reason: 'SerializationException' },
  );
  const logs = new AwsCodec(AWS_SERVICES.logs);
  assert.throws(() => logs.decodeInput('CreateLogGroup', request('{}')), {
    reason: 'InvalidParameterException',
  });
  const sqs = new AwsCodec(AWS_SERVICES.sqs);
  assert.throws(() => sqs.decodeInput('SendMessage', request('{}')), {
    message: 'The request must contain the parameter QueueUrl.',
  });
});

test('whatever body comes, it is read or refused as the client’s mistake', () => {
  const operations = Object.keys(AWS_SERVICES.lambda.table.operations);
  const body = fc.oneof(
    fc.string(),
    fc.json(),
    fc.json().map((json) => `{"Code":${json},"Tags":${json}}`),
  );
  fc.assert(
    fc.property(fc.constantFrom(...operations), body, (operation, text) => {
      try {
        lambda.decodeInput(operation, request(text));
      } catch (error) {
        assert.ok(isSlipwayError(error, 'InvalidArgument'), String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('a key that is a trap in JavaScript is a key like others', () => {
  const input = create(
    '{"FunctionName":"f","Role":"r","Code":{},"Tags":{"__proto__":"x","constructor":"y"}}',
  );
  assert.deepEqual(Object.entries(input['Tags'] as object), [
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ]);
});
