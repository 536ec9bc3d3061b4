import { SlipwayError, shortId } from '@slipway/base';
import {
  formatFamiliar,
  type ImageId,
  parseReference,
  type Reference,
  repositoryName,
  withDefaultTag,
} from '@slipway/oci';
import { type ImageContext, type ImageUser, publish } from './context.ts';
import type { Image } from './image.ts';

/** What became of a name (`Untagged`) or of an image or layer (`Deleted`). */
export type RemovedImage = { readonly Untagged: string } | { readonly Deleted: string };

export interface RemoveOptions {
  readonly force: boolean;
}

/**
 * Takes away the name that `text` is; the image goes with its last name. An id takes away the image, with its name.
 * @throws NotFound; Conflict when containers or other names need it and `force` does not allow it
 */
export async function removeImage(
  context: ImageContext,
  text: string,
  { force }: RemoveOptions,
): Promise<RemovedImage[]> {
  const image = context.catalog.get(text);
  const removed: RemovedImage[] = [];
  if (isIdOf(image.id, text)) removeById(context, image, force, removed);
  else removeByName(context, image, text, force, removed);
  if (context.catalog.findById(image.id) === undefined) await context.collectGarbage();
  return removed;
}

function removeByName(
  context: ImageContext,
  image: Image,
  text: string,
  force: boolean,
  removed: RemovedImage[],
): void {
  const references = context.catalog.referencesOf(image.id);
  const [user] = context.usersOf(image.id);
  if (!force && user !== undefined && isSingleName(references)) {
    throw new SlipwayError(
      'Conflict',
      `conflict: unable to remove repository reference "${text}" (must force) - ${nameOf(user)} is using its referenced image ${shortId(image.id)}`,
    );
  }
  const reference = withDefaultTag(parseReference(text));
  untag(context, image, reference, removed);
  untagLonelyDigests(context, image, reference, removed);
  if (context.catalog.referencesOf(image.id).length > 0) return;
  // The name is gone, which was the wish; an image that a container needs stays, without a name.
  if (context.usersOf(image.id).length > 0) return;
  deleteImage(context, image, text, removed);
}

function removeById(context: ImageContext, image: Image, force: boolean, removed: RemovedImage[]): void {
  const references = context.catalog.referencesOf(image.id);
  const running = context.usersOf(image.id).find((user) => user.running);
  if (running !== undefined) {
    throw conflict(image.id, 'cannot be forced', `image is being used by running ${nameOf(running)}`);
  }
  if (!force && !isSingleName(references)) {
    throw conflict(image.id, 'must be forced', 'image is referenced in multiple repositories');
  }
  const [stopped] = context.usersOf(image.id);
  if (!force && stopped !== undefined) {
    throw conflict(image.id, 'must be forced', `image is being used by stopped ${nameOf(stopped)}`);
  }
  for (const reference of references) untag(context, image, reference, removed);
  deleteImage(context, image, image.id, removed);
}

const nameOf = ({ kind, id }: ImageUser): string => `${kind} ${kind === 'container' ? shortId(id) : id}`;

/** Takes every name and the image away, whoever calls has made sure that nobody needs it. */
export function removeUnused(context: ImageContext, image: Image, removed: RemovedImage[]): void {
  for (const reference of context.catalog.referencesOf(image.id)) untag(context, image, reference, removed);
  deleteImage(context, image, image.id, removed);
}

function untag(context: ImageContext, image: Image, reference: Reference, removed: RemovedImage[]): void {
  context.catalog.untag(reference);
  removed.push({ Untagged: formatFamiliar(reference) });
  publish(context, 'untag', image.id, image.id);
}

/** With a repository's last tag its digests go too. */
function untagLonelyDigests(
  context: ImageContext,
  image: Image,
  removedReference: Reference,
  removed: RemovedImage[],
): void {
  if (removedReference.digest !== undefined) return;
  const siblings = context.catalog
    .referencesOf(image.id)
    .filter((reference) => repositoryName(reference) === repositoryName(removedReference));
  if (siblings.some(({ digest }) => digest === undefined)) return;
  for (const reference of siblings) untag(context, image, reference, removed);
}

function deleteImage(context: ImageContext, image: Image, name: string, removed: RemovedImage[]): void {
  publish(context, 'delete', image.id, name);
  context.catalog.delete(image.id);
  removed.push({ Deleted: image.id });
  const kept = new Set(context.catalog.roots().snapshots);
  for (const chainId of image.chainIds.toReversed()) {
    if (!kept.has(chainId)) removed.push({ Deleted: chainId });
  }
}

/** Whether the text is the image's id or the beginning of it, rather than a name. */
function isIdOf(id: ImageId, text: string): boolean {
  return (
    /^(?:sha256:)?[a-f0-9]+$/.test(text) &&
    id.startsWith(text.startsWith('sha256:') ? text : `sha256:${text}`)
  );
}

/** At most one tag, and digests of the same repository only. */
function isSingleName(references: readonly Reference[]): boolean {
  if (references.length <= 1) return true;
  const tags = references.filter(({ digest }) => digest === undefined);
  return tags.length <= 1 && new Set(references.map(repositoryName)).size === 1;
}

function conflict(id: ImageId, how: string, why: string): SlipwayError {
  return new SlipwayError('Conflict', `conflict: unable to delete ${shortId(id)} (${how}) - ${why}`);
}
