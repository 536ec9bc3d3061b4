import { syscalls } from '@slipway/store';

/** A file's attributes by name, but for those that are the file system's own. `fd` may be open with O_PATH. */
export function readXattrs(fd: number): Map<string, Buffer> {
  const path = `/proc/self/fd/${fd}`;
  const xattrs = new Map<string, Buffer>();
  for (const name of syscalls.llistxattr(path, 'follow').sort()) {
    if (name.startsWith('trusted.overlay.') || name === 'security.selinux') continue;
    const value = syscalls.lgetxattr(path, name, 'follow');
    if (value !== undefined) xattrs.set(name, value);
  }
  return xattrs;
}
