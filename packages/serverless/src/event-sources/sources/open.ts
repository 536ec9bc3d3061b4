import { type Clock, type HostPath, type Logger, type Random, SlipwayError } from '@slipway/base';
import type { Queues } from '../../queues/index.ts';
import type { Mapping } from '../mapping.ts';
import type { DirectoryCursors } from '../records.ts';
import type { EventSource } from '../source.ts';
import { directorySource } from './directory.ts';
import { natsSource } from './nats.ts';
import { postgresqlSource } from './postgresql.ts';
import { queueSource } from './queue.ts';
import { redisSource } from './redis.ts';

/** What sources are read with. */
export interface SourceParts {
  readonly queues: Queues;
  /** The folder that stands for a bucket, whether it is there or not; undefined where there are no buckets. */
  readonly bucketFolder: (bucket: string) => HostPath | undefined;
  readonly cursors: DirectoryCursors;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Opens what a mapping reads from. @throws NotFound when it is not there */
export async function openSource(mapping: Mapping, parts: SourceParts): Promise<EventSource> {
  const { source, region, uuid } = mapping;
  switch (source.kind) {
    case 'sqs':
      return queueSource(parts.queues, source.arn, region, mapping.windowSeconds);
    case 'directory': {
      const folder = parts.bucketFolder(source.bucket);
      if (folder === undefined)
        throw new SlipwayError('NotFound', `the bucket ${source.bucket} has no folder`);
      return await directorySource({ ...parts, ...source, mappingUuid: uuid, folder, region });
    }
    case 'nats':
      return await natsSource({
        ...source,
        consumerGroup: source.consumerGroup ?? uuid,
        clock: parts.clock,
        maxPending: mapping.batchSize * 2,
      });
    case 'redis':
      return await redisSource({
        ...source,
        consumerGroup: source.consumerGroup ?? uuid,
        endpoint: firstOf(source),
        consumer: uuid,
        clock: parts.clock,
      });
    case 'postgresql':
      return await postgresqlSource({ ...source, ...parts, endpoint: firstOf(source) });
  }
}

const firstOf = ({ endpoints }: { readonly endpoints: readonly string[] }): string => endpoints[0] ?? '';
