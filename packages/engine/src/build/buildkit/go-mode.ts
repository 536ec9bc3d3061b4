/** File modes as Go's `os.FileMode` has them on the wire, and as the system does. @see https://pkg.go.dev/io/fs#FileMode */

const GO_DIR = 0x8000_0000;
const GO_SYMLINK = 0x0800_0000;
const GO_DEVICE = 0x0400_0000;
const GO_FIFO = 0x0200_0000;
const GO_SOCKET = 0x0100_0000;
const GO_SETUID = 0x0080_0000;
const GO_SETGID = 0x0040_0000;
const GO_CHAR_DEVICE = 0x0020_0000;
const GO_STICKY = 0x0010_0000;
const GO_TYPE = GO_DIR | GO_SYMLINK | GO_DEVICE | GO_FIFO | GO_SOCKET | GO_CHAR_DEVICE;

export type FileKind = 'file' | 'directory' | 'symlink' | 'special';

export function kindOfGoMode(mode: number): FileKind {
  if ((mode & GO_TYPE) === 0) return 'file';
  if ((mode & GO_DIR) !== 0) return 'directory';
  return (mode & GO_SYMLINK) !== 0 ? 'symlink' : 'special';
}

/** Permissions with setuid, setgid and sticky, as chmod takes them. */
export function permissionsOfGoMode(mode: number): number {
  return (
    (mode & 0o777) |
    ((mode & GO_SETUID) === 0 ? 0 : 0o4000) |
    ((mode & GO_SETGID) === 0 ? 0 : 0o2000) |
    ((mode & GO_STICKY) === 0 ? 0 : 0o1000)
  );
}

/** The mode of a file, folder or symbolic link with these permissions. */
export function toGoMode(kind: Exclude<FileKind, 'special'>, permissions: number): number {
  return (
    ((kind === 'directory' ? GO_DIR : kind === 'symlink' ? GO_SYMLINK : 0) |
      (permissions & 0o777) |
      ((permissions & 0o4000) === 0 ? 0 : GO_SETUID) |
      ((permissions & 0o2000) === 0 ? 0 : GO_SETGID) |
      ((permissions & 0o1000) === 0 ? 0 : GO_STICKY)) >>>
    0
  );
}
