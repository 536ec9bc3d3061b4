import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { PublishedPort } from './network.ts';

const run = promisify(execFile);

/**
 * Ends the kernel's memory of UDP flows to published ports: without it, a peer that keeps sending is led to the container that
 * had the port before. Needs the program `conntrack`; where it is missing the flows end by themselves, after some minutes.
 */
export async function endUdpFlows(ports: readonly PublishedPort[]): Promise<void> {
  const hostPorts = new Set(
    ports.filter(({ protocol }) => protocol === 'udp').map(({ hostPort }) => hostPort),
  );
  for (const hostPort of hostPorts) {
    // It fails when there is no such flow.
    await run('conntrack', ['-D', '-p', 'udp', '--orig-port-dst', String(hostPort)]).catch(() => {});
  }
}
