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
      const { service, region } = parseTarget(arn);
      if (service === 'lambda') {
        const target = catalog.resolve(arn, undefined, region);
        await acceptor.accept({ target, requestId: newUuid(random), payload: Buffer.from(body), hops });
      } else {
        await queues.send(arn, { body, attributes, groupId });
      }
    },
    check: (arn) => void parseTarget(arn),
  };
}

const TARGET = /^arn:[\w-]+:(lambda|sqs):([\w-]*):\d{12}:(.+)$/;

function parseTarget(arn: string): { readonly service: 'lambda' | 'sqs'; readonly region: string } {
  const [, service, region = '', resource] = TARGET.exec(arn) ?? [];
  if (service === 'sqs') return { service, region };
  if (service === 'lambda' && resource?.startsWith('function:')) return { service, region };
  throw awsError(
    'InvalidArgument',
    'InvalidParameterValueException',
    `The provided destination or target ${arn} is none that is here: name a function or a queue by its ARN`,
  );
}
