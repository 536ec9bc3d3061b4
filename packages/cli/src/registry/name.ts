/** Docker Hub, as logins name it in docker's configuration and in the API. */
const HUB_ADDRESS = 'https://index.docker.io/v1/';
const HUB = 'docker.io';
const HUB_NAMES: readonly string[] = [HUB, 'index.docker.io', 'registry-1.docker.io'];

/** The registry's host that an image's name begins with; `docker.io` when it begins with none. */
export function registryOf(name: string): string {
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  return !isHost || first === 'index.docker.io' ? HUB : first;
}

/** `docker.io/library/busybox:latest` for `busybox`: a name with all that goes without saying. */
export function fullName(name: string): string {
  const registry = registryOf(name);
  const path =
    registry === HUB ? name.replace(/^(index\.)?docker\.io\//, '') : name.slice(registry.length + 1);
  const within = registry === HUB && !path.includes('/') ? `library/${path}` : path;
  return `${registry}/${within}${hasTag(name) ? '' : ':latest'}`;
}

/** Whether a name says a tag or a digest, and not only a registry's port. */
export const hasTag = (name: string): boolean => /[:@][^/]*$/.test(name);

/** The host in a login's address: `https://example.com/v1/` is `example.com`; Docker Hub's names are all `docker.io`. */
export function hostOfAddress(address: string): string {
  const host = address.replace(/^[a-z]+:\/\//i, '').replace(/\/.*$/, '');
  return host === '' || HUB_NAMES.includes(host) ? HUB : host;
}

/** How docker's configuration calls a registry. */
export const addressOfHost = (host: string): string => (host === HUB ? HUB_ADDRESS : host);
