import type { Context } from '../command.ts';
import { loginForImage } from '../registry/credential-store.ts';
import { showProgress } from '../stdio/progress.ts';

/** An image's name apart from its tag or digest; `latest` when there is neither. */
export function splitReference(name: string): { readonly repo: string; readonly tag: string } {
  const at = name.indexOf('@');
  if (at !== -1) return { repo: name.slice(0, at), tag: name.slice(at + 1) };
  const colon = name.lastIndexOf(':');
  if (colon > name.lastIndexOf('/')) return { repo: name.slice(0, colon), tag: name.slice(colon + 1) };
  return { repo: name, tag: 'latest' };
}

export interface PullOptions {
  readonly platform: string;
  readonly quiet: boolean;
  /** Every tag of the repository, which `name` is then. */
  readonly allTags?: boolean;
  readonly out: NodeJS.WriteStream;
}

/** Pulls an image with the login that is kept for its registry, and shows the progress on `out`. */
export async function pullImage(
  context: Context,
  name: string,
  { platform, quiet, allTags = false, out }: PullOptions,
): Promise<void> {
  const { repo: fromImage, tag } = splitReference(name);
  const login = await loginForImage(context, name);
  const messages = await context.client.images.pull(
    { fromImage, tag: allTags ? '' : tag, platform },
    { login },
  );
  await showProgress(messages, out, { quiet });
}
