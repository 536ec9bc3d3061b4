import { KEEPER } from '@slipway/distribution/server';
import { claimedScope, hostOf, json, type Route, type RouteRequest, readAwsBody } from '@slipway/http';
import { admitSigned } from '../accounts/index.ts';
import type { EcrAction } from './action.ts';
import { authorizationActions } from './authorization.ts';
import type { EcrCall, EcrContext } from './context.ts';
import { ecrError } from './errors.ts';
import { imageActions } from './images.ts';
import { layerActions } from './layers.ts';
import { lifecycleActions } from './lifecycle/actions.ts';
import { policyActions } from './policies.ts';
import { putImageAction } from './put-image.ts';
import { repositoryActions } from './repositories.ts';
import type { Ecr } from './service.ts';
import { tagActions } from './tags.ts';

/** What stands before an action's name in `X-Amz-Target`. */
const ECR_TARGET = 'AmazonEC2ContainerRegistry_V20150921.';

const SERVICE = 'ecr';
const DEFAULT_REGION = 'us-east-1';
const BODY_BYTES = 8 << 20;
/** A part of at most 20 MiB in base64. */
const PART_BODY_BYTES = 28 << 20;

/**
 * ECR's API: one address, the action in a header. Serve it with `awsJsonDialect`, version 1.1, to requests whose
 * `X-Amz-Target` begins with `ECR_TARGET`.
 * @see https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_Operations.html
 */
export function ecrRoutes({ context }: Ecr): Route[] {
  const actions = new Map(actionsOf(context).map((one) => [one.name, one]));
  return [
    {
      method: 'POST',
      path: '/',
      handler: async (request) => {
        const target = request.headers['x-amz-target'] ?? '';
        const name = target.startsWith(ECR_TARGET) ? target.slice(ECR_TARGET.length) : undefined;
        const found = actions.get(name ?? '');
        if (found === undefined) {
          throw ecrError('UnknownOperationException', `"${target}": this operation is not served here`);
        }
        const maxBytes = name === 'UploadLayerPart' ? PART_BODY_BYTES : BODY_BYTES;
        const body = await readAwsBody(request, { maxBytes, exception: 'InvalidParameterException' });
        const call = admit(context, request, body);
        return json(200, await found.run(parse(body), call));
      },
    },
  ];
}

const actionsOf = (context: EcrContext): EcrAction[] => [
  ...authorizationActions(context),
  ...repositoryActions(context),
  ...imageActions(context),
  putImageAction(context),
  ...layerActions(context),
  ...lifecycleActions(context),
  ...policyActions(context),
  ...tagActions(context),
];

/** While the registry is not guarded, any signature will do: the tools of AWS cannot go without one. */
function admit({ accounts, clock }: EcrContext, request: RouteRequest, body: Uint8Array): EcrCall {
  const host = hostOf(request);
  if (!accounts.isGuarded) {
    return { visitor: KEEPER, host, region: claimedScope(request.headers)?.region ?? DEFAULT_REGION };
  }
  const rules = { service: SERVICE, nowMs: clock.nowMs(), scopeException: 'AccessDeniedException' };
  return { host, ...admitSigned(accounts, request, body, rules) };
}

function parse(body: Buffer): unknown {
  if (body.byteLength === 0) return {};
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw ecrError('SerializationException', 'the body of the request is no JSON', cause);
  }
}
