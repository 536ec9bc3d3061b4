import { existsSync } from 'node:fs';
import { checkoutRoot } from '../../architecture/source-files.ts';

const inCache = (path: string): string => `${checkoutRoot}/.cache/peers/${path}`;
const first = (...paths: readonly string[]): string | undefined => paths.find((path) => existsSync(path));

/** The programs of others that the tests and the bench use, where `script/peers` put them. */
export const peers = {
  /** docker CLI 28. */
  docker: first(inCache('usr/bin/docker'), '/usr/local/bin/docker'),
  /** docker CLI 20.10, from Debian. */
  oldDocker: first('/usr/bin/docker'),
  /** dockerd 20.10, from Debian. */
  dockerd: first('/usr/sbin/dockerd', '/usr/bin/dockerd'),
  podman: first('/usr/bin/podman'),
  skopeo: first('/usr/bin/skopeo'),
  /** docker-registry 2.8, from Debian. */
  dockerRegistry: first('/usr/bin/docker-registry'),
  crane: first(inCache('usr/bin/crane'), '/usr/bin/crane'),
  oras: first(inCache('usr/bin/oras'), '/usr/bin/oras'),
  cosign: first(inCache('usr/bin/cosign'), '/usr/bin/cosign'),
  aws: first('/usr/bin/aws'),
  /** dockerd 28; its containerd is in `../bin` of its folder. */
  dockerd28: first(inCache('dockerd-28/usr/sbin/dockerd')),
  /** Plugins of docker's CLI: `cliPluginsExtraDirs` of a DOCKER_CONFIG names their folder. */
  buildx: first(inCache('cli-plugins/docker-buildx')),
  compose: first(inCache('cli-plugins/docker-compose')),
  /** A checker of JSON schemas, for Debian's python3. */
  jsonschema: first('/usr/lib/python3/dist-packages/jsonschema'),
  /** AWS's SDK for Debian's python3. */
  boto3: first('/usr/lib/python3/dist-packages/boto3'),
  fish: first('/usr/bin/fish'),
  zsh: first('/usr/bin/zsh'),
  wrk: first('/usr/bin/wrk'),
  runsc: first(inCache('usr/bin/runsc'), '/usr/bin/runsc'),
} as const;

/** With `CI=true` a missing peer is a failure, else a reason to skip: pass it as a test's `skip`. */
export function without(name: keyof typeof peers): string | false {
  if (peers[name] !== undefined) return false;
  if (process.env.CI === 'true') throw new Error(`${name} is missing; script/peers should have brought it`);
  return `${name} is not here; script/peers brings it`;
}
