import { SlipwayError } from '@slipway/base';
import { z } from 'zod';

/** @see https://github.com/opencontainers/image-spec/blob/main/image-index.md, `platform` */
export const platformSchema = z.looseObject({
  architecture: z.string(),
  os: z.string(),
  variant: z.string().nullish(),
  'os.version': z.string().nullish(),
  'os.features': z.array(z.string()).nullish(),
});

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

const ARCHITECTURES: Readonly<Record<string, string>> = {
  i386: '386',
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  armhf: 'arm',
  armel: 'arm',
};

const isOs = (word: string) =>
  /^(aix|android|darwin|dragonfly|freebsd|illumos|ios|js|linux|nacl|netbsd|openbsd|plan9|solaris|windows|wasip1|zos)$/.test(
    word,
  );

/** The platform of this machine, as Go names it. */
export function hostPlatform(): Platform {
  const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };
  return normalizePlatform({ os: 'linux', architecture: architectures[process.arch] ?? process.arch });
}

/** One spelling for each platform: lower case, Go's architecture names, no variant that is the default. */
export function normalizePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase() === 'macos' ? 'darwin' : platform.os.toLowerCase();
  const given = platform.architecture.toLowerCase();
  const architecture = ARCHITECTURES[given] ?? given;
  const variant = normalizeVariant(given, architecture, platform.variant?.toLowerCase() ?? '');
  return variant === '' ? { os, architecture } : { os, architecture, variant };
}

function normalizeVariant(given: string, architecture: string, variant: string): string {
  if (architecture === 'arm64' && (variant === '8' || variant === 'v8')) return '';
  if (architecture === 'amd64' && variant === 'v1') return '';
  if (architecture !== 'arm') return variant;
  if (given === 'armel') return 'v6';
  if (variant === '') return 'v7';
  return /^[5-8]$/.test(variant) ? `v${variant}` : variant;
}

/**
 * `linux/arm64`, `linux/arm/v7`, `amd64` (the operating system is then linux) or `linux`.
 * @throws InvalidArgument
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  if (parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.-]+$/.test(part))) {
    throw new SlipwayError(
      'InvalidArgument',
      `"${text}" is an invalid platform: write os/architecture or os/architecture/variant, as linux/amd64`,
    );
  }
  const [first = '', second, variant] = parts;
  if (second === undefined) {
    return isOs(first.toLowerCase())
      ? { ...hostPlatform(), os: first.toLowerCase() }
      : normalizePlatform({ os: 'linux', architecture: first });
  }
  return normalizePlatform({
    os: first,
    architecture: second,
    ...(variant === undefined ? {} : { variant }),
  });
}

/** `os/architecture` or `os/architecture/variant`. */
export const formatPlatform = (platform: Platform): string =>
  [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/');

/** Whether what was made for `offered` is what `wanted` asks for. */
export function matchesPlatform(wanted: Platform, offered: Platform): boolean {
  return formatPlatform(normalizePlatform(wanted)) === formatPlatform(normalizePlatform(offered));
}
