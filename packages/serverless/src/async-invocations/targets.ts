import { newUuid, type Random } from '@slipway/base';
import { awsError } from '../aws/index.ts';
import type { FunctionCatalog } from '../functions/index.ts';
import type { QueueSender } from '../queues/index.ts';
import type { AsyncAcceptor, EventTargets } from './acceptor.ts';

/** Functions, which are invoked asynchronously, and queues. */
export function eventTargets(parts: {
  readonly catalog: Pick<FunctionCatalog, 'resolve'>;
  readonly acceptor: AsyncAcceptor;
  readonly queues: QueueSender;
  readonly random: Random;
}): EventTargets {
  const { catalog, acceptor, queues, random } = parts;
  return {
    async send(arn, body, { attributes, groupId, hops }) {
      if (targetService(arn) === 'lambda') {
        const target = catalog.resolve(arn);
        await acceptor.accept({ target, requestId: newUuid(random), payload: Buffer.from(body), hops });
      } else {
        await queues.send(arn, { body, attributes, groupId });
      }
    },
    check: (arn) => void targetService(arn),
  };
}

const TARGET = /^arn:[\w-]+:(lambda|sqs):[\w-]*:\d{12}:(.+)$/;

function targetService(arn: string): 'lambda' | 'sqs' {
  const [, service, resource] = TARGET.exec(arn) ?? [];
  if (service === 'sqs') return service;
  if (service === 'lambda' && resource?.startsWith('function:')) return service;
  throw awsError(
    'InvalidArgument',
    'InvalidParameterValueException',
    `The provided destination or target ${arn} is none that is here: name a function or a queue by its ARN`,
  );
}
