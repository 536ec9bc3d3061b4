import { type Clock, newUuid, type Random } from '@slipway/base';
import { type Database, type GroupCommit, groupCommit } from '@slipway/store';
import { type AwsCall, awsError } from '../aws/index.ts';
import { contentDigest, deduplicationKey, formatSequence } from './fifo.ts';
import {
  checkMessage,
  formatAttributes,
  invalidParameter,
  type NewMessage,
  type ReceivedMessage,
  type SentMessage,
} from './message.ts';
import {
  type Attributes,
  checkQueueName,
  formatSettings,
  parseAttributes,
  type Queue,
  queueNameOfArn,
} from './queue.ts';
import { parseReceipt, toReceived } from './receipts.ts';
import { type Counts, type MessageRecord, openQueueRecords, type QueueRecords } from './records.ts';
import { Wakers } from './wakers.ts';

/** Sends to a queue by its ARN: what other slices need of queues. */
export interface QueueSender {
  /**
   * On disk when it resolves. Attributes are strings, or numbers that are sent as such.
   * @throws NotFound QueueDoesNotExist; InvalidArgument; ResourceExhausted OverLimit when the queue is full
   */
  send(
    arn: string,
    message: {
      readonly body: string;
      readonly attributes?: Readonly<Record<string, string | number>> | undefined;
      readonly groupId?: string | undefined;
    },
  ): Promise<void>;
}

export interface ReceiveRequest {
  /** 1 to 10. */
  readonly maxMessages: number;
  /** The queue's own when undefined. */
  readonly visibilityTimeoutSeconds?: number | undefined;
  /** How long to wait for the first message; the queue's own when undefined. */
  readonly waitSeconds?: number | undefined;
  readonly signal: AbortSignal;
}

export interface QueuesParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly maxMessagesPerQueue?: number;
}

/** How long FIFO queues remember what was sent. */
const DEDUPLICATION_MS = 5 * 60_000;
const SWEEP_MS = 60_000;
const MAX_MESSAGES_PER_QUEUE = 1_000_000;

/**
 * Durable queues: what was sent is on disk before the sender hears of it, and stays until it is deleted or too old. That a
 * message is in flight may be forgotten with the machine's power: then it is received again.
 */
export class Queues implements QueueSender, Disposable {
  readonly #parts: QueuesParts;
  readonly #records: QueueRecords;
  readonly #commits: GroupCommit;
  readonly #queues = new Map<string, Queue>();
  readonly #totals = new Map<number, number>();
  readonly #wakers: Wakers;
  readonly #sweep: Disposable;
  #ended = false;

  constructor(parts: QueuesParts) {
    this.#parts = parts;
    this.#records = openQueueRecords(parts.database);
    this.#commits = groupCommit(parts.database);
    this.#wakers = new Wakers(parts.clock);
    for (const queue of this.#records.queues()) {
      this.#queues.set(queue.name, queue);
      this.#totals.set(queue.id, this.#records.total(queue.id));
    }
    this.#sweep = parts.clock.interval(SWEEP_MS, () => this.#expire());
  }

  /** The queue; the one that is there when it is the same. @throws AlreadyExists QueueNameExists */
  create(
    name: string,
    attributes: Attributes,
    tags: Readonly<Record<string, string>>,
    call: Pick<AwsCall, 'accountId' | 'region'>,
  ): Queue {
    checkQueueName(name);
    const settings = parseAttributes(name, attributes);
    const existing = this.#queues.get(name);
    if (existing !== undefined) {
      const [before, asked] = [formatSettings(existing.settings), formatSettings(settings)];
      const different = Object.keys(attributes).find((key) => before[key] !== asked[key]);
      if (different === undefined) return existing;
      throw awsError(
        'AlreadyExists',
        'QueueNameExists',
        `A queue already exists with the same name and a different value for attribute ${different}`,
      );
    }
    if (name.endsWith('.fifo') && attributes.FifoQueue !== 'true') {
      throw invalidParameter(
        'The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length; set FifoQueue to true.',
      );
    }
    this.#checkRedrive(settings, name);
    const nowMs = this.#parts.clock.nowMs();
    const queue = {
      name,
      arn: `arn:aws:sqs:${call.region}:${call.accountId}:${name}`,
      createdAtMs: nowMs,
      modifiedAtMs: nowMs,
      settings,
      tags,
    };
    const id = this.#parts.database.transaction(() => this.#records.addQueue(queue));
    const created = { ...queue, id };
    this.#queues.set(name, created);
    this.#totals.set(id, 0);
    return created;
  }

  /** @throws NotFound QueueDoesNotExist */
  get(name: string): Queue {
    const queue = this.#queues.get(name);
    if (queue === undefined) {
      throw awsError('NotFound', 'QueueDoesNotExist', 'The specified queue does not exist.');
    }
    return queue;
  }

  /** @throws NotFound QueueDoesNotExist */
  getByArn(arn: string): Queue {
    return this.get(queueNameOfArn(arn));
  }

  /** In the order of their names. */
  list(prefix = ''): Queue[] {
    return [...this.#queues.values()]
      .filter(({ name }) => name.startsWith(prefix))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The queues whose dead letters come to this one. */
  deadLetterSources(name: string): Queue[] {
    const { arn } = this.get(name);
    return this.list().filter(({ settings }) => settings.redrive?.deadLetterTargetArn === arn);
  }

  /** With all its messages. */
  delete(name: string): void {
    const queue = this.get(name);
    this.#parts.database.transaction(() => this.#records.deleteQueue(queue.id));
    this.#queues.delete(name);
    this.#totals.delete(queue.id);
    this.#wakers.wake(queue.id);
  }

  purge(name: string): void {
    const { id } = this.get(name);
    this.#parts.database.transaction(() => this.#records.deleteMessages(id));
    this.#totals.set(id, 0);
  }

  setAttributes(name: string, attributes: Attributes): void {
    const queue = this.get(name);
    const settings = parseAttributes(name, attributes, queue.settings);
    this.#checkRedrive(settings, name);
    this.#update({ ...queue, settings, modifiedAtMs: this.#parts.clock.nowMs() });
    this.#wakers.wake(queue.id);
  }

  setTags(name: string, tags: Readonly<Record<string, string>>): void {
    this.#update({ ...this.get(name), tags });
  }

  counts(name: string): Counts {
    return this.#records.counts(this.get(name).id, this.#parts.clock.nowMs());
  }

  async send(arn: string, message: Parameters<QueueSender['send']>[1]): Promise<void> {
    const attributes = Object.entries(message.attributes ?? {}).map(
      ([name, value]) =>
        [
          name,
          { DataType: typeof value === 'number' ? 'Number' : 'String', StringValue: String(value) },
        ] as const,
    );
    const { body, groupId } = message;
    const queue = this.getByArn(arn);
    // A FIFO queue wants an id: what the daemon itself sends is sent once.
    const deduplicationId = queue.settings.fifo === undefined ? undefined : newUuid(this.#parts.random);
    await this.sendMessage(queue.name, {
      body,
      attributes: Object.fromEntries(attributes),
      groupId,
      deduplicationId,
    });
  }

  /**
   * On disk when it resolves; what is sent at the same time shares one sync of the disk.
   * @throws InvalidArgument; ResourceExhausted OverLimit
   */
  async sendMessage(name: string, message: NewMessage): Promise<SentMessage> {
    const queue = this.get(name);
    checkMessage(message, { maxBytes: queue.settings.maxMessageBytes });
    const key = deduplicationKey(queue, message);
    const total = this.#totals.get(queue.id) ?? 0;
    if (total >= (this.#parts.maxMessagesPerQueue ?? MAX_MESSAGES_PER_QUEUE)) {
      throw awsError(
        'ResourceExhausted',
        'OverLimit',
        `The queue ${name} is full: it holds ${total} messages.`,
      );
    }
    const sentAtMs = this.#parts.clock.nowMs();
    const delaySeconds = message.delaySeconds ?? queue.settings.delaySeconds;
    const messageId = newUuid(this.#parts.random);
    this.#totals.set(queue.id, total + 1);
    let isNew = false;
    try {
      const sent = await this.#commits.write(() => {
        isNew = false;
        const duplicate =
          key === undefined ? undefined : this.#records.findDuplicate(queue.id, key, sentAtMs);
        if (duplicate !== undefined) return duplicate;
        const id = this.#records.insert({
          queueId: queue.id,
          messageId,
          body: message.body,
          attributes: formatAttributes(message.attributes),
          traceHeader: message.traceHeader,
          senderId: message.senderId ?? 'slipway',
          sentAtMs,
          visibleAtMs: sentAtMs + delaySeconds * 1000,
          groupId: message.groupId,
          deduplicationId:
            message.deduplicationId ?? (key === undefined ? undefined : contentDigest(message.body)),
        });
        if (key !== undefined) {
          this.#records.addDuplicate(queue.id, key, id, messageId, sentAtMs + DEDUPLICATION_MS);
        }
        isNew = true;
        return { id, messageId };
      });
      this.#wakers.wake(queue.id);
      return {
        messageId: sent.messageId,
        sequenceNumber: queue.settings.fifo === undefined ? undefined : formatSequence(sent.id),
      };
    } finally {
      if (!isNew) this.#count(queue.id, -1);
    }
  }

  /** Up to `maxMessages`, which stay invisible to others for the visibility time-out; empty when none came in time. */
  async receive(name: string, request: ReceiveRequest): Promise<ReceivedMessage[]> {
    const { clock } = this.#parts;
    const waitSeconds = request.waitSeconds ?? this.get(name).settings.receiveWaitSeconds;
    const deadlineMs = clock.nowMs() + waitSeconds * 1000;
    while (!request.signal.aborted && !this.#ended) {
      const queue = this.get(name);
      const nowMs = clock.nowMs();
      // The look and the wait must have no gap in which a message could come unnoticed.
      using waker = this.#wakers.add(queue.id);
      const received = await this.#commits.relaxed(() => this.#take(queue, request, nowMs));
      if (received.length > 0) return received;
      if (clock.nowMs() >= deadlineMs) break;
      const nextMs = this.#records.nextVisibleMs(queue.id, nowMs) ?? deadlineMs;
      await waker.wait(Math.min(nextMs, deadlineMs) - clock.nowMs(), request.signal);
    }
    return [];
  }

  /** Deletes by a receipt. One that is not the last is answered and deletes nothing, as in SQS. @throws InvalidArgument ReceiptHandleIsInvalid */
  async deleteMessage(name: string, receiptHandle: string): Promise<void> {
    const queue = this.get(name);
    const receipt = parseReceipt(queue, receiptHandle);
    const deleted = await this.#commits.write(() => {
      const message = this.#records.find(queue.id, receipt.id);
      if (message === undefined || message.receipt !== receipt.nonce) return false;
      if (queue.settings.fifo !== undefined && message.visibleAtMs <= this.#parts.clock.nowMs()) {
        throw invalidParameter(
          `Value ${receiptHandle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.`,
        );
      }
      this.#records.delete(receipt.id);
      return true;
    });
    if (!deleted) return;
    this.#count(queue.id, -1);
    // The next one of its message group can be received.
    if (queue.settings.fifo !== undefined) this.#wakers.wake(queue.id);
  }

  /** @throws InvalidArgument ReceiptHandleIsInvalid, MessageNotInflight */
  async changeVisibility(name: string, receiptHandle: string, timeoutSeconds: number): Promise<void> {
    const queue = this.get(name);
    if (!Number.isInteger(timeoutSeconds) || timeoutSeconds < 0 || timeoutSeconds > 43_200) {
      throw invalidParameter(
        `Value ${timeoutSeconds} for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.`,
      );
    }
    const receipt = parseReceipt(queue, receiptHandle);
    const nowMs = this.#parts.clock.nowMs();
    await this.#commits.relaxed(() => {
      const message = this.#records.find(queue.id, receipt.id);
      if (message === undefined || message.receipt !== receipt.nonce || message.visibleAtMs <= nowMs) {
        throw awsError(
          'InvalidArgument',
          'MessageNotInflight',
          `Value ${receiptHandle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.`,
        );
      }
      this.#records.setVisible(receipt.id, nowMs + timeoutSeconds * 1000);
    });
    this.#wakers.wake(queue.id);
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#sweep[Symbol.dispose]();
    this.#wakers[Symbol.dispose]();
  }

  #take(queue: Queue, request: ReceiveRequest, nowMs: number): ReceivedMessage[] {
    const { settings } = queue;
    const timeoutSeconds = request.visibilityTimeoutSeconds ?? settings.visibilityTimeoutSeconds;
    const sentAfterMs = nowMs - settings.retentionSeconds * 1000;
    const received: ReceivedMessage[] = [];
    // Again when all that was found were dead letters.
    for (;;) {
      const found =
        settings.fifo === undefined
          ? this.#records.visible(queue.id, nowMs, sentAfterMs, request.maxMessages)
          : this.#records.visibleInOrder(queue.id, nowMs, sentAfterMs, request.maxMessages);
      for (const message of found) {
        if (this.#redrive(queue, message, nowMs)) continue;
        const nonce = this.#parts.random.hex(8);
        this.#records.receive(message.id, nonce, nowMs, nowMs + timeoutSeconds * 1000);
        received.push(toReceived(queue, message, nonce, nowMs));
      }
      if (received.length > 0 || found.length === 0) return received;
    }
  }

  /** Whether the message went to the dead letters instead. */
  #redrive(queue: Queue, message: MessageRecord, nowMs: number): boolean {
    const { redrive } = queue.settings;
    if (redrive === undefined || message.receiveCount < redrive.maxReceiveCount) return false;
    const target = this.#queues.get(queueNameOfArn(redrive.deadLetterTargetArn));
    // Its dead-letter queue was deleted: it stays.
    if (target === undefined) return false;
    this.#records.move(message.id, target.id, queue.arn, nowMs);
    this.#count(queue.id, -1);
    this.#count(target.id, 1);
    this.#wakers.wake(target.id);
    return true;
  }

  #checkRedrive({ redrive, fifo }: Queue['settings'], name: string): void {
    if (redrive === undefined) return;
    const target = this.#queues.get(queueNameOfArn(redrive.deadLetterTargetArn));
    if (
      target === undefined ||
      (target.settings.fifo === undefined) !== (fifo === undefined) ||
      target.name === name
    ) {
      throw awsError(
        'InvalidArgument',
        'InvalidParameterValue',
        `Value ${JSON.stringify(redrive)} for parameter RedrivePolicy is invalid. Reason: Dead letter target is not another queue of the same kind that exists.`,
      );
    }
    const allow = target.settings.redriveAllow ?? { permission: 'allowAll', sourceArns: [] };
    const isNamed = allow.sourceArns.some((arn) => queueNameOfArn(arn) === name);
    if (allow.permission === 'denyAll' || (allow.permission === 'byQueue' && !isNamed)) {
      throw invalidParameter(
        `Value ${JSON.stringify(redrive)} for parameter RedrivePolicy is invalid. Reason: ${target.name} does not allow ${name} to use it.`,
      );
    }
  }

  #update(queue: Queue): void {
    this.#parts.database.transaction(() => this.#records.updateQueue(queue));
    this.#queues.set(queue.name, queue);
  }

  #count(queueId: number, change: number): void {
    const total = this.#totals.get(queueId);
    if (total !== undefined) this.#totals.set(queueId, Math.max(0, total + change));
  }

  #expire(): void {
    const nowMs = this.#parts.clock.nowMs();
    this.#parts.database.relaxed(() => {
      for (const { id, settings } of this.#queues.values()) {
        if ((this.#totals.get(id) ?? 0) === 0) continue;
        this.#count(id, -this.#records.expire(id, nowMs - settings.retentionSeconds * 1000));
      }
      this.#records.expireDuplicates(nowMs);
    });
  }
}
