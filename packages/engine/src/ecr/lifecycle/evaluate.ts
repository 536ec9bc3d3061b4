import { fits } from '../../accounts/index.ts';
import type { LifecyclePolicy, LifecycleRule } from './policy.ts';

const DAY_MS = 24 * 3600 * 1000;

/** A manifest or index of a repository, as a policy sees it. */
export interface PolicyImage {
  readonly digest: string;
  readonly tags: readonly string[];
  readonly pushedAtMs: number;
  /** What an index refers to. */
  readonly manifests: readonly string[];
  /** What a signature or another artifact is about. */
  readonly subject: string | undefined;
}

export interface ExpiredImage<T extends PolicyImage> {
  readonly image: T;
  /** Of the rule that chose it, or that chose what it is about. */
  readonly rulePriority: number;
}

/**
 * What the policy lets go, in the order in which to remove it. Rules are asked by rising priority. An image that fits a rule's tags is that rule's alone: no later rule
 * expires it, though later rules count it. What a kept index refers to stays, and an artifact about an image that is there
 * goes when that image goes.
 * @see https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html
 */
export function evaluate<T extends PolicyImage>(
  policy: LifecyclePolicy,
  images: readonly T[],
  nowMs: number,
): ExpiredImage<T>[] {
  const present = new Set(images.map(({ digest }) => digest));
  const attached = images.filter(({ subject }) => subject !== undefined && present.has(subject));
  const own = images.filter((image) => !attached.includes(image)).sort(newestFirst);
  const chosen = new Map<T, number>();
  const taken = new Set<T>();
  for (const rule of [...policy.rules].sort((a, b) => a.rulePriority - b.rulePriority)) {
    const fitting = own.filter((image) => fitsRule(rule, image));
    for (const image of beyond(rule, fitting, nowMs)) {
      if (!taken.has(image)) chosen.set(image, rule.rulePriority);
    }
    for (const image of fitting) taken.add(image);
  }
  spareNeeded(images, chosen);
  takeAlong(attached, chosen);
  // An index that stays may need an artifact that was taken along.
  spareNeeded(images, chosen);
  return inOrderOfRemoval(chosen);
}

/** Of equal age by digest, so that two evaluations choose alike. */
const newestFirst = (a: PolicyImage, b: PolicyImage): number =>
  b.pushedAtMs - a.pushedAtMs || (a.digest < b.digest ? -1 : 1);

/** Of `fitting`, newest first, those that are too many or too old. */
function beyond<T extends PolicyImage>(
  { selection }: LifecycleRule,
  fitting: readonly T[],
  nowMs: number,
): T[] {
  const { countType, countNumber } = selection;
  return countType === 'imageCountMoreThan'
    ? fitting.slice(countNumber)
    : fitting.filter(({ pushedAtMs }) => nowMs - pushedAtMs > countNumber * DAY_MS);
}

/** Every prefix or pattern of the rule must fit one of the image's tags. */
function fitsRule({ selection }: LifecycleRule, { tags }: PolicyImage): boolean {
  const { tagStatus, tagPrefixList = [], tagPatternList = [] } = selection;
  switch (tagStatus) {
    case 'any':
      return true;
    case 'untagged':
      return tags.length === 0;
    case 'tagged':
      return (
        tags.length > 0 &&
        tagPrefixList.every((prefix) => tags.some((tag) => tag.startsWith(prefix))) &&
        tagPatternList.every((pattern) => tags.some((tag) => fits(pattern, tag)))
      );
  }
}

/** Takes back what an index needs that stays; an index that stays for another's sake keeps its own too. */
function spareNeeded<T extends PolicyImage>(images: readonly T[], chosen: Map<T, number>): void {
  const byDigest = new Map(images.map((image) => [image.digest, image]));
  const kept = images.filter((image) => !chosen.has(image));
  for (let index = kept.pop(); index !== undefined; index = kept.pop()) {
    for (const digest of index.manifests) {
      const needed = byDigest.get(digest);
      if (needed !== undefined && chosen.delete(needed)) kept.push(needed);
    }
  }
}

/** What is about an image that goes, goes; and what is about that. */
function takeAlong<T extends PolicyImage>(attached: readonly T[], chosen: Map<T, number>): void {
  const going = [...chosen];
  for (let next = going.pop(); next !== undefined; next = going.pop()) {
    const [image, rulePriority] = next;
    for (const artifact of attached) {
      if (artifact.subject !== image.digest || chosen.has(artifact)) continue;
      chosen.set(artifact, rulePriority);
      going.push([artifact, rulePriority]);
    }
  }
}

/** What is about an image before it, an index before what it refers to: a removal that breaks off is ended by the next. */
function inOrderOfRemoval<T extends PolicyImage>(chosen: ReadonlyMap<T, number>): ExpiredImage<T>[] {
  const rank = ({ subject, manifests }: PolicyImage) =>
    subject !== undefined ? 0 : manifests.length > 0 ? 1 : 2;
  return [...chosen]
    .map(([image, rulePriority]) => ({ image, rulePriority }))
    .sort((a, b) => rank(a.image) - rank(b.image) || newestFirst(b.image, a.image));
}
