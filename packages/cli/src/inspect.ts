import { errorMessage, isSlipwayError } from '@slipway/base/errors';
import { type Context, ExitError } from './command.ts';

export type InspectedType = 'container' | 'image' | 'volume' | 'network';

/** Prints what the daemon knows of each thing of `types`. */
export const inspect = (
  context: Context,
  names: readonly string[],
  types: readonly InspectedType[],
  { format, size }: { format: string; size: boolean },
): Promise<void> => printEach(context, names, format, (name) => inspectOne(context, name, types, size));

/** Prints what `read` finds by each name: as indented JSON, as `json` in one line, or by a template. */
export async function printEach(
  context: Context,
  names: readonly string[],
  format: string,
  read: (name: string) => Promise<unknown>,
): Promise<void> {
  const found: unknown[] = [];
  const failures: string[] = [];
  for (const name of names) {
    try {
      found.push(await read(name));
    } catch (error) {
      failures.push(errorMessage(error));
    }
  }
  if (format === '') context.stdout.write(`${JSON.stringify(found, null, 4)}\n`);
  else if (format === 'json') context.stdout.write(`${JSON.stringify(found)}\n`);
  else {
    const { compileTemplate } = await import('./format/template.ts');
    const render = compileTemplate(format);
    for (const value of found) context.stdout.write(`${render(value)}\n`);
  }
  if (failures.length > 0) throw new ExitError(1, failures.join('\nslipway: '));
}

/** The first thing of that name, in docker's order of types. */
async function inspectOne(
  { client }: Context,
  name: string,
  types: readonly InspectedType[],
  size: boolean,
): Promise<unknown> {
  const readers = {
    container: () => client.containers.inspect(name, { size }),
    image: () => client.images.inspect(name),
    network: () => client.networks.inspect(name),
    volume: () => client.volumes.inspect(name),
  };
  for (const type of types) {
    try {
      return await readers[type]();
    } catch (error) {
      if (types.length === 1 || !isSlipwayError(error, 'NotFound', 'InvalidArgument')) throw error;
    }
  }
  throw new ExitError(1, `no such object: ${name}`);
}
