import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Invocation, ResponseSink } from '../environment.ts';
import { type FunctionError, parseError, responseTooLarge, truncatedResponse } from '../execution/errors.ts';
import type { Answer } from './answer.ts';
import { ExtensionRegistry } from './extensions.ts';
import { readBody, sendAccepted, sendError } from './replies.ts';
import { handOver, type ResponseLimits, StreamedResponse } from './streamed-response.ts';
import type { TelemetrySubscriptions } from './telemetry.ts';

/** What a process that was started without a function is told. */
export interface Assignment {
  readonly variables: Readonly<Record<string, string>>;
  /** For one that is yet to be started: what to execute, in which folder. */
  readonly args: readonly string[];
  readonly workingDirectory: string;
}

export interface SessionOptions {
  readonly limits: ResponseLimits;
  readonly telemetry: TelemetrySubscriptions;
}

interface Running {
  readonly requestId: string;
  readonly answered: PromiseWithResolvers<Answer>;
  readonly sink: ResponseSink | undefined;
  isAnswering: boolean;
}

/** Names of the runtime's states, as Lambda's own emulator tells them in errors. */
type RuntimeState =
  | 'RuntimeStarted'
  | 'RuntimeInitError'
  | 'RuntimeReady'
  | 'RuntimeRunning'
  | 'RuntimeResponseSent';

/** One environment's side of the Runtime API: which requests are in place, and what they mean. */
export class RuntimeApiSession {
  readonly extensions: ExtensionRegistry;
  readonly telemetry: TelemetrySubscriptions;
  /** Resolves when the runtime waits without a function; once. */
  readonly waitsForAssignment = Promise.withResolvers<void>();
  /** Resolves when runtime and extensions wait for the first invocation. */
  readonly ready = Promise.withResolvers<void>();
  /** Resolves when the runtime says that initialisation failed. */
  readonly initFailed = Promise.withResolvers<FunctionError>();
  readonly #limits: ResponseLimits;
  #state: RuntimeState = 'RuntimeStarted';
  #waiting: ServerResponse | undefined;
  #assignee: { readonly response: ServerResponse; readonly kind: 'process' | 'gate' } | undefined;
  #current: Running | undefined;
  #idle = Promise.withResolvers<void>();
  #isReady = false;

  constructor({ limits, telemetry }: SessionOptions) {
    this.#limits = limits;
    this.telemetry = telemetry;
    this.extensions = new ExtensionRegistry(() => this.#changed());
  }

  /** Whether everything waits for the next invocation, so that nothing is lost when it is frozen. */
  get isIdle(): boolean {
    return this.#isReady && this.#waiting !== undefined && this.extensions.allWait;
  }

  /** Whether initialisation came to its end. */
  get isInitialized(): boolean {
    return this.#isReady;
  }

  /** Resolves when it is idle. */
  async untilIdle(): Promise<void> {
    if (!this.isIdle) await this.#idle.promise;
  }

  /** Tells a process that waits whose it is. */
  assign({ variables, args, workingDirectory }: Assignment): void {
    const assignee = this.#assignee;
    if (assignee === undefined) throw new Error('no process waits to be assigned');
    this.#assignee = undefined;
    const { response, kind } = assignee;
    const body =
      kind === 'process'
        ? JSON.stringify({ variables })
        : // Count and strings, each with a NUL at its end: a C program reads it.
          [
            workingDirectory,
            String(args.length),
            ...args,
            ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
          ]
            .map((text) => `${text}\0`)
            .join('');
    response.writeHead(200, { 'Content-Length': Buffer.byteLength(body) });
    response.end(body);
  }

  /** Hands an invocation over. It must be idle. */
  async invoke(invocation: Invocation, deadlineMs: number): Promise<Answer> {
    const waiting = this.#waiting;
    if (waiting === undefined || !this.#isReady) throw new Error('the environment is not idle');
    this.#waiting = undefined;
    this.#idle = Promise.withResolvers();
    this.#state = 'RuntimeRunning';
    const current: Running = {
      requestId: invocation.requestId,
      answered: Promise.withResolvers(),
      sink: invocation.sink,
      isAnswering: false,
    };
    this.#current = current;
    waiting.writeHead(200, invocationHeaders(invocation, deadlineMs));
    waiting.end(invocation.payload);
    this.extensions.invoked(invocation, deadlineMs);
    return await current.answered.promise;
  }

  /** `GET invocation/next` */
  next(response: ServerResponse): void {
    if (this.#current?.isAnswering === true) this.#current = undefined;
    this.#waiting = response;
    this.#state = 'RuntimeReady';
    response.on('close', () => {
      if (this.#waiting !== response) return;
      if (this.isIdle) this.#idle = Promise.withResolvers();
      this.#waiting = undefined;
    });
    this.#changed();
  }

  /** `POST invocation/{id}/response` */
  async answer(requestId: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const current = this.#begin(requestId, request, response, 'RuntimeInvocationResponse');
    if (current === undefined) return;
    const mode = request.headers['lambda-runtime-function-response-mode'];
    if (mode !== undefined && mode !== 'streaming') {
      current.isAnswering = false;
      request.resume();
      return sendError(response, 400, 'InvalidFunctionResponseMode', 'Invalid function response mode');
    }
    try {
      if (mode === 'streaming') {
        const answer = await new StreamedResponse(request, current.sink, this.#limits).read();
        this.#settle(current, answer, response);
      } else {
        await this.#takeWhole(current, request, response);
      }
    } catch {
      const { errorType, body } = truncatedResponse();
      this.#settle(current, { kind: 'error', payload: body, errorType }, response);
    }
  }

  async #takeWhole(current: Running, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const payload = await readBody(request, this.#limits.bufferedBytes);
    if (payload === undefined) {
      const { errorType, body } = responseTooLarge(this.#limits.bufferedBytes);
      this.#state = 'RuntimeResponseSent';
      current.answered.resolve({ kind: 'error', payload: body, errorType });
      const max = this.#limits.bufferedBytes;
      return sendError(
        response,
        413,
        'RequestEntityTooLarge',
        `Exceeded maximum allowed payload size (${max} bytes).`,
      );
    }
    if (current.sink === undefined) return this.#settle(current, { kind: 'response', payload }, response);
    current.sink.begin(request.headers['content-type'] ?? 'application/octet-stream');
    await handOver(current.sink, payload);
    this.#settle(current, { kind: 'response', payload: new Uint8Array() }, response);
  }

  /** `POST invocation/{id}/error` */
  async fail(requestId: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const current = this.#begin(requestId, request, response, 'RuntimeInvocationErrorResponse');
    if (current === undefined) return;
    const payload = (await readBody(request, this.#limits.bufferedBytes)) ?? new Uint8Array();
    const { errorType } = parseError(payload, request.headers['lambda-runtime-function-error-type']);
    this.#settle(current, { kind: 'error', payload, errorType }, response);
  }

  /** `POST init/error` */
  async failInit(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const payload = (await readBody(request, this.#limits.bufferedBytes)) ?? new Uint8Array();
    if (this.#state !== 'RuntimeStarted') {
      return refuseTransition(response, this.#state, 'RuntimeInitError');
    }
    this.#state = 'RuntimeInitError';
    this.initFailed.resolve(parseError(payload, request.headers['lambda-runtime-function-error-type']));
    sendAccepted(response);
  }

  /** Slipway's own: a process that was started ahead asks whose it is. */
  waitForAssignment(response: ServerResponse, kind: 'process' | 'gate'): void {
    this.#assignee = { response, kind };
    this.waitsForAssignment.resolve();
  }

  /** The invocation that a request is about. What is not in place is answered as Lambda does. */
  #begin(
    requestId: string,
    request: IncomingMessage,
    response: ServerResponse,
    next: string,
  ): Running | undefined {
    const current = this.#current;
    if (current !== undefined && !current.isAnswering && current.requestId === requestId) {
      current.isAnswering = true;
      return current;
    }
    request.resume();
    if (current === undefined || current.isAnswering) refuseTransition(response, this.#state, next);
    else sendError(response, 400, 'InvalidRequestID', 'Invalid request ID');
    return undefined;
  }

  #settle(current: Running, answer: Answer, response: ServerResponse): void {
    this.#state = 'RuntimeResponseSent';
    current.answered.resolve(answer);
    sendAccepted(response);
  }

  #changed(): void {
    if (this.#waiting === undefined || !this.extensions.allWait) return;
    if (!this.#isReady) {
      this.#isReady = true;
      this.extensions.close();
      this.ready.resolve();
    }
    this.#idle.resolve();
  }
}

function refuseTransition(response: ServerResponse, from: string, to: string): void {
  sendError(
    response,
    403,
    'InvalidStateTransition',
    `Transition from ${from} to ${to} failed for runtime. Error: State transition is not allowed`,
  );
}

function invocationHeaders(invocation: Invocation, deadlineMs: number): Record<string, string | number> {
  const headers: Record<string, string | number> = {
    'Lambda-Runtime-Aws-Request-Id': invocation.requestId,
    'Lambda-Runtime-Deadline-Ms': deadlineMs,
    'Lambda-Runtime-Invoked-Function-Arn': invocation.invokedArn,
    'Content-Type': 'application/json',
    'Content-Length': invocation.payload.byteLength,
  };
  if (invocation.traceId !== undefined) headers['Lambda-Runtime-Trace-Id'] = invocation.traceId;
  if (invocation.clientContext !== undefined) {
    // A header holds bytes; what is not ASCII in it is UTF-8.
    headers['Lambda-Runtime-Client-Context'] = Buffer.from(invocation.clientContext).toString('latin1');
  }
  return headers;
}
