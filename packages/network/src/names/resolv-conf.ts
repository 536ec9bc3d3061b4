export interface ResolvConf {
  readonly nameServers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Reads what `resolv.conf` says; the last `search` or `domain` counts. @see resolv.conf(5) */
export function parseResolvConf(text: string): ResolvConf {
  const nameServers: string[] = [];
  const options: string[] = [];
  let search: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && words[0] !== undefined) nameServers.push(words[0]);
    else if (keyword === 'search' || keyword === 'domain') search = words;
    else if (keyword === 'options') options.push(...words);
  }
  return { nameServers, search, options };
}

export interface ResolvConfRequest extends ResolvConf {
  /** The host's own file: what is not asked for comes from there. */
  readonly hostResolvConf: string;
  /** A container on the host's network reaches the host's loopback servers; others do not. */
  readonly keepLoopback: boolean;
}

/** What Docker puts where the host names no server that a container could reach. */
const FALLBACK_SERVERS = ['8.8.8.8', '8.8.4.4'];

/** `resolv.conf` for a container. A search list of `.` alone means none. */
export function formatResolvConf(request: ResolvConfRequest): string {
  const host = parseResolvConf(request.hostResolvConf);
  const reachable = host.nameServers.filter((server) => request.keepLoopback || !isLoopback(server));
  const nameServers = firstFilled(request.nameServers, reachable, FALLBACK_SERVERS);
  const search = firstFilled(request.search, host.search).filter((domain) => domain !== '.');
  const options = firstFilled(request.options, host.options);
  return [
    ...nameServers.map((server) => `nameserver ${server}\n`),
    ...(search.length > 0 ? [`search ${search.join(' ')}\n`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}\n`] : []),
  ].join('');
}

export const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

const firstFilled = (...lists: readonly (readonly string[])[]): readonly string[] =>
  lists.find((list) => list.length > 0) ?? [];
