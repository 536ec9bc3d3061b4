import type {
  ListTagsCommandInput,
  ListTagsResponse,
  TagResourceCommandInput,
  UntagResourceCommandInput,
} from '@aws-sdk/client-lambda';
import type { AwsCall } from '../../aws/index.ts';
import type { FunctionsContext, TaggedResources } from '../context.ts';
import { invalidParameter, validationError } from '../errors.ts';
import { checkExtensions } from '../extensions.ts';

type Tags = Readonly<Record<string, string>>;

const MOST_TAGS = 50;
const LONGEST_KEY = 128;
const LONGEST_VALUE = 256;
const ARN = /^arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:\d{12}:([a-z-]+):([a-zA-Z0-9-_]+)(:.+)?$/;

/** @throws NotFound, InvalidArgument */
export function tagResource(
  context: FunctionsContext,
  input: TagResourceCommandInput,
  call: AwsCall,
): object {
  const { resources, id } = openTagged(context, input.Resource, call);
  checkTags(context, { ...input.Tags }, call);
  const tags = { ...resources.tags(id), ...input.Tags };
  requireFew(tags);
  resources.setTags(id, tags);
  return {};
}

/** @throws NotFound, InvalidArgument */
export function untagResource(
  context: FunctionsContext,
  input: UntagResourceCommandInput,
  call: AwsCall,
): object {
  const { resources, id } = openTagged(context, input.Resource, call);
  const gone = new Set(input.TagKeys);
  resources.setTags(
    id,
    Object.fromEntries(Object.entries(resources.tags(id)).filter(([key]) => !gone.has(key))),
  );
  return {};
}

/** @throws NotFound, InvalidArgument */
export function listTags(
  context: FunctionsContext,
  input: ListTagsCommandInput,
  call: AwsCall,
): ListTagsResponse {
  const { resources, id } = openTagged(context, input.Resource, call);
  return { Tags: { ...resources.tags(id) } };
}

/** @throws InvalidArgument, PermissionDenied */
export function checkTags(context: FunctionsContext, tags: Tags, { caller }: AwsCall): void {
  for (const [key, value] of Object.entries(tags)) {
    if (key.length === 0 || key.length > LONGEST_KEY || value.length > LONGEST_VALUE) {
      throw invalidParameter(
        `tag ${JSON.stringify(key.slice(0, LONGEST_KEY))}: a key has 1 to ${LONGEST_KEY} characters, a value at most ${LONGEST_VALUE}`,
      );
    }
    if (key.startsWith('aws:')) throw invalidParameter(`tag ${key}: keys that begin with aws: are reserved`);
  }
  requireFew(tags);
  checkExtensions(tags, { isRoot: caller.kind === 'root', isolations: context.isolations });
}

function requireFew(tags: Tags): void {
  if (Object.keys(tags).length > MOST_TAGS)
    throw invalidParameter('Number of tags exceeds resource tag limit.');
}

/** What an ARN names that has tags. @throws InvalidArgument, NotFound */
function openTagged(
  context: FunctionsContext,
  arn: string | undefined,
  call: AwsCall,
): { readonly resources: TaggedResources; readonly id: string } {
  const [, kind = '', id = '', qualifier] = ARN.exec(arn ?? '') ?? [];
  const resources = kind === 'function' ? functionTags(context, call) : context.tagged.get(kind);
  if (resources === undefined) {
    throw validationError(
      arn,
      'resource',
      'Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}:\\d{12}:(function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[a-f0-9-]{36})',
    );
  }
  if (qualifier !== undefined) {
    throw invalidParameter(
      'Tags on function aliases and versions are not supported. Please specify a function ARN.',
    );
  }
  resources.tags(id);
  return { resources, id };
}

const functionTags = ({ registry }: FunctionsContext, call: AwsCall): TaggedResources => ({
  tags: (name) => registry.get(name, call).tags,
  setTags: (name, tags) => registry.save({ ...registry.get(name, call), tags }),
});
