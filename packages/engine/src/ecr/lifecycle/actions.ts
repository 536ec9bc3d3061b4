import { z } from 'zod';
import type { ManifestDescription } from '../../registry/index.ts';
import {
  action,
  type EcrAction,
  type ImageId,
  imageIds,
  inRepository,
  pagination,
  tagFilter,
} from '../action.ts';
import { type EcrContext, openRepository, REGISTRY_ID } from '../context.ts';
import { ecrError } from '../errors.ts';
import { findImage, hasTagStatus } from '../image-ids.ts';
import { pageOf } from '../pages.ts';
import type { EcrRecord } from '../records.ts';
import { toSeconds } from '../wire.ts';
import type { ExpiredImage } from './evaluate.ts';
import { parseLifecyclePolicy } from './policy.ts';

/** A preview is worth something for as long as somebody looks at it: it is not written down. */
interface Preview {
  readonly createdAtMs: number;
  readonly lifecyclePolicyText: string;
  readonly expired: readonly ExpiredImage<ManifestDescription>[];
}

const MOST_PREVIEWS = 100;

/** Policies that let images go, and what they would let go. */
export function lifecycleActions(ecr: EcrContext): EcrAction[] {
  return [...policyActions(ecr), ...previewActions(ecr, new Map())];
}

function policyActions(ecr: EcrContext): EcrAction[] {
  const schema = z.object({ ...inRepository, lifecyclePolicyText: z.string() });
  return [
    action('PutLifecyclePolicy', schema, async (input, call) => {
      const repository = await openRepository(ecr, call, input, 'delete');
      const { lifecyclePolicyText } = input;
      parseLifecyclePolicy(lifecyclePolicyText);
      ecr.records.update(repository, { lifecyclePolicy: lifecyclePolicyText });
      ecr.lifecycle.applySoon();
      return { registryId: REGISTRY_ID, repositoryName: repository.name, lifecyclePolicyText };
    }),
    action('GetLifecyclePolicy', z.object(inRepository), async (input, call) => {
      const record = ecr.records.get(await openRepository(ecr, call, input, 'pull'));
      return toPolicy(record, existing(record));
    }),
    action('DeleteLifecyclePolicy', z.object(inRepository), async (input, call) => {
      const record = ecr.records.get(await openRepository(ecr, call, input, 'delete'));
      const text = existing(record);
      ecr.records.update(record, { lifecyclePolicy: undefined });
      return toPolicy(record, text);
    }),
  ];
}

function previewActions(ecr: EcrContext, previews: Map<string, Preview>): EcrAction[] {
  const startSchema = z.object({ ...inRepository, lifecyclePolicyText: z.string().nullish() });
  const getSchema = z.object({
    ...inRepository,
    ...pagination,
    imageIds: imageIds.nullish(),
    filter: tagFilter,
  });
  return [
    action('StartLifecyclePolicyPreview', startSchema, async (input, call) => {
      const repository = await openRepository(ecr, call, input, 'pull');
      const { name, createdAtMs } = repository;
      const lifecyclePolicyText = input.lifecyclePolicyText ?? existing(ecr.records.get(repository));
      const expired = await ecr.lifecycle.preview(parseLifecyclePolicy(lifecyclePolicyText), name);
      // The oldest goes, so that previews do not fill the memory.
      previews.delete(name);
      const [oldest] = previews.keys();
      if (oldest !== undefined && previews.size >= MOST_PREVIEWS) previews.delete(oldest);
      previews.set(name, { createdAtMs, lifecyclePolicyText, expired });
      return { registryId: REGISTRY_ID, repositoryName: name, lifecyclePolicyText, status: 'IN_PROGRESS' };
    }),
    action('GetLifecyclePolicyPreview', getSchema, async (input, call) => {
      const { name, createdAtMs } = await openRepository(ecr, call, input, 'pull');
      const preview = previews.get(name);
      if (preview?.createdAtMs !== createdAtMs) {
        throw ecrError(
          'LifecyclePolicyPreviewNotFoundException',
          `There is no lifecycle policy preview for repository '${name}': start one`,
        );
      }
      const { expired, lifecyclePolicyText } = preview;
      const fitting = expired.filter(
        ({ image }) => hasTagStatus(image, input.filter) && isNamed(image, input.imageIds),
      );
      const { items, ...rest } = pageOf(fitting, ({ image }) => image.digest, input);
      return {
        registryId: REGISTRY_ID,
        repositoryName: name,
        lifecyclePolicyText,
        status: 'COMPLETE',
        previewResults: items.map(toResult),
        summary: { expiringImageTotalCount: expired.length },
        ...rest,
      };
    }),
  ];
}

const isNamed = (image: ManifestDescription, ids: readonly ImageId[] | null | undefined): boolean =>
  ids == null || ids.some((id) => findImage([image], id) === image);

/** @throws NotFound LifecyclePolicyNotFoundException */
function existing({ name, lifecyclePolicy }: EcrRecord): string {
  if (lifecyclePolicy !== undefined) return lifecyclePolicy;
  throw ecrError(
    'LifecyclePolicyNotFoundException',
    `Lifecycle policy does not exist for the repository with name '${name}' in the registry with id '${REGISTRY_ID}'`,
  );
}

const toPolicy = ({ name, lifecycleEvaluatedAtMs }: EcrRecord, lifecyclePolicyText: string) => ({
  registryId: REGISTRY_ID,
  repositoryName: name,
  lifecyclePolicyText,
  ...(lifecycleEvaluatedAtMs === undefined ? {} : { lastEvaluatedAt: toSeconds(lifecycleEvaluatedAtMs) }),
});

/** @see https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_LifecyclePolicyPreviewResult.html */
const toResult = ({ image, rulePriority }: ExpiredImage<ManifestDescription>) => ({
  imageDigest: image.digest,
  ...(image.tags.length === 0 ? {} : { imageTags: image.tags }),
  imagePushedAt: toSeconds(image.pushedAtMs),
  action: { type: 'EXPIRE' },
  appliedRulePriority: rulePriority,
});
