import { parseLayerReference } from './arn.ts';
import { invalidParameter } from './errors.ts';
import type { LayerUse } from './function-record.ts';
import type { FunctionRegistry } from './registry.ts';

/**
 * The layer versions that a function names.
 * @throws InvalidArgument InvalidParameterValueException for too many, for one that is not there, and for two of one layer
 */
export function findLayerUses(
  registry: FunctionRegistry,
  arns: readonly string[],
  { most, accountId }: { readonly most: number; readonly accountId: string },
): LayerUse[] {
  if (arns.length > most) throw invalidParameter(`Cannot reference more than ${most} layers.`);
  const seen = new Map<string, string>();
  return arns.map((arn) => {
    const reference = arn.startsWith('arn:') ? parseLayerReference(arn, accountId) : undefined;
    const version = reference && registry.findLayer(reference.name)?.versions[String(reference.version)];
    if (reference === undefined || version === undefined) {
      throw invalidParameter(`Layer version ${arn} does not exist.`);
    }
    const other = seen.get(reference.name);
    if (other !== undefined) {
      throw invalidParameter(
        `Two different versions of the same layer are not allowed to be referenced in the same function. ${other} and ${arn} are versions of the same layer.`,
      );
    }
    seen.set(reference.name, arn);
    return { arn, code: version.code };
  });
}
