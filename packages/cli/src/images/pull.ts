import type { Context } from '../command.ts';
import { showProgress } from '../stdio/progress.ts';

/** An image's name apart from its tag or digest; `latest` when there is neither. */
export function splitReference(name: string): { readonly repo: string; readonly tag: string } {
  const at = name.indexOf('@');
  if (at !== -1) return { repo: name.slice(0, at), tag: name.slice(at + 1) };
  const colon = name.lastIndexOf(':');
  if (colon > name.lastIndexOf('/')) return { repo: name.slice(0, colon), tag: name.slice(colon + 1) };
  return { repo: name, tag: 'latest' };
}

/** Pulls an image, with its progress on `out`. */
export async function pullImage(
  context: Context,
  name: string,
  { platform, quiet, out }: { platform: string; quiet: boolean; out: NodeJS.WriteStream },
): Promise<void> {
  const { repo: fromImage, tag } = splitReference(name);
  const messages = await context.client.images.pull({ fromImage, tag, platform });
  await showProgress(messages, out, { quiet });
}
