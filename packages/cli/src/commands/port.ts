import { defineCommand, ExitError } from '../command.ts';

export default defineCommand({
  summary: 'Show the published ports of a container',
  arguments: { usage: 'CONTAINER [PORT[/PROTOCOL]]', min: 1, max: 2, complete: 'running' },
  flags: {},
  examples: [['port web 80', 'where its port 80 is published']],
  async run({ client, stdout }, { args }) {
    const [name, wanted] = args as [string, string?];
    const { NetworkSettings } = await client.containers.inspect(name);
    const ports = NetworkSettings.Ports ?? {};
    const show = (ip: string, port: string) => `${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
    if (wanted !== undefined) {
      const bindings = ports[wanted.includes('/') ? wanted : `${wanted}/tcp`];
      if (!bindings) throw new ExitError(1, `no public port '${wanted}' published for ${name}`);
      for (const { HostIp, HostPort } of bindings) stdout.write(`${show(HostIp, HostPort)}\n`);
      return;
    }
    for (const [port, bindings] of Object.entries(ports).sort(
      ([a], [b]) => Number.parseInt(a, 10) - Number.parseInt(b, 10),
    )) {
      for (const { HostIp, HostPort } of bindings ?? [])
        stdout.write(`${port} -> ${show(HostIp, HostPort)}\n`);
    }
  },
});
