import { mustRun } from '../../test/integration/harness/command.ts';
import { peers } from '../../test/integration/harness/peers.ts';
import type { Figure } from '../figure.ts';
import { peakBytes, processTree } from '../processes.ts';
import type { RegistryContender } from '../registries.ts';
import { inTurns, summarize } from '../samples.ts';

const SECONDS = 4;
/** docker-registry knows no OCI manifest for those who do not ask for one. */
const ACCEPT = 'Accept: application/vnd.oci.image.manifest.v1+json, */*';

/** Blobs of 32 MB, read by `clients` over kept connections. */
const blobs = (clients: number): Figure<RegistryContender> => ({
  name: `blobs-${clients}`,
  title: `registry: blobs of 32 MB, ${clients === 1 ? 'one client' : `${clients} clients`}`,
  unit: 'MB/s',
  goal: { timesPeerAtLeast: 1 },
  measure: (registries, { rounds }) =>
    inTurns(registries, Math.ceil(rounds / 5), async ({ blobUrl }) =>
      transferred(await load(blobUrl, clients)),
    ),
});

const manifests: Figure<RegistryContender> = {
  name: 'manifests',
  title: 'registry: manifests by tag, 16 clients',
  unit: '/s',
  goal: { timesPeerAtLeast: 3 },
  measure: (registries, { rounds }) =>
    inTurns(registries, Math.ceil(rounds / 5), async ({ manifestUrl }) =>
      Number(/^Requests\/sec:\s+([\d.]+)/m.exec(await load(manifestUrl, 16))?.[1]),
    ),
};

/** The most that was resident since the daemon started, after the figures above. */
const memory: Figure<RegistryContender> = {
  name: 'registry-memory',
  title: 'registry: most resident under that load',
  unit: 'MB',
  goal: { timesPeerAtMost: 2 },
  async measure(registries) {
    const peaks = new Map();
    for (const { name, daemonPid, blobUrl, manifestUrl } of registries) {
      await load(blobUrl, 16);
      await load(manifestUrl, 16);
      peaks.set(name, summarize([peakBytes(processTree(daemonPid)) / 1e6]));
    }
    return peaks;
  },
};

/** What wrk says after some seconds. @throws when an answer was not 2xx */
async function load(url: string, connections: number): Promise<string> {
  const pressure = ['-t', '1', '-c', `${connections}`, '-d', `${SECONDS}s`, '--timeout', '30s'];
  const { stdout } = await mustRun([peers.wrk ?? 'wrk', ...pressure, '-H', ACCEPT, url], {
    timeoutMs: 60_000,
  });
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${url}: ${stdout}`);
  return stdout;
}

const UNITS: Readonly<Record<string, number>> = { KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 };

/** Unit: MB/s, of a million bytes. */
function transferred(output: string): number {
  const [, amount, unit = ''] = /^Transfer\/sec:\s+([\d.]+)([KMG]B)/m.exec(output) ?? [];
  return (Number(amount) * (UNITS[unit] ?? 1)) / 1e6;
}

export const registryFigures: readonly Figure<RegistryContender>[] = [blobs(1), blobs(16), manifests, memory];
