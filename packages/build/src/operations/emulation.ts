import { readFileSync } from 'node:fs';
import { SlipwayError } from '@slipway/base';
import { formatPlatform, matchesPlatform, type Platform } from '@slipway/oci';

/** Where the kernel says which programs it runs for which binaries. @see https://docs.kernel.org/admin-guide/binfmt-misc.html */
const BINFMT_ROOT = '/proc/sys/fs/binfmt_misc';

/** Architectures as Go names them, and what runs their programs elsewhere, as Debian and others register it. */
const INTERPRETERS: Readonly<Record<string, string>> = {
  amd64: 'qemu-x86_64',
  arm64: 'qemu-aarch64',
  arm: 'qemu-arm',
  '386': 'qemu-i386',
  riscv64: 'qemu-riscv64',
  ppc64le: 'qemu-ppc64le',
  s390x: 'qemu-s390x',
  mips64le: 'qemu-mips64el',
  loong64: 'qemu-loongarch64',
};

/** What the kernel of one architecture runs beside its own. */
const NATIVE: Readonly<Record<string, readonly string[]>> = { amd64: ['386'] };

/** The platforms, beside its own, whose programs this machine runs. */
export function emulatedPlatforms(host: Platform): Platform[] {
  const native = NATIVE[host.architecture] ?? [];
  return Object.keys(INTERPRETERS)
    .filter((architecture) => architecture !== host.architecture)
    .filter((architecture) => native.includes(architecture) || isEmulated(architecture))
    .map((architecture) => ({
      os: host.os,
      architecture,
      ...(architecture === 'arm' ? { variant: 'v7' } : {}),
    }));
}

/** Registered, and with its file opened then (`F`): else it would have to be in each container. */
function isEmulated(architecture: string): boolean {
  try {
    const text = readFileSync(`${BINFMT_ROOT}/${INTERPRETERS[architecture]}`, 'utf8');
    return text.startsWith('enabled') && /^flags:.*F/m.test(text);
  } catch {
    return false;
  }
}

/** Why a program for another platform did not start; the error as it was where that is not the reason. */
export function explainForeign(error: unknown, wanted: Platform, host: Platform): unknown {
  if (matchesPlatform(host, wanted) || NATIVE[host.architecture]?.includes(wanted.architecture)) return error;
  if (wanted.os === host.os && isEmulated(wanted.architecture)) return error;
  return new SlipwayError(
    'FailedPrecondition',
    `this ${formatPlatform(host)} machine runs no programs for ${formatPlatform(wanted)}: install qemu-user-static and binfmt-support on it (Debian), which registers an emulator with the kernel; or cross-build in a stage FROM --platform=$BUILDPLATFORM`,
    { cause: error, reason: 'PLATFORM_NOT_EMULATED' },
  );
}
