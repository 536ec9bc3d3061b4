import { z } from 'zod';
import type { EcrCall } from './context.ts';
import { ecrError, invalidParameter } from './errors.ts';

/** A row of the table of actions. */
export interface EcrAction {
  /** `CreateRepository` */
  readonly name: string;
  /** @throws InvalidArgument InvalidParameterException for input of another shape */
  readonly run: (input: unknown, call: EcrCall) => Promise<object>;
}

/** An action whose input has this shape. */
export function action<S extends z.ZodType>(
  name: string,
  schema: S,
  handler: (input: z.infer<S>, call: EcrCall) => Promise<object> | object,
): EcrAction {
  return {
    name,
    run: async (input, call) => {
      const result = schema.safeParse(input);
      if (!result.success) throw refusal(result.error);
      return await handler(result.data, call);
    },
  };
}

function refusal(error: z.ZodError): Error {
  const issue = error.issues[0];
  if (issue === undefined) return ecrError('InvalidParameterException', 'Invalid parameter', error);
  const path = issue.path.map(String).join('.');
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined;
  return invalidParameter(path, isMissing ? 'Member must not be null' : issue.message);
}

const NAME = /^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*\/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$/;

export const repositoryName = z
  .string()
  .min(2, 'Member must have length greater than or equal to 2')
  .max(256, 'Member must have length less than or equal to 256')
  .regex(NAME, `must satisfy regular expression '${NAME.source.slice(1, -1).replaceAll('\\/', '/')}'`);

export const registryId = z
  .string()
  .regex(/^[0-9]{12}$/, "must satisfy regular expression '[0-9]{12}'")
  .nullish();

/** What every action on one repository has. */
export const inRepository = { registryId, repositoryName };

export const imageId = z.object({ imageDigest: z.string().nullish(), imageTag: z.string().nullish() });
export type ImageId = z.infer<typeof imageId>;

export const imageIds = z
  .array(imageId)
  .min(1, 'Member must have length greater than or equal to 1')
  .max(100, 'Member must have length less than or equal to 100');

export const pagination = {
  nextToken: z.string().nullish(),
  maxResults: z
    .int()
    .min(1, 'Member must have value greater than or equal to 1')
    .max(1000, 'Member must have value less than or equal to 1000')
    .nullish(),
};

export const tagFilter = z
  .object({
    tagStatus: z
      .enum(['TAGGED', 'UNTAGGED', 'ANY'], 'Member must satisfy enum value set: [TAGGED, UNTAGGED, ANY]')
      .nullish(),
  })
  .nullish();
