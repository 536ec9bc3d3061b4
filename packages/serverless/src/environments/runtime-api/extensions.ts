import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Invocation } from '../environment.ts';
import { readBody, sendError, sendJson } from './replies.ts';

const MAX_BODY_BYTES = 256 * 1024;
/** External and internal ones together. */
const MAX_EXTENSIONS = 10;

export type ShutdownReason = 'spindown' | 'timeout' | 'failure';

/** What extensions are told of the function. */
export interface FunctionFacts {
  readonly functionName: string;
  readonly functionVersion: string;
  readonly handler: string;
  readonly accountId: string;
}

interface Extension {
  readonly id: string;
  readonly name: string;
  readonly isExternal: boolean;
  readonly events: ReadonlySet<string>;
  waiting: ServerResponse | undefined;
  /** It asked for an event once, and so has initialised. */
  isReady: boolean;
  /** An event that happened while it was not waiting. */
  readonly pending: object[];
}

export interface ExtensionFailure {
  readonly name: string;
  readonly phase: 'init' | 'exit';
  readonly errorType: string;
  readonly exitCode?: number | undefined;
}

/**
 * The extensions of one environment.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
 */
export class ExtensionRegistry {
  /** Resolves when one says that it failed, or ended. */
  readonly failed = Promise.withResolvers<ExtensionFailure>();
  readonly #allRegistered = Promise.withResolvers<void>();
  readonly #allGone = Promise.withResolvers<void>();
  #running = 0;
  readonly #byId = new Map<string, Extension>();
  readonly #changed: () => void;
  /** Names of programs that were started and have not registered. */
  readonly #expected = new Set<string>();
  #facts: FunctionFacts | undefined;
  #isClosed = false;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  setFunction(facts: FunctionFacts): void {
    this.#facts = facts;
  }

  /** A program of `/opt/extensions` is being started: initialisation waits for it. */
  expect(name: string): void {
    this.#expected.add(name);
    this.#running += 1;
  }

  /** Its process has ended. */
  exited(name: string, exitCode: number): void {
    this.#running -= 1;
    if (this.#running === 0) this.#allGone.resolve();
    this.failed.resolve({ name, phase: 'exit', errorType: 'Extension.Crash', exitCode });
  }

  /** Whether every one waits for its next event. */
  get allWait(): boolean {
    if (this.#expected.size > 0) return false;
    for (const extension of this.#byId.values()) {
      const wants = extension.events.has('INVOKE');
      if (wants ? extension.waiting === undefined : !extension.isReady) return false;
    }
    return true;
  }

  /** Resolves when all that were started have registered, or one failed: only then the runtime may start. */
  get registered(): Promise<unknown> {
    return Promise.race([this.#allRegistered.promise, this.failed.promise]);
  }

  /** Resolves when the processes of all have ended. */
  get gone(): Promise<void> {
    return this.#allGone.promise;
  }

  /** Initialisation is over: no more register. */
  close(): void {
    this.#isClosed = true;
  }

  invoked(invocation: Invocation, deadlineMs: number): void {
    if (this.#byId.size === 0) return;
    this.#send('INVOKE', {
      eventType: 'INVOKE',
      deadlineMs,
      requestId: invocation.requestId,
      invokedFunctionArn: invocation.invokedArn,
      tracing: { type: 'X-Amzn-Trace-Id', value: invocation.traceId ?? '' },
    });
  }

  shutDown(shutdownReason: ShutdownReason, deadlineMs: number): void {
    this.#send('SHUTDOWN', { eventType: 'SHUTDOWN', shutdownReason, deadlineMs });
  }

  /** Whether one of them asked to be told of the end. */
  get wantShutdown(): boolean {
    return [...this.#byId.values()].some(({ events }) => events.has('SHUTDOWN'));
  }

  async register(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request, MAX_BODY_BYTES);
    const name = headerOf(request, 'lambda-extension-name');
    if (name === undefined) {
      return sendError(response, 403, 'Extension.InvalidExtensionName', 'Empty extension name');
    }
    const isExternal = this.#expected.has(name);
    const events = parseEvents(body);
    if (events === undefined) {
      return sendError(response, 403, 'InvalidRequestFormat', 'the body is not {"events":[…]}');
    }
    const wrong = events.find((event) => event !== 'INVOKE' && (event !== 'SHUTDOWN' || !isExternal));
    if (wrong !== undefined) {
      return sendError(response, 403, 'Extension.InvalidEventType', `${wrong}: invalid event type`);
    }
    if (!isExternal && this.#isClosed) {
      return sendError(
        response,
        403,
        'Extension.RegistrationClosed',
        'Extension registration closed already',
      );
    }
    if ([...this.#byId.values()].some((other) => other.name === name)) {
      const message = 'Extension with this name already registered';
      return sendError(response, 403, 'Extension.InvalidExtensionState', message);
    }
    if (this.#byId.size >= MAX_EXTENSIONS) {
      const message = `Extension limit (${MAX_EXTENSIONS}) reached`;
      return sendError(response, 403, 'Extension.TooManyExtensions', message);
    }
    const extension: Extension = {
      id: randomUUID(),
      name,
      isExternal,
      events: new Set(events),
      waiting: undefined,
      isReady: false,
      pending: [],
    };
    this.#byId.set(extension.id, extension);
    if (this.#expected.delete(name) && this.#expected.size === 0) this.#allRegistered.resolve();
    const { accountId, ...facts } = this.#facts ?? {
      accountId: '',
      functionName: '',
      functionVersion: '',
      handler: '',
    };
    const wantsAccount = headerOf(request, 'lambda-extension-accept-feature')?.includes('accountId') === true;
    sendJson(response, wantsAccount ? { ...facts, accountId } : facts, {
      'Lambda-Extension-Identifier': extension.id,
    });
    this.#changed();
  }

  next(request: IncomingMessage, response: ServerResponse): void {
    const extension = this.#find(request, response);
    if (extension === undefined) return;
    extension.isReady = true;
    const event = extension.pending.shift();
    if (event !== undefined) {
      sendEvent(response, event);
      return;
    }
    extension.waiting = response;
    response.on('close', () => {
      if (extension.waiting === response) extension.waiting = undefined;
    });
    this.#changed();
  }

  async fail(
    name: 'init/error' | 'exit/error',
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    await readBody(request, MAX_BODY_BYTES);
    const extension = this.#find(request, response);
    if (extension === undefined) return;
    const errorType = headerOf(request, 'lambda-extension-function-error-type');
    if (errorType === undefined) {
      const message = 'Lambda-Extension-Function-Error-Type header missing';
      return sendError(response, 403, 'Extension.MissingHeader', message);
    }
    sendJson(response, { status: 'OK' }, {}, 202);
    this.failed.resolve({
      name: extension.name,
      phase: name === 'init/error' ? 'init' : 'exit',
      errorType,
    });
  }

  #find(request: IncomingMessage, response: ServerResponse): Extension | undefined {
    const id = headerOf(request, 'lambda-extension-identifier');
    if (id === undefined) {
      const message = 'Missing Lambda-Extension-Identifier header';
      sendError(response, 403, 'Extension.MissingExtensionIdentifier', message);
      return undefined;
    }
    const extension = this.#byId.get(id);
    if (extension === undefined) {
      sendError(response, 403, 'Extension.UnknownExtensionIdentifier', `Unknown extension ${id}`);
    }
    return extension;
  }

  #send(type: string, event: object): void {
    for (const extension of this.#byId.values()) {
      if (!extension.events.has(type)) continue;
      const { waiting } = extension;
      extension.waiting = undefined;
      if (waiting === undefined) extension.pending.push(event);
      else sendEvent(waiting, event);
    }
  }
}

const sendEvent = (response: ServerResponse, event: object): void =>
  sendJson(response, event, { 'Lambda-Extension-Event-Identifier': randomUUID() });

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return value === undefined || value === '' ? undefined : String(value);
}

function parseEvents(body: Buffer | undefined): string[] | undefined {
  try {
    const { events = [] } = JSON.parse(body?.toString() ?? '') as { events?: unknown };
    return Array.isArray(events) && events.every((event) => typeof event === 'string') ? events : undefined;
  } catch {
    return undefined;
  }
}
