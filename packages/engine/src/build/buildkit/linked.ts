import { SlipwayError } from '@slipway/base';
import { computeDigest } from '@slipway/oci';
import type { BuildKitContext } from './context.ts';
import { messageType } from './messages.ts';

/** A client carries what one target came to into another as LLB; ours only names it. */
const SCHEME = 'slipway-ref://';

/** A definition that names what was built, in the form that clients take apart and put together again. */
export function definitionOf(refId: string): object {
  const op = messageType('Op');
  const source = op.encode({ source: { identifier: `${SCHEME}${refId}` } });
  const digest = computeDigest(source);
  // One without metadata would be none to a client.
  return { def: [source, op.encode({ inputs: [{ digest, index: 0 }] })], metadata: { [digest]: {} } };
}

type Definitions = Readonly<Record<string, { readonly def: readonly Uint8Array[] }>>;

/**
 * The images that a build stands on because other targets made them, by the names of their contexts.
 * @throws NotImplemented for LLB that is not ours
 */
export async function linkedImages(
  { builds, jobs }: BuildKitContext,
  definitions: Definitions,
): Promise<ReadonlyMap<string, string>> {
  const images = new Map<string, string>();
  for (const [name, { def }] of Object.entries(definitions)) {
    const identifiers = def.map(
      (bytes) => messageType('Op').decode(bytes).source?.identifier as string | undefined,
    );
    const ours = identifiers.find((identifier) => identifier?.startsWith(SCHEME));
    if (ours === undefined) {
      throw new SlipwayError('NotImplemented', `build context ${name} is LLB, which is not supported`);
    }
    const { plan, result } = jobs.ref(ours.slice(SCHEME.length));
    const { image } = await builds.exportImages([{ plan, result, statements: [] }], []);
    images.set(name, image.id);
  }
  return images;
}
