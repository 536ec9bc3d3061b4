import { formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { compileTemplate } from '../format/template.ts';
import { formatBinarySize } from '../format/units.ts';

export default defineCommand({
  summary: "Show the daemon's settings and what the machine can do",
  arguments: { usage: '', min: 0, max: 0 },
  flags: { format: { ...formatFlag(), short: 'f' } },
  examples: [["info -f '{{.Driver}}'", 'only the storage driver']],
  async run({ client, stdout }, { flags }) {
    const info = await client.system.info();
    if (flags.format !== '') {
      stdout.write(`${compileTemplate(flags.format === 'json' ? '{{json .}}' : flags.format)(info)}\n`);
      return;
    }
    const shown: readonly (readonly [string, unknown])[] = [
      ['Containers', info['Containers']],
      [' Running', info['ContainersRunning']],
      [' Paused', info['ContainersPaused']],
      [' Stopped', info['ContainersStopped']],
      ['Images', info['Images']],
      ['Server Version', info['ServerVersion']],
      ['Storage Driver', info['Driver']],
      ['Logging Driver', info['LoggingDriver']],
      ['Cgroup Driver', info['CgroupDriver']],
      ['Cgroup Version', info['CgroupVersion']],
      ['Runtimes', Object.keys(info['Runtimes'] ?? {}).join(' ')],
      ['Default Runtime', info['DefaultRuntime']],
      ['Kernel Version', info['KernelVersion']],
      ['Operating System', info['OperatingSystem']],
      ['OSType', info['OSType']],
      ['Architecture', info['Architecture']],
      ['CPUs', info['NCPU']],
      ['Total Memory', formatBinarySize(Number(info['MemTotal'] ?? 0))],
      ['Name', info['Name']],
      ['ID', info['ID']],
      ['Docker Root Dir', info['DockerRootDir']],
    ];
    for (const [name, value] of shown)
      if (value !== undefined && value !== '') stdout.write(`${name}: ${value}\n`);
    const warnings = info['Warnings'];
    if (Array.isArray(warnings)) for (const warning of warnings) stdout.write(`${warning}\n`);
  },
});
