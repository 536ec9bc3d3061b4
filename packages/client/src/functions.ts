import type {
  AliasConfiguration,
  CreateFunctionUrlConfigRequest,
  FunctionConfiguration,
  FunctionUrlConfig,
  GetFunctionResponse,
} from '@aws-sdk/client-lambda';
import type { ProgressMessage } from '@slipway/api/docker';
import type { Connection, RequestOptions } from './connection.ts';

const ROOT = '/2015-03-31/functions';
const URL_ROOT = '/2021-10-31/functions';

/** What `CreateFunction` takes, as it is on the wire: blobs are base64. */
export interface FunctionDefinition {
  readonly FunctionName: string;
  readonly Role: string;
  readonly Runtime?: string;
  readonly Handler?: string;
  readonly PackageType?: 'Zip' | 'Image';
  readonly Code: FunctionCode;
  readonly MemorySize?: number;
  readonly Timeout?: number;
  readonly EphemeralStorage?: { readonly Size: number };
  readonly Environment?: { readonly Variables: Readonly<Record<string, string>> };
  readonly Layers?: readonly string[];
  readonly Description?: string;
  readonly Tags?: Readonly<Record<string, string>>;
}

export interface FunctionCode {
  /** Base64. */
  readonly ZipFile?: string;
  readonly ImageUri?: string;
}

/** What an invocation came to. */
export interface Invoked {
  readonly payload: Buffer;
  /** `Handled` or `Unhandled`; undefined when the function answered. */
  readonly functionError: string | undefined;
  readonly executedVersion: string;
  readonly requestId: string;
  /** The last 4 KB of its log. */
  readonly logTail: string;
  /** Slipway's own report; absent for an asynchronous invocation. */
  readonly report: InvocationReport | undefined;
}

/** The REPORT line as data, and where the time of a cold start went; milliseconds and megabytes. */
export interface InvocationReport {
  readonly durationMs: number;
  readonly billedMs: number;
  readonly memorySizeMb: number;
  readonly maxMemoryUsedMb: number;
  readonly initMs?: number;
  readonly coldStart?: { readonly placeMs: number; readonly startMs: number; readonly initMs: number };
}

/** A failed invocation that can be run again. */
export interface FailedInvocation {
  readonly requestId: string;
  readonly functionName: string;
  readonly version: string;
  readonly atMs: number;
  readonly error: string;
  /** Of the event, in bytes. */
  readonly sizeBytes: number;
}

/** What a function can be run by, and the image that it is. */
export interface RuntimeStatus {
  readonly name: string;
  readonly image: string;
  readonly isReady: boolean;
  readonly sizeBytes?: number;
}

/** AWS Lambda's API over the daemon's socket, and what Slipway adds to it. */
export class Functions {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  create(definition: FunctionDefinition): Promise<FunctionConfiguration> {
    return this.#connection.json('POST', ROOT, { json: definition });
  }

  updateCode(
    name: string,
    code: FunctionCode & { readonly Publish?: boolean },
  ): Promise<FunctionConfiguration> {
    return this.#connection.json('PUT', `${at(name)}/code`, { json: code });
  }

  updateConfiguration(
    name: string,
    changes: Omit<Partial<FunctionDefinition>, 'FunctionName' | 'Code' | 'Tags' | 'PackageType'>,
  ): Promise<FunctionConfiguration> {
    return this.#connection.json('PUT', `${at(name)}/configuration`, { json: changes });
  }

  async tag(name: string, tags: Readonly<Record<string, string>>): Promise<void> {
    const { FunctionArn = '' } = await this.configuration(name);
    await this.#connection.empty('POST', `/2017-03-31/tags/${encodeURIComponent(FunctionArn)}`, {
      json: { Tags: tags },
    });
  }

  async untag(name: string, keys: readonly string[]): Promise<void> {
    const { FunctionArn = '' } = await this.configuration(name);
    await this.#connection.empty('DELETE', `/2017-03-31/tags/${encodeURIComponent(FunctionArn)}`, {
      query: { tagKeys: keys },
    });
  }

  get(name: string, qualifier = ''): Promise<GetFunctionResponse> {
    return this.#connection.json('GET', at(name), { query: { Qualifier: qualifier } });
  }

  configuration(name: string, qualifier = ''): Promise<FunctionConfiguration> {
    return this.#connection.json('GET', `${at(name)}/configuration`, { query: { Qualifier: qualifier } });
  }

  async *list(): AsyncGenerator<FunctionConfiguration> {
    yield* this.#pages<FunctionConfiguration>(ROOT, 'Functions');
  }

  versions(name: string): AsyncGenerator<FunctionConfiguration> {
    return this.#pages(`${at(name)}/versions`, 'Versions');
  }

  aliases(name: string): AsyncGenerator<AliasConfiguration> {
    return this.#pages(`${at(name)}/aliases`, 'Aliases');
  }

  publish(name: string, description: string): Promise<FunctionConfiguration> {
    return this.#connection.json('POST', `${at(name)}/versions`, { json: { Description: description } });
  }

  createAlias(name: string, alias: string, version: string): Promise<AliasConfiguration> {
    return this.#connection.json('POST', `${at(name)}/aliases`, {
      json: { Name: alias, FunctionVersion: version },
    });
  }

  /** `weights`: what share another version gets, 0 to 1. */
  updateAlias(
    name: string,
    alias: string,
    version: string,
    weights: Readonly<Record<string, number>>,
  ): Promise<AliasConfiguration> {
    return this.#connection.json('PUT', `${at(name)}/aliases/${encodeURIComponent(alias)}`, {
      json: { FunctionVersion: version, RoutingConfig: { AdditionalVersionWeights: weights } },
    });
  }

  remove(name: string, qualifier = ''): Promise<void> {
    return this.#connection.empty('DELETE', at(name), { query: { Qualifier: qualifier } });
  }

  /** Waits for the answer; with `async`, only until it is accepted. */
  invoke(
    name: string,
    payload: Uint8Array,
    options: { readonly qualifier?: string; readonly async?: boolean } = {},
  ): Promise<Invoked> {
    return this.#run(`${at(name)}/invocations`, payload, {
      query: { Qualifier: options.qualifier },
      headers: {
        'X-Amz-Invocation-Type': options.async ? 'Event' : 'RequestResponse',
        'X-Amz-Log-Type': options.async ? undefined : 'Tail',
      },
    });
  }

  /** The same in an environment that waits for a debugger at `port` of 127.0.0.1. */
  debug(
    name: string,
    payload: Uint8Array,
    query: { readonly port: number; readonly qualifier: string },
  ): Promise<Invoked> {
    return this.#run(`${own(name)}/debug`, payload, { query });
  }

  async #run(
    path: string,
    payload: Uint8Array,
    options: Pick<RequestOptions, 'query' | 'headers'>,
  ): Promise<Invoked> {
    const { Readable } = await import('node:stream');
    const response = await this.#connection.request('POST', path, {
      ...options,
      body: Readable.from([payload], { objectMode: false }),
      contentType: 'application/json',
    });
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    const header = (headerName: string): string | undefined => {
      const value = response.headers[headerName];
      return Array.isArray(value) ? value[0] : value;
    };
    const report = header('x-slipway-report');
    return {
      payload: Buffer.concat(chunks),
      functionError: header('x-amz-function-error'),
      executedVersion: header('x-amz-executed-version') ?? '',
      requestId: header('x-amzn-requestid') ?? '',
      logTail: Buffer.from(header('x-amz-log-result') ?? '', 'base64').toString('utf8'),
      report: report === undefined ? undefined : (JSON.parse(report) as InvocationReport),
    };
  }

  /** Undefined when it has none. */
  async findUrl(name: string, qualifier = ''): Promise<FunctionUrlConfig | undefined> {
    const found = await this.#connection
      .json<FunctionUrlConfig>('GET', `${urlAt(name)}/url`, { query: { Qualifier: qualifier } })
      .catch((error) => {
        if (error.code === 'NotFound') return undefined;
        throw error;
      });
    return found;
  }

  createUrl(
    name: string,
    config: Pick<CreateFunctionUrlConfigRequest, 'AuthType' | 'Cors' | 'InvokeMode' | 'Qualifier'>,
  ): Promise<FunctionUrlConfig> {
    const { Qualifier, ...json } = config;
    return this.#connection.json('POST', `${urlAt(name)}/url`, { query: { Qualifier }, json });
  }

  updateUrl(
    name: string,
    config: Pick<CreateFunctionUrlConfigRequest, 'AuthType' | 'Cors' | 'InvokeMode' | 'Qualifier'>,
  ): Promise<FunctionUrlConfig> {
    const { Qualifier, ...json } = config;
    return this.#connection.json('PUT', `${urlAt(name)}/url`, { query: { Qualifier }, json });
  }

  removeUrl(name: string, qualifier = ''): Promise<void> {
    return this.#connection.empty('DELETE', `${urlAt(name)}/url`, { query: { Qualifier: qualifier } });
  }

  /** Lets everybody invoke it by its URL, as Lambda wants it said of a URL without authentication. */
  allowUrl(name: string, qualifier = ''): Promise<void> {
    return this.#connection.empty('POST', `${at(name)}/policy`, {
      query: { Qualifier: qualifier },
      json: {
        StatementId: 'FunctionURLAllowPublicAccess',
        Action: 'lambda:InvokeFunctionUrl',
        Principal: '*',
        FunctionUrlAuthType: 'NONE',
      },
    });
  }

  async runtimes(): Promise<readonly RuntimeStatus[]> {
    const { runtimes } = await this.#connection.json<{ readonly runtimes: RuntimeStatus[] }>(
      'GET',
      '/slipway/runtimes',
    );
    return runtimes;
  }

  /** Makes the image of a runtime unless it is there. */
  prepareRuntime(name: string): Promise<AsyncGenerator<ProgressMessage>> {
    return this.#connection.lines('POST', `/slipway/runtimes/${encodeURIComponent(name)}/prepare`);
  }

  /** The newest first. */
  async failures(name: string): Promise<FailedInvocation[]> {
    return await this.#connection.json('GET', `${own(name)}/failures`);
  }

  /** A failed invocation's event. @throws NotFound */
  async failedEvent(
    requestId: string,
  ): Promise<{ readonly failure: FailedInvocation; readonly event: Buffer }> {
    const { event, ...failure } = await this.#connection.json<FailedInvocation & { readonly event: string }>(
      'GET',
      `/slipway/functions/failures/${encodeURIComponent(requestId)}`,
    );
    return { failure, event: Buffer.from(event, 'base64') };
  }

  /** A container like its execution environments, in which nothing runs; remove it when it is not wanted any more. */
  openCopy(name: string, qualifier: string): Promise<{ readonly containerId: string }> {
    return this.#connection.json('POST', `${own(name)}/copies`, { query: { qualifier } });
  }

  /** Ends its environments: the next invocation is a cold start. */
  endEnvironments(name: string): Promise<void> {
    return this.#connection.empty('DELETE', `${own(name)}/environments`);
  }

  async *#pages<T>(path: string, member: string): AsyncGenerator<T> {
    let Marker: string | undefined;
    do {
      const page: Record<string, unknown> = await this.#connection.json('GET', path, { query: { Marker } });
      yield* (page[member] ?? []) as T[];
      Marker = page['NextMarker'] as string | undefined;
    } while (Marker);
  }
}

const at = (name: string): string => `${ROOT}/${encodeURIComponent(name)}`;
const own = (name: string): string => `/slipway/functions/${encodeURIComponent(name)}`;
const urlAt = (name: string): string => `${URL_ROOT}/${encodeURIComponent(name)}`;
