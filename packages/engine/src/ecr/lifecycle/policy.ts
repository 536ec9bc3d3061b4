import { errorMessage } from '@slipway/base';
import { z } from 'zod';
import { ecrError } from '../errors.ts';

const MOST_RULES = 50;
const LONGEST_TEXT = 30_720;
const MOST_WILDCARDS = 4;

const texts = z.array(z.string().min(1)).min(1).max(100);
const pattern = z
  .string()
  .min(1)
  .regex(/^[a-zA-Z0-9*._-]{1,128}$/, 'has letters, digits, . _ - and * only')
  .refine((text) => text.split('*').length - 1 <= MOST_WILDCARDS, `has at most ${MOST_WILDCARDS} wildcards`);

const count = { countNumber: z.int().positive() };
const selection = z
  .strictObject({
    tagStatus: z.enum(['tagged', 'untagged', 'any']),
    tagPrefixList: texts.optional(),
    tagPatternList: z.array(pattern).min(1).max(100).optional(),
    countType: z.enum(['imageCountMoreThan', 'sinceImagePushed']),
    countUnit: z.literal('days').optional(),
    ...count,
  })
  .superRefine((chosen, context) => {
    const refuse = (message: string) => context.addIssue({ code: 'custom', message });
    const lists = [chosen.tagPrefixList, chosen.tagPatternList].filter((list) => list !== undefined);
    if (chosen.tagStatus === 'tagged' && lists.length !== 1) {
      refuse('tagStatus tagged takes one of tagPrefixList and tagPatternList');
    }
    if (chosen.tagStatus !== 'tagged' && lists.length > 0) {
      refuse(`tagStatus ${chosen.tagStatus} takes no list of tags`);
    }
    if ((chosen.countType === 'sinceImagePushed') !== (chosen.countUnit === 'days')) {
      refuse('countType sinceImagePushed takes countUnit days, imageCountMoreThan takes none');
    }
  });

const rule = z.strictObject({
  rulePriority: z.int().positive(),
  description: z.string().max(500).optional(),
  selection,
  action: z.strictObject({ type: z.literal('expire') }),
});

const policySchema = z
  .strictObject({ rules: z.array(rule).min(1).max(MOST_RULES) })
  .superRefine(({ rules }, context) => {
    const refuse = (message: string) => context.addIssue({ code: 'custom', path: ['rules'], message });
    const priorities = rules.map(({ rulePriority }) => rulePriority);
    if (new Set(priorities).size < rules.length) refuse('each rulePriority is used once');
    const every = rules.filter((one) => one.selection.tagStatus === 'any');
    if (every.length > 1) refuse('one rule may have tagStatus any');
    if (every.some(({ rulePriority }) => rulePriority < Math.max(...priorities))) {
      refuse('the rule with tagStatus any has the highest rulePriority, as it is asked last');
    }
    if (rules.filter((one) => one.selection.tagStatus === 'untagged').length > 1) {
      refuse('one rule may have tagStatus untagged');
    }
  });

/** Which images a repository lets go. @see https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html */
export type LifecyclePolicy = z.infer<typeof policySchema>;
export type LifecycleRule = LifecyclePolicy['rules'][number];

/** @throws InvalidArgument InvalidParameterException naming what is wrong */
export function parseLifecyclePolicy(text: string): LifecyclePolicy {
  if (text.length > LONGEST_TEXT) throw refused(`it has more than ${LONGEST_TEXT} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw refused(`it is no JSON: ${errorMessage(cause)}`, cause);
  }
  const result = policySchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw refused(`${issue?.path.map(String).join('.')}: ${issue?.message}`, result.error);
}

const refused = (problem: string, cause?: unknown) =>
  ecrError(
    'InvalidParameterException',
    `Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: ${problem}'`,
    cause,
  );
