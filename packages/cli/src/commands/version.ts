import { boolean, formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { SLIPWAY_VERSION } from '../version.ts';

export default defineCommand({
  summary: "Show this command's and the daemon's version",
  arguments: { usage: '', min: 0, max: 0 },
  flags: { format: { ...formatFlag(), short: 'f' }, client: boolean('Only this command; asks no daemon') },
  examples: [["version --format '{{.Server.Version}}'", "only the daemon's version"]],
  async run({ client, stdout }, { flags }) {
    const Client = {
      Version: SLIPWAY_VERSION,
      NodeVersion: process.version,
      Os: process.platform,
      Arch: process.arch,
    };
    if (flags.format !== '') {
      const Server = flags.client ? null : await client.system.version();
      const { compileTemplate } = await import('../format/template.ts');
      const render = compileTemplate(flags.format === 'json' ? '{{json .}}' : flags.format);
      stdout.write(`${render({ Client, Server })}\n`);
      return;
    }
    stdout.write(
      `Client: Slipway\n Version:           ${Client.Version}\n Node version:      ${Client.NodeVersion}\n OS/Arch:           ${Client.Os}/${Client.Arch}\n`,
    );
    if (flags.client) return;
    const server = await client.system.version();
    stdout.write(
      `\nServer: ${server.Platform?.Name || 'Docker Engine'}\n Version:           ${server.Version}\n API version:       ${server.ApiVersion} (minimum version ${server.MinAPIVersion})\n OS/Arch:           ${server.Os}/${server.Arch}\n Kernel:            ${server.KernelVersion}\n`,
    );
    for (const { Name, Version } of server.Components ?? []) {
      if (Name !== 'Engine') stdout.write(` ${`${Name}:`.padEnd(18)} ${Version}\n`);
    }
  },
});
