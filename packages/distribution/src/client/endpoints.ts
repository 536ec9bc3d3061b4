import { readdir, readFile } from 'node:fs/promises';
import { BlockList, isIP } from 'node:net';
import { join } from 'node:path';
import { isErrno, SlipwayError } from '@slipway/base';
import type { FindEndpoints, RegistryEndpoint } from './registry.ts';

export interface EndpointOptions {
  /** `{ domain: 'docker.io', url: 'https://mirror.example' }`, asked in the order given. */
  readonly mirrors: readonly { readonly domain: string; readonly url: string }[];
  /** `HOST`, `HOST:PORT`, or a CIDR that holds for registries named by their address. */
  readonly insecure: readonly string[];
  /** Folders as docker has in `/etc/docker/certs.d`: `HOST[:PORT]/{*.crt, NAME.cert, NAME.key}`. The first that has the host counts. */
  readonly certificateFolders: readonly string[];
}

/** Docker Hub's registry is not at its name. */
const DOCKER_HUB = { domain: 'docker.io', host: 'registry-1.docker.io' };

type Certificates = Pick<RegistryEndpoint, 'ca' | 'clientCertificate'>;

/**
 * Where registries are reached, by configuration. Loopback hosts are insecure by default, as with docker.
 * @throws InvalidArgument for a mirror or an insecure registry that is malformed
 */
export function createEndpointFinder(options: EndpointOptions): FindEndpoints {
  const isInsecure = insecureHosts(options.insecure);
  const mirrors = options.mirrors.map(({ domain, url }) => ({ domain, url: checkMirror(domain, url) }));
  const endpoint = async (
    url: URL,
    certificateHost: string,
    isMirror: boolean,
  ): Promise<RegistryEndpoint> => ({
    url: url.origin + (url.pathname === '/' ? '' : url.pathname),
    isMirror,
    insecure: isInsecure(url.host),
    ...(await readCertificates(options.certificateFolders, certificateHost)),
  });
  return async (domain) => {
    const own = new URL(`https://${domain === DOCKER_HUB.domain ? DOCKER_HUB.host : checkDomain(domain)}`);
    const ofDomain = mirrors.filter((mirror) => mirror.domain === domain);
    return Promise.all([
      ...ofDomain.map(({ url }) => endpoint(url, url.host, true)),
      endpoint(own, domain, false),
    ]);
  };
}

/** @throws InvalidArgument for what is more or less than a host with an optional port */
function checkDomain(domain: string): string {
  const isHost = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9._-]*[a-zA-Z0-9])?|\[[a-fA-F0-9:]+\])(?::\d{1,5})?$/.test(
    domain,
  );
  if (isHost && URL.canParse(`https://${domain}`)) return domain;
  throw new SlipwayError('InvalidArgument', `"${domain}" is not a registry's HOST or HOST:PORT`);
}

function checkMirror(domain: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new SlipwayError(
      'InvalidArgument',
      `the mirror "${text}" of ${domain} is not a URL as https://HOST[:PORT]`,
    );
  }
  if (url.username !== '' || url.password !== '') {
    // Without the value: it holds a password.
    throw new SlipwayError(
      'InvalidArgument',
      `the mirror ${url.host} of ${domain} must not have a user in its URL`,
    );
  }
  url.pathname = url.pathname.replace(/\/+$/, '');
  return url;
}

function insecureHosts(entries: readonly string[]): (host: string) => boolean {
  const hosts = new Set<string>();
  const networks = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix, ...rest] = entry.split('/');
    const family = isIP(address);
    const bits = Number(prefix);
    if (prefix === undefined) {
      hosts.add(checkDomain(entry).toLowerCase());
    } else if (
      family !== 0 &&
      rest.length === 0 &&
      /^\d{1,3}$/.test(prefix) &&
      bits <= (family === 4 ? 32 : 128)
    ) {
      networks.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
    } else {
      throw new SlipwayError(
        'InvalidArgument',
        `the insecure registry "${entry}" is neither HOST, HOST:PORT nor a CIDR as 10.0.0.0/8`,
      );
    }
  }
  return (host) => {
    const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
    if (hosts.has(host.toLowerCase()) || isLoopback(name)) return true;
    const family = isIP(name);
    return family !== 0 && networks.check(name, family === 4 ? 'ipv4' : 'ipv6');
  };
}

/** By its literal name alone: what a name resolves to is not asked. */
const isLoopback = (name: string): boolean =>
  name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));

/** @see https://docs.docker.com/engine/security/certificates/ */
async function readCertificates(folders: readonly string[], host: string): Promise<Certificates> {
  for (const parent of folders) {
    const folder = join(parent, host);
    const names = await readdir(folder).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw new SlipwayError('InvalidArgument', `cannot read the certificates in ${folder}`, {
        cause: error,
      });
    });
    if (names !== undefined) return readFolder(folder, names.sort());
  }
  return {};
}

async function readFolder(folder: string, names: readonly string[]): Promise<Certificates> {
  const read = (name: string) => readFile(join(folder, name), 'utf8');
  const ca = await Promise.all(names.filter((name) => name.endsWith('.crt')).map(read));
  const certificate = names.find((name) => name.endsWith('.cert'));
  const found = ca.length === 0 ? {} : { ca };
  if (certificate === undefined) return found;
  const key = certificate.replace(/\.cert$/, '.key');
  if (!names.includes(key)) {
    throw new SlipwayError(
      'InvalidArgument',
      `${folder} has the client certificate ${certificate} but not its key ${key}; a CA's file ends in .crt`,
    );
  }
  return { ...found, clientCertificate: { cert: await read(certificate), key: await read(key) } };
}
