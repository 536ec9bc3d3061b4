import { boolean } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatPlatform } from '../format/manifest-row.ts';
import { loginsForImages } from '../registry/credential-store.ts';

export default defineCommand({
  summary: 'Make one name for the images of several platforms, in a registry',
  description:
    'Pushes an image index of what the sources are in their registries; what they are made of goes along where the\ntarget is another registry or repository.',
  arguments: { usage: 'TARGET SOURCE [SOURCE...]', min: 2 },
  flags: { quiet: boolean('Only the digest', { short: 'q' }) },
  examples: [
    [
      'manifest create localhost:5000/app:1 localhost:5000/app:1-amd64 localhost:5000/app:1-arm64',
      'whoever pulls app:1 gets what fits',
    ],
  ],
  async run(context, { flags, args }) {
    const [target = '', ...sources] = args;
    const logins = await loginsForImages(context, args);
    const { digest, manifests } = await context.client.images.pushIndex({ target, sources }, logins);
    if (flags.quiet) {
      context.stdout.write(`${digest}\n`);
      return;
    }
    for (const { digest: of, platform } of manifests) {
      context.stdout.write(`${platform ? formatPlatform(platform) : 'unknown'} ${of}\n`);
    }
    context.stdout.write(`${target}: digest: ${digest}\n`);
  },
});
