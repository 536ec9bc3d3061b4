import { SlipwayError } from '@slipway/base/errors';
import type { FunctionDefinition } from '@slipway/client';
import { type FlagTable, type FlagValues, integer, list, text } from '../args/flags.ts';
import { parseEnv } from '../run/values.ts';
import type { Manifest } from './manifest.ts';

/** How a function is to be run, of `fn create` and `fn deploy`. */
export const SETTING_FLAGS = {
  runtime: text('What runs it: nodejs22.x, nodejs24.x, python3.11, java17, provided.al2023, …', {
    value: 'name',
  }),
  handler: text('What is called, as index.handler', { value: 'name' }),
  description: text('What it is for'),
  memory: integer('Memory in MB, and with it its share of a processor (128)', { short: 'm', value: 'MB' }),
  timeout: integer('Seconds that an invocation may take (3)', { value: 'seconds' }),
  storage: integer('Of /tmp, in MB (512)', { value: 'MB' }),
  env: list('Set an environment variable', { short: 'e', value: 'NAME=VALUE' }),
  layer: list('Lay a layer into /opt', { value: 'arn' }),
  network: text("'none': nothing outside can be reached; 'outbound'", {
    complete: ['outbound', 'none'],
  }),
  isolation: text('The OCI runtime that it runs in, as runsc', { value: 'name' }),
  role: text('What Lambda calls the execution role; kept and told, nothing more', {
    value: 'arn',
    initial: 'arn:aws:iam::000000000000:role/slipway',
  }),
} as const satisfies FlagTable;

/** The manifest with what was given on the command line over it. */
export function manifestWith(
  manifest: Manifest,
  flags: FlagValues<typeof SETTING_FLAGS>,
  env: Readonly<Record<string, string | undefined>>,
): Manifest {
  const { network } = flags;
  if (network !== '' && network !== 'outbound' && network !== 'none') {
    throw new SlipwayError('InvalidArgument', `--network is outbound or none, not "${network}"`);
  }
  const variables = Object.fromEntries(
    parseEnv(flags.env, env).map((setting) => {
      const equals = setting.indexOf('=');
      return [setting.slice(0, equals), setting.slice(equals + 1)];
    }),
  );
  return {
    ...manifest,
    ...(flags.runtime === '' ? {} : { runtime: flags.runtime }),
    ...(flags.handler === '' ? {} : { handler: flags.handler }),
    ...(flags.description === '' ? {} : { description: flags.description }),
    ...(flags.memory === undefined ? {} : { memory: flags.memory }),
    ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
    ...(flags.storage === undefined ? {} : { storage: flags.storage }),
    ...(flags.env.length === 0 ? {} : { environment: { ...manifest.environment, ...variables } }),
    ...(flags.layer.length === 0 ? {} : { layers: flags.layer }),
    ...(network === '' ? {} : { network }),
    ...(flags.isolation === '' ? {} : { isolation: flags.isolation }),
  };
}

/** What Lambda's API calls these settings; code and names are not among them. */
export function toConfiguration(
  manifest: Manifest,
): Omit<FunctionDefinition, 'FunctionName' | 'Role' | 'Code' | 'Tags'> {
  const { runtime, handler, description, memory, timeout, storage, environment, layers } = manifest;
  return {
    ...(runtime === undefined ? {} : { Runtime: runtime }),
    ...(handler === undefined ? {} : { Handler: handler }),
    ...(description === undefined ? {} : { Description: description }),
    ...(memory === undefined ? {} : { MemorySize: memory }),
    ...(timeout === undefined ? {} : { Timeout: timeout }),
    ...(storage === undefined ? {} : { EphemeralStorage: { Size: storage } }),
    ...(environment === undefined ? {} : { Environment: { Variables: environment } }),
    ...(layers === undefined ? {} : { Layers: layers }),
  };
}

/** What is Slipway's own, as reserved tags, which every client of Lambda can send. */
export const toTags = ({ network, isolation }: Manifest): Record<string, string> => ({
  ...(network === undefined ? {} : { 'slipway:network': network }),
  ...(isolation === undefined ? {} : { 'slipway:isolation': isolation }),
});
