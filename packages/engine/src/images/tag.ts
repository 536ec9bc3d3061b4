import { SlipwayError } from '@slipway/base';
import { formatFamiliar, parseReference, type Reference, withTag } from '@slipway/oci';
import { type ImageContext, publish } from './context.ts';

/**
 * Gives the image another name; the name's former image loses it.
 * @throws NotFound, InvalidArgument for a bad name
 */
export function tagImage(context: ImageContext, source: string, repository: string, tag: string): void {
  const image = context.catalog.get(source);
  const reference = targetReference(repository, tag);
  context.catalog.tag(reference, image.id, context.clock.nowMs(), context.catalog.indexOf(source));
  publish(context, 'tag', image.id, formatFamiliar(reference));
}

/** The name that a `repo` and `tag` parameter mean. @throws InvalidArgument */
export function targetReference(repository: string, tag: string): Reference {
  const reference = parseReference(repository);
  if (reference.digest !== undefined) {
    throw new SlipwayError('InvalidArgument', 'refusing to create a tag with a digest reference');
  }
  return withTag(reference, tag || (reference.tag ?? 'latest'));
}
