/** Lines of a hosts file: an address and its names. */
export interface HostsFile {
  readonly entries: readonly { readonly address: string; readonly names: readonly string[] }[];
}

/** `/etc/hosts` as Docker writes it: the standard names, then the entries in their order. */
export function formatHosts({ entries }: HostsFile): string {
  const lines = entries
    .filter(({ names }) => names.length > 0)
    .map(({ address, names }) => `${address}\t${names.join(' ')}\n`);
  return STANDARD + lines.join('');
}

const STANDARD = [
  '127.0.0.1\tlocalhost\n',
  '::1\tlocalhost ip6-localhost ip6-loopback\n',
  'fe00::0\tip6-localnet\n',
  'ff00::0\tip6-mcastprefix\n',
  'ff02::1\tip6-allnodes\n',
  'ff02::2\tip6-allrouters\n',
].join('');
