import { type Descriptor, type Digest, parseImageConfig, parseIndex, parseManifest } from '@slipway/oci';
import type { Store } from '@slipway/store';
import {
  ATTESTATION,
  type ImageParts,
  type ImageStatement,
  PREDICATE_TYPE,
  REFERENCE_DIGEST,
  REFERENCE_TYPE,
} from './image-documents.ts';

const DOCUMENT_MAX_BYTES = 4 << 20;
/** Of a bill of materials for a large image. */
const STATEMENT_MAX_BYTES = 64 << 20;

/** What `writeImages` made an index of, so that it can be made again of layers in another form. @throws NotFound */
export async function readImages(
  { content }: Pick<Store, 'content'>,
  index: Pick<Descriptor, 'digest'>,
): Promise<ImageParts[]> {
  const manifestOf = async (digest: Digest) => parseManifest(await content.read(digest, DOCUMENT_MAX_BYTES));
  const { manifests } = parseIndex(await content.read(index.digest, DOCUMENT_MAX_BYTES));
  const statements = new Map<string, ImageStatement[]>();
  const isAttestation = ({ annotations }: Descriptor) => annotations?.[REFERENCE_TYPE] === ATTESTATION;
  for (const descriptor of manifests.filter(isAttestation)) {
    const { layers } = await manifestOf(descriptor.digest);
    const about = await Promise.all(layers.map((layer) => readStatement({ content }, layer)));
    statements.set(descriptor.annotations?.[REFERENCE_DIGEST] ?? '', about);
  }
  return await Promise.all(
    manifests
      .filter((descriptor) => !isAttestation(descriptor))
      .map(async ({ digest }) => {
        const { config, layers } = await manifestOf(digest);
        const configBytes = await content.read(config.digest, DOCUMENT_MAX_BYTES);
        const { os, architecture, variant } = parseImageConfig(configBytes);
        const platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
        return {
          configBytes,
          layers,
          platform,
          statements: statements.get(digest) ?? [],
          isPartOfIndex: true,
        };
      }),
  );
}

async function readStatement(
  { content }: Pick<Store, 'content'>,
  { digest, annotations }: Descriptor,
): Promise<ImageStatement> {
  const { predicate } = JSON.parse((await content.read(digest, STATEMENT_MAX_BYTES)).toString());
  return { predicateType: annotations?.[PREDICATE_TYPE] ?? '', predicate };
}
