import { statSync } from 'node:fs';
import { newUuid } from '@slipway/base';
import type { Database } from '@slipway/store';
import { awsError } from '../aws/index.ts';
import { checkMapping, type MappedSource, type Mapping } from './mapping.ts';
import { parsePattern } from './patterns.ts';
import { type MappingRecords, openMappingRecords } from './records.ts';
import { MappingRunner, type RunnerParts } from './runner.ts';
import { openSource, type SourceParts } from './sources/open.ts';

export interface EventSourceMappingsParts extends RunnerParts, Omit<SourceParts, 'cursors'> {
  readonly database: Database;
}

/** What a client is told of a mapping. */
export type MappingState =
  | 'Creating'
  | 'Enabling'
  | 'Enabled'
  | 'Disabling'
  | 'Disabled'
  | 'Updating'
  | 'Deleting';

export interface MappingView {
  readonly mapping: Mapping;
  readonly state: MappingState;
  readonly lastResult: string;
}

/** What can be said of a mapping when it is made, and changed later. */
export type MappingSettings = Pick<
  Mapping,
  | 'isEnabled'
  | 'batchSize'
  | 'windowSeconds'
  | 'filters'
  | 'maxConcurrency'
  | 'reportsItemFailures'
  | 'onFailure'
  | 'maxRetries'
>;

interface Change {
  readonly state: MappingState;
  /** The one that is ending. */
  readonly runner: MappingRunner | undefined;
  readonly done: Promise<void>;
}

/** The mappings of event sources to functions, and what runs them. */
export class EventSourceMappings implements AsyncDisposable {
  readonly #parts: EventSourceMappingsParts;
  readonly #records: MappingRecords;
  readonly #mappings = new Map<string, Mapping>();
  readonly #runners = new Map<string, MappingRunner>();
  /** Changes that are under way: the old runner ends, then the new one begins. */
  readonly #changes = new Map<string, Change>();
  #isStarted = false;
  #isEnding = false;

  constructor(parts: EventSourceMappingsParts) {
    this.#parts = parts;
    this.#records = openMappingRecords(parts.database);
    for (const mapping of this.#records.list()) this.#mappings.set(mapping.uuid, mapping);
  }

  /** Begins to run the mappings. */
  start(): void {
    this.#isStarted = true;
    for (const mapping of this.#mappings.values()) this.#run(mapping);
  }

  /**
   * @throws NotFound ResourceNotFoundException for the function; Conflict ResourceConflictException when there is one;
   * InvalidArgument InvalidParameterValueException
   */
  create(
    request: MappingSettings & {
      readonly functionReference: string;
      readonly source: MappedSource;
      readonly tags: Readonly<Record<string, string>>;
      readonly region: string;
    },
  ): MappingView {
    const { functionReference, ...settings } = request;
    const mapping = this.#checked({
      ...settings,
      ...this.#resolve(functionReference, request.region),
      uuid: newUuid(this.#parts.random),
      modifiedAtMs: this.#parts.clock.nowMs(),
    });
    const same = this.list({}).find(
      (other) =>
        other.mapping.functionArn === mapping.functionArn &&
        JSON.stringify(other.mapping.source) === JSON.stringify(mapping.source),
    );
    if (same !== undefined) {
      throw awsError(
        'Conflict',
        'ResourceConflictException',
        `An event source mapping with this event source and function ("${mapping.functionName}") already exists. Please update or delete the existing mapping with UUID ${same.mapping.uuid}`,
        { details: { Type: 'User' } },
      );
    }
    this.#records.save(mapping);
    this.#mappings.set(mapping.uuid, mapping);
    this.#run(mapping);
    return { ...this.get(mapping.uuid), state: 'Creating' };
  }

  /** @throws NotFound ResourceNotFoundException */
  get(uuid: string): MappingView {
    const mapping = this.#mappings.get(uuid);
    if (mapping === undefined) {
      throw awsError('NotFound', 'ResourceNotFoundException', 'The resource you requested does not exist.', {
        details: { Type: 'User' },
      });
    }
    return {
      mapping,
      state: this.#changes.get(uuid)?.state ?? (mapping.isEnabled ? 'Enabled' : 'Disabled'),
      lastResult: this.#runners.get(uuid)?.lastResult ?? 'No records processed',
    };
  }

  /** In the order of their ids. */
  list(filter: {
    readonly functionReference?: string | undefined;
    readonly sourceArn?: string | undefined;
    readonly region?: string | undefined;
  }): MappingView[] {
    const functionArn =
      filter.functionReference === undefined
        ? undefined
        : this.#resolve(filter.functionReference, filter.region).functionArn;
    return [...this.#mappings.values()]
      .filter((mapping) => functionArn === undefined || mapping.functionArn === functionArn)
      .filter(
        ({ source }) =>
          filter.sourceArn === undefined || ('arn' in source && source.arn === filter.sourceArn),
      )
      .sort((a, b) => (a.uuid < b.uuid ? -1 : 1))
      .map(({ uuid }) => this.get(uuid));
  }

  /** @throws NotFound, InvalidArgument; Conflict ResourceInUseException while it changes */
  update(
    uuid: string,
    changes: Partial<MappingSettings> & { readonly functionReference?: string | undefined },
  ): MappingView {
    const before = this.#unchanging(uuid);
    const { functionReference, ...settings } = changes;
    const mapping = this.#checked({
      ...before,
      ...settings,
      ...(functionReference !== undefined && this.#resolve(functionReference, before.region)),
      modifiedAtMs: this.#parts.clock.nowMs(),
    });
    this.#records.save(mapping);
    this.#mappings.set(uuid, mapping);
    const state =
      before.isEnabled === mapping.isEnabled ? 'Updating' : mapping.isEnabled ? 'Enabling' : 'Disabling';
    this.#change(uuid, state, () => this.#run(mapping));
    return { ...this.get(uuid), state };
  }

  /** @throws NotFound */
  setTags(uuid: string, tags: Readonly<Record<string, string>>): void {
    const mapping = { ...this.get(uuid).mapping, tags };
    this.#records.save(mapping);
    this.#mappings.set(uuid, mapping);
  }

  /** @throws NotFound; Conflict ResourceInUseException while it changes */
  delete(uuid: string): MappingView {
    this.#unchanging(uuid);
    this.#change(uuid, 'Deleting', () => {
      this.#records.delete(uuid);
      this.#mappings.delete(uuid);
    });
    return { ...this.get(uuid), state: 'Deleting' };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    const changes = [...this.#changes.values()];
    const runners = [...this.#runners.values(), ...changes.flatMap(({ runner }) => runner ?? [])];
    await Promise.all(runners.map((runner) => runner[Symbol.asyncDispose]()));
    await Promise.all(changes.map(({ done }) => done));
    this.#runners.clear();
  }

  #resolve(
    reference: string,
    region: string | undefined,
  ): Pick<Mapping, 'functionArn' | 'functionName' | 'qualifier'> {
    const { version, qualifier } = this.#parts.catalog.resolve(reference, undefined, region);
    const functionArn = qualifier === undefined ? version.functionArn : `${version.functionArn}:${qualifier}`;
    return { functionArn, functionName: version.name, qualifier };
  }

  #checked(mapping: Mapping): Mapping {
    checkMapping(mapping);
    for (const filter of mapping.filters) parsePattern(filter);
    if (mapping.onFailure !== undefined) this.#parts.targets.check(mapping.onFailure);
    const { queues, catalog } = this.#parts;
    if (mapping.source.kind === 'sqs') {
      let timeoutSeconds: number;
      try {
        timeoutSeconds = queues.getByArn(mapping.source.arn).settings.visibilityTimeoutSeconds;
      } catch (cause) {
        throw awsError(
          'InvalidArgument',
          'InvalidParameterValueException',
          'Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist for this wsdl version.',
          { cause },
        );
      }
      const functionSeconds =
        catalog.resolve(mapping.functionName, mapping.qualifier, mapping.region).version.timeoutMs / 1000;
      if (timeoutSeconds < functionSeconds) {
        throw awsError(
          'InvalidArgument',
          'InvalidParameterValueException',
          `Queue visibility timeout: ${timeoutSeconds} seconds is less than Function timeout: ${functionSeconds} seconds`,
        );
      }
    }
    if (mapping.source.kind === 'directory' && !isFolder(this.#parts.bucketFolder(mapping.source.bucket))) {
      throw awsError(
        'InvalidArgument',
        'InvalidParameterValueException',
        `The bucket ${mapping.source.bucket} does not exist: make a folder of that name where buckets are.`,
      );
    }
    return mapping;
  }

  #unchanging(uuid: string): Mapping {
    const { mapping } = this.get(uuid);
    const change = this.#changes.get(uuid);
    if (change === undefined) return mapping;
    throw awsError(
      'Conflict',
      'ResourceInUseException',
      `Cannot update the event source mapping because it is in use: it is ${change.state}.`,
    );
  }

  /** Ends the runner of a mapping, then goes on. */
  #change(uuid: string, state: MappingState, then: () => void): void {
    const runner = this.#runners.get(uuid);
    this.#runners.delete(uuid);
    const finish = async () => {
      await runner?.stop();
      this.#changes.delete(uuid);
      then();
    };
    this.#changes.set(uuid, { state, runner, done: finish() });
  }

  #run(mapping: Mapping): void {
    if (!mapping.isEnabled || !this.#isStarted || this.#isEnding) return;
    const parts = { ...this.#parts, cursors: this.#records.cursors };
    this.#runners.set(mapping.uuid, new MappingRunner(mapping, () => openSource(mapping, parts), parts));
  }
}

const isFolder = (path: string | undefined): boolean =>
  path !== undefined && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
