import type { ProgressMessage } from '@slipway/api/docker';
import { SlipwayError, shortId } from '@slipway/base';
import { formatFamiliar, parseReference, type Reference, withDefaultTag } from '@slipway/oci';
import { busyboxImage } from './bootstrap-busybox.ts';
import { type DebianRecipe, debianImage } from './bootstrap-debian.ts';
import { type ImageContext, publish } from './context.ts';
import type { Image } from './image.ts';
import { progressOf, type Report } from './progress.ts';

export interface BootstrapOptions {
  /** `busybox`, `debian` or `debian:SUITE`. */
  readonly image: string;
  /** The name it gets; empty: `busybox:latest`, `debian:SUITE`. */
  readonly name: string;
  readonly signal: AbortSignal;
}

/**
 * Makes a base image from what the machine and its Debian mirror have, without a registry.
 * @throws InvalidArgument for another image; FailedPrecondition naming the package to install
 */
export function bootstrapImage(
  context: ImageContext,
  { image, name, signal }: BootstrapOptions,
): AsyncGenerator<ProgressMessage> {
  return progressOf(async (report, aborted) => {
    const made = await bootstrap(context, { image, name, report, signal: aborted });
    const shown = made.repoTags[0] ?? made.id;
    publish(context, 'import', made.id, shown);
    report({ aux: { ID: made.id } });
    report({ status: `Bootstrapped image ${formatFamiliar(targetOf(image, name))}: ${shortId(made.id)}` });
  }, signal);
}

async function bootstrap(
  context: ImageContext,
  { image, name, report, signal }: BootstrapOptions & { readonly report: Report },
): Promise<Image> {
  const source = parseReference(image);
  const references = [targetOf(image, name)];
  if (source.path === 'library/busybox') return await busyboxImage(context, { references, report, signal });
  if (source.path === 'library/debian') {
    return await debianImage(context, { suite: source.tag, references, report, signal });
  }
  throw new SlipwayError(
    'InvalidArgument',
    `"${image}" cannot be bootstrapped: name busybox, debian or debian:SUITE (bookworm, trixie, …)`,
  );
}

/**
 * Makes an image for a purpose of Slipway's own on Debian, under `name`.
 * @throws FailedPrecondition naming the package to install; Internal with the end of what the tool said
 */
export async function bootstrapRecipe(
  context: ImageContext,
  options: {
    readonly recipe: DebianRecipe;
    readonly name: string;
    readonly report: (status: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<Image> {
  const { recipe, name, report, signal } = options;
  const references = [withDefaultTag(parseReference(name))];
  const made = await debianImage(context, {
    suite: recipe.suite,
    references,
    recipe,
    report: ({ status }) => (status === undefined ? undefined : report(status)),
    signal,
  });
  publish(context, 'import', made.id, name);
  return made;
}

const targetOf = (image: string, name: string): Reference =>
  withDefaultTag(parseReference(name === '' ? image : name));
