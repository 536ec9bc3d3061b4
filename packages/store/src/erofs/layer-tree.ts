import { constants } from 'node:fs';
import type { SparseSegment, TarEntry } from '../tar/entry.ts';
import type { TarSink } from '../tar/parser.ts';
import {
  cleanName,
  imageXattrs,
  OPAQUE,
  OPAQUE_XATTR,
  refused,
  type Whiteout,
  whiteoutOf,
} from '../unpack/layer-rules.ts';
import { NotExpressible } from './not-expressible.ts';

const { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } = constants;

const LINKS_MAX = 40;
const NAME_MAX_BYTES = 255;
const LINK_TARGET_MAX_BYTES = 4095;
const ID_MAX = 0xffff_fffe;

/**
 * A file of a layer, of any kind. Names are latin1 strings of their bytes. There may be a million of them at a time, so it is
 * one flat object.
 */
export interface Inode {
  /** Type and permissions. */
  mode: number;
  uid: number;
  gid: number;
  mtimeNs: bigint;
  xattrs: ReadonlyMap<string, Buffer>;
  /** Names it has; a folder has one. */
  links: number;
  /** Of a folder. */
  readonly children: Map<string, Inode> | undefined;
  /** Of a folder, but the root. */
  readonly parent: Inode | undefined;
  /** Of a link. */
  readonly target: Buffer | undefined;
  /** Of a device; of a file, how long it is, holes included, and where in the archive its data begins. */
  readonly major: number;
  readonly minor: number;
  readonly sizeBytes: number;
  readonly bodyOffset: number;
  /** Of a file with holes: its data, which has none in the archive. */
  readonly sparse: readonly SparseSegment[] | undefined;
  /** Where it stands in the image, in bytes; set when that is made. */
  at: number;
}

/**
 * The files of a layer as its archive tells them, without their data: that stays in the archive. Names are resolved as
 * `LayerWriter` has the kernel do it, and what it refuses is refused.
 * @throws NotExpressible for what only files can hold; InvalidArgument for an archive that is unsafe
 */
export class LayerTree implements TarSink {
  readonly root: Inode = folder(undefined, 0n);
  /** Folders of the entries before, by name; forgotten when anything is replaced. */
  readonly #parents = new Map<string, Inode>();

  entry(entry: TarEntry, bodyOffset: number): void {
    if (entry.uid < 0 || entry.uid > ID_MAX || entry.gid < 0 || entry.gid > ID_MAX)
      throw new NotExpressible();
    const name = cleanName(entry).toString('latin1');
    if (name === '') {
      if (entry.type !== 'directory') throw refused(entry, 'names the root and is not a folder');
      describe(this.root, entry);
      return;
    }
    const { parent, base } = this.#locate(name, entry);
    const whiteout = whiteoutOf(base, entry);
    if (whiteout === undefined) this.#put(parent, base, name, entry, bodyOffset);
    else this.#hide(parent, whiteout, entry);
  }

  data(): void {}

  endEntry(): void {}

  #put(parent: Inode, base: string, name: string, entry: TarEntry, bodyOffset: number): void {
    switch (entry.type) {
      case 'directory':
        describe(this.#folder(parent, base), entry);
        return;
      case 'hardlink':
        this.#link(parent, base, name, entry);
        return;
      case 'file':
        this.#place(parent, base, entry, S_IFREG, {
          sizeBytes: entry.sizeBytes,
          bodyOffset,
          sparse: entry.sparse,
        });
        return;
      case 'symlink':
        if (entry.linkName.length === 0) throw refused(entry, 'is a symlink to nothing');
        if (entry.linkName.length > LINK_TARGET_MAX_BYTES) throw new NotExpressible();
        this.#place(parent, base, entry, S_IFLNK, { target: entry.linkName });
        return;
      case 'character-device':
      case 'block-device': {
        const { deviceMajor: major, deviceMinor: minor } = entry;
        this.#place(parent, base, entry, entry.type === 'block-device' ? S_IFBLK : S_IFCHR, { major, minor });
        return;
      }
      case 'fifo':
        this.#place(parent, base, entry, S_IFIFO, {});
        return;
      default:
        throw refused(entry, `has the unknown type "${String.fromCharCode(entry.typeFlag)}"`);
    }
  }

  #place(parent: Inode, base: string, entry: TarEntry, type: number, content: Partial<Inode>): void {
    this.#remove(parent, base);
    this.#add(
      parent,
      base,
      newInode({
        mode: type | (type === S_IFLNK ? 0o777 : entry.mode),
        uid: entry.uid,
        gid: entry.gid,
        mtimeNs: entry.mtimeNs,
        xattrs: xattrsOf(entry),
        ...content,
      }),
    );
  }

  /** The folder there, which takes the place of what is none. */
  #folder(parent: Inode, base: string): Inode {
    const existing = childrenOf(parent).get(base);
    if (existing?.children !== undefined) return existing;
    const made = folder(parent, 0n);
    // A folder in the place of a whiteout must not let through what the whiteout hid.
    if (existing !== undefined && isWhiteout(existing)) makeOpaque(made);
    this.#remove(parent, base);
    this.#add(parent, base, made);
    return made;
  }

  #link(parent: Inode, base: string, name: string, entry: TarEntry): void {
    const targetName = cleanName({ ...entry, name: entry.linkName }, entry).toString('latin1');
    if (targetName === '') throw refused(entry, 'is a hard link to the root');
    if (targetName === name) return;
    const missing = () =>
      refused(entry, `is a hard link to "${entry.linkName}", which is not in the archive before it`);
    const find = () => {
      const target = this.#find(targetName, entry);
      if (target === undefined || target.children !== undefined) throw missing();
      return target;
    };
    find();
    this.#remove(parent, base);
    this.#add(parent, base, find());
  }

  #hide(parent: Inode, whiteout: Whiteout, entry: TarEntry): void {
    if (whiteout === 'nothing') return;
    if (whiteout === 'opaque') {
      makeOpaque(parent);
      return;
    }
    const { hidden } = whiteout;
    const existing = childrenOf(parent).get(hidden);
    // A whiteout hides what is below this layer, not what this layer itself brings.
    if (existing?.children !== undefined) makeOpaque(existing);
    if (existing !== undefined) return;
    this.#add(parent, hidden, newInode({ mode: S_IFCHR, mtimeNs: entry.mtimeNs }));
  }

  #add(parent: Inode, base: string, inode: Inode): void {
    if (base.length > NAME_MAX_BYTES) throw new NotExpressible();
    inode.links++;
    childrenOf(parent).set(base, inode);
  }

  #remove(parent: Inode, base: string): void {
    const children = childrenOf(parent);
    const existing = children.get(base);
    if (existing === undefined) return;
    children.delete(base);
    this.#parents.clear();
    forget(existing);
  }

  #find(name: string, entry: TarEntry): Inode | undefined {
    const slash = name.lastIndexOf('/');
    const parent = slash === -1 ? this.root : this.#walk(name.slice(0, slash), entry);
    return parent?.children?.get(name.slice(slash + 1));
  }

  /** The folder that `name` is in, made where the archive did not bring it, and the name within. */
  #locate(name: string, entry: TarEntry): { parent: Inode; base: string } {
    const slash = name.lastIndexOf('/');
    if (slash === -1) return { parent: this.root, base: name };
    const parentName = name.slice(0, slash);
    const known = this.#parents.get(parentName);
    const parent = known ?? this.#walk(parentName, entry) ?? this.#make(parentName, entry);
    if (known === undefined) this.#parents.set(parentName, parent);
    return { parent, base: name.slice(slash + 1) };
  }

  #make(name: string, entry: TarEntry): Inode {
    const { parent, base } = this.#locate(name, entry);
    if (childrenOf(parent).has(base)) throw refused(entry, 'goes through a link that leads nowhere');
    const made = folder(parent, entry.mtimeNs);
    this.#add(parent, base, made);
    return made;
  }

  /**
   * The folder at `name`, links followed; undefined when something on the way is not there.
   * @see openat2(2), RESOLVE_BENEATH
   */
  #walk(name: string, entry: TarEntry): Inode | undefined {
    const path: Inode[] = [this.root];
    const parts = name.split('/').reverse();
    let links = 0;
    while (parts.length > 0) {
      const part = parts.pop() as string;
      if (part === '' || part === '.') continue;
      if (part === '..') {
        path.pop();
        if (path.length === 0) throw refused(entry, 'leads out of the root through a link');
        continue;
      }
      const next = childrenOf(path.at(-1) as Inode).get(part);
      if (next === undefined) return undefined;
      if (next.target !== undefined) {
        const target = next.target.toString('latin1');
        links++;
        if (target.startsWith('/') || links > LINKS_MAX)
          throw refused(entry, 'leads out of the root through a link');
        parts.push(...target.split('/').reverse());
        continue;
      }
      if (next.children === undefined) throw refused(entry, 'goes through something that is not a folder');
      path.push(next);
    }
    return path.at(-1);
  }
}

const NO_XATTRS: ReadonlyMap<string, Buffer> = new Map();

function makeOpaque(inode: Inode): void {
  inode.xattrs = new Map([...inode.xattrs, [OPAQUE_XATTR, OPAQUE]]);
}

/** Always of the same shape. */
const newInode = (facts: Partial<Inode> & Pick<Inode, 'mode' | 'mtimeNs'>): Inode => ({
  mode: facts.mode,
  uid: facts.uid ?? 0,
  gid: facts.gid ?? 0,
  mtimeNs: facts.mtimeNs,
  xattrs: facts.xattrs ?? NO_XATTRS,
  links: 0,
  children: facts.children,
  parent: facts.parent,
  target: facts.target,
  major: facts.major ?? 0,
  minor: facts.minor ?? 0,
  sizeBytes: facts.sizeBytes ?? 0,
  bodyOffset: facts.bodyOffset ?? 0,
  sparse: facts.sparse,
  at: 0,
});

const folder = (parent: Inode | undefined, mtimeNs: bigint): Inode =>
  newInode({ mode: S_IFDIR | 0o755, mtimeNs, children: new Map(), parent });

const childrenOf = (inode: Inode): Map<string, Inode> => inode.children as Map<string, Inode>;

function describe(inode: Inode, entry: TarEntry): void {
  inode.mode = S_IFDIR | entry.mode;
  inode.uid = entry.uid;
  inode.gid = entry.gid;
  inode.mtimeNs = entry.mtimeNs;
  if (entry.xattrs.size > 0) inode.xattrs = new Map([...inode.xattrs, ...xattrsOf(entry)]);
}

function forget(inode: Inode): void {
  inode.links--;
  for (const child of inode.children?.values() ?? []) forget(child);
}

const isWhiteout = ({ mode, major, minor }: Inode): boolean =>
  (mode & S_IFMT) === S_IFCHR && major === 0 && minor === 0;

/** Those that a file system on a disk would take. @throws NotExpressible for what the kernel judges when it is set */
function xattrsOf(entry: TarEntry): ReadonlyMap<string, Buffer> {
  if (entry.xattrs.size === 0) return NO_XATTRS;
  const kept = new Map<string, Buffer>();
  const canHaveUserXattrs = entry.type === 'file' || entry.type === 'directory';
  for (const [name, value] of imageXattrs(entry)) {
    if (name.startsWith('system.posix_acl_')) throw new NotExpressible();
    if (name.startsWith('user.') ? canHaveUserXattrs : /^(trusted|security)\./.test(name))
      kept.set(name, value);
  }
  return kept;
}
