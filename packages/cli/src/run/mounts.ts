import { resolve } from 'node:path';
import { SlipwayError } from '@slipway/base/errors';
import { parseBytes } from './values.ts';

export interface VolumeFlags {
  readonly Binds: string[];
  readonly Volumes: Record<string, Record<string, never>>;
}

/** `-v`: `NAME-OR-PATH:DESTINATION[:OPTIONS]`, or only a destination, which gets a volume of its own. */
export function parseVolumes(values: readonly string[]): VolumeFlags {
  const flags: VolumeFlags = { Binds: [], Volumes: {} };
  for (const value of values) {
    const [source = '', destination, options, ...more] = value.split(':');
    if (more.length > 0 || source === '' || destination === '') {
      throw invalid('volume', value, 'expected [SOURCE:]DESTINATION[:OPTIONS]');
    }
    if (destination === undefined) {
      flags.Volumes[source] = {};
      continue;
    }
    const host = /^(\.{1,2}(\/|$))/.test(source) ? resolve(source) : source;
    flags.Binds.push([host, destination, ...(options === undefined ? [] : [options])].join(':'));
  }
  return flags;
}

/** `--mount type=bind,source=/a,target=/b,readonly` as the API's Mount. */
export function parseMount(value: string): object {
  const mount: Record<string, unknown> = { Type: 'volume' };
  const options: Record<string, Record<string, unknown>> = {};
  const option = (kind: string) => (options[kind] ??= {});
  for (const field of splitFields(value)) {
    const equals = field.indexOf('=');
    const key = (equals === -1 ? field : field.slice(0, equals)).toLowerCase();
    const text = equals === -1 ? undefined : field.slice(equals + 1);
    const needed = () => {
      if (text === undefined || text === '') throw invalid('mount', value, `"${key}" needs a value`);
      return text;
    };
    const flag = () => {
      if (text === undefined || text === 'true' || text === '1') return true;
      if (text === 'false' || text === '0') return false;
      throw invalid('mount', value, `"${key}" is true or false`);
    };
    switch (key) {
      case 'type':
        mount['Type'] = needed().toLowerCase();
        break;
      case 'source':
      case 'src':
        mount['Source'] = /^\.{1,2}(\/|$)/.test(needed()) ? resolve(needed()) : needed();
        break;
      case 'target':
      case 'dst':
      case 'destination':
        mount['Target'] = needed();
        break;
      case 'readonly':
      case 'ro':
        mount['ReadOnly'] = flag();
        break;
      case 'consistency':
        mount['Consistency'] = needed();
        break;
      case 'bind-propagation':
        option('BindOptions')['Propagation'] = needed();
        break;
      case 'bind-nonrecursive':
        option('BindOptions')['NonRecursive'] = flag();
        break;
      case 'bind-create-src':
        option('BindOptions')['CreateMountpoint'] = flag();
        break;
      case 'volume-nocopy':
        option('VolumeOptions')['NoCopy'] = flag();
        break;
      case 'volume-subpath':
        option('VolumeOptions')['Subpath'] = needed();
        break;
      case 'volume-label':
        addSetting(option('VolumeOptions'), 'Labels', needed());
        break;
      case 'volume-driver':
        driverConfig(option('VolumeOptions'))['Name'] = needed();
        break;
      case 'volume-opt':
        addSetting(driverConfig(option('VolumeOptions')), 'Options', needed());
        break;
      case 'tmpfs-size':
        option('TmpfsOptions')['SizeBytes'] = parseBytes(needed());
        break;
      case 'tmpfs-mode':
        option('TmpfsOptions')['Mode'] = Number.parseInt(needed(), 8);
        break;
      default:
        throw invalid('mount', value, `unknown key "${key}"`);
    }
  }
  if (mount['Target'] === undefined) throw invalid('mount', value, 'there is no target=');
  if (mount['Type'] === 'bind' && mount['Source'] === undefined) {
    throw invalid('mount', value, 'a bind mount needs source=');
  }
  return { ...mount, ...options };
}

/** `--tmpfs /run:size=64m,mode=1777` */
export const parseTmpfs = (values: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    values.map((value) => {
      const colon = value.indexOf(':');
      return colon === -1 ? [value, ''] : [value.slice(0, colon), value.slice(colon + 1)];
    }),
  );

/** The fields of a line of CSV: apart by commas, or in double quotes. */
function splitFields(value: string): string[] {
  const fields = value.match(/("(?:[^"]|"")*"|[^,"]+)+/g) ?? [];
  return fields.map((field) =>
    field.replace(/"((?:[^"]|"")*)"/g, (_, text: string) => text.replaceAll('""', '"')),
  );
}

function driverConfig(options: Record<string, unknown>): Record<string, unknown> {
  const config = (options['DriverConfig'] ?? {}) as Record<string, unknown>;
  options['DriverConfig'] = config;
  return config;
}

function addSetting(target: Record<string, unknown>, key: string, setting: string): void {
  const equals = setting.indexOf('=');
  const [name, value] = equals === -1 ? [setting, ''] : [setting.slice(0, equals), setting.slice(equals + 1)];
  target[key] = { ...(target[key] as object | undefined), [name]: value };
}

const invalid = (what: string, value: string, why: string): SlipwayError =>
  new SlipwayError('InvalidArgument', `invalid ${what} "${value}": ${why}`);
