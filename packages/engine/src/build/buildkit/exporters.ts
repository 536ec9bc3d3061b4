import { SlipwayError } from '@slipway/base';
import {
  type Descriptor,
  formatFamiliar,
  formatPlatform,
  formatReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from '@slipway/oci';
import { needIndex } from '../../images/index.ts';
import type { BuiltImage } from '../export/export-image.ts';
import type { BuildKitContext } from './context.ts';
import { sendFiles } from './file-sender.ts';
import type { BuiltRef, Job } from './job.ts';
import { withVertex } from './load-dockerfile.ts';
import type { ClientSession } from './session.ts';
import type { Call } from './session-connection.ts';

/** What a client wants done with what was built: `--output type=…`. */
export interface Exporter {
  readonly type: string;
  readonly attrs: Readonly<Record<string, string>>;
}

/** What is told of it: `containerimage.digest` and the like. */
export type ExporterResponse = Record<string, string>;

interface Exporting {
  readonly context: BuildKitContext;
  readonly job: Job;
  readonly session: ClientSession;
  /** One for each platform. */
  readonly refs: readonly BuiltRef[];
  readonly exporter: Exporter;
  /** Its place among the exporters of the build. */
  readonly index: number;
}

/**
 * Gives what was built to where the client wants it.
 * @throws NotImplemented for an exporter that this door does not have
 */
export async function runExporter(exporting: Exporting): Promise<ExporterResponse> {
  const { exporter } = exporting;
  switch (exporter.type) {
    case 'moby':
    case 'image':
      return await toImageStore(exporting);
    case 'oci':
    case 'docker':
      return await toArchive(exporting, exporter.type);
    case 'tar':
      return await toTar(exporting);
    case 'local':
      return await toFolder(exporting);
    default:
      throw new SlipwayError(
        'NotImplemented',
        `exporter "${exporter.type}" could not be found: use image, oci, docker, tar or local`,
      );
  }
}

const referencesOf = ({ attrs }: Exporter): Reference[] =>
  (attrs.name ?? '')
    .split(',')
    .flatMap((name) => (name === '' ? [] : [withDefaultTag(parseReference(name))]));

/**
 * What is said about the images. Provenance that nobody asked for by name goes where an image is given away, and not into the
 * engine's own store: the same build is the same image there.
 */
async function withStatements(
  { context, job, refs, exporter }: Exporting,
  { givesAway }: { readonly givesAway: boolean },
): Promise<BuiltImage[]> {
  const name = referencesOf(exporter).map(formatFamiliar)[0];
  const images: BuiltImage[] = [];
  for (const ref of refs) {
    const { provenance, sbom } = ref.attestations;
    const wanted = { sbom, provenance: provenance?.inlineOnly && !givesAway ? undefined : provenance };
    const facts = { ...ref.facts, name: name ?? ref.facts.name };
    const attest = () => context.builds.attest(ref, wanted, { facts, signal: job.signal });
    const title = `[${formatPlatform(ref.plan.platform)}] generating sbom`;
    const statements = await (sbom ? withVertex(context, job, { title }, attest) : attest());
    images.push({ ...ref, statements });
  }
  return images;
}

async function toImageStore(exporting: Exporting): Promise<ExporterResponse> {
  const { context, job, exporter } = exporting;
  const references = referencesOf(exporter);
  const images = await withStatements(exporting, { givesAway: false });
  const { image, top } = await withVertex(
    context,
    job,
    { title: 'exporting to image', moved: 'exporting layers' },
    () => context.builds.exportImages(images, references),
  );
  const pushed = isTrue(exporter.attrs.push) ? await pushAll(exporting, references) : undefined;
  const told = pushed ?? top;
  return {
    'containerimage.digest': told.digest,
    'containerimage.config.digest': image.id,
    'containerimage.descriptor': Buffer.from(JSON.stringify(told)).toString('base64'),
    ...(references.length === 0 ? {} : { 'image.name': references.map(formatReference).join(',') }),
  };
}

/** @returns what the names mean in their registries, where that is more than the engine's image */
async function pushAll(
  exporting: Exporting,
  references: readonly Reference[],
): Promise<Descriptor | undefined> {
  const { context, job, session } = exporting;
  const images = await withStatements(exporting, { givesAway: true });
  const isImageAlone = !needIndex(images);
  let pushed: Descriptor | undefined;
  for (const reference of references) {
    const title = `pushing ${formatReference(reference)} with docker`;
    await withVertex(context, job, { title }, async () => {
      const credentials = await session.credentials(reference.domain);
      if (isImageAlone) for await (const _ of await context.push({ reference, credentials }, job.signal));
      else pushed = await context.builds.push(images, { reference, credentials }, job.signal);
    });
  }
  return pushed;
}

async function toArchive(exporting: Exporting, format: 'oci' | 'docker'): Promise<ExporterResponse> {
  const { context, exporter } = exporting;
  if (exporter.attrs.tar === 'false') {
    throw new SlipwayError(
      'NotImplemented',
      `type=${format},tar=false is not supported: leave tar=false out`,
    );
  }
  const references = referencesOf(exporter);
  const title = format === 'oci' ? 'exporting to oci image format' : 'exporting to docker image format';
  const images = await withStatements(exporting, { givesAway: format === 'oci' });
  await sendBytes(exporting, title, context.builds.exportArchive(images, { format, references }));
  return {};
}

async function toTar(exporting: Exporting): Promise<ExporterResponse> {
  const { context, job } = exporting;
  const ref = onlyRef(exporting);
  const bytes = context.builds.exportTar(ref.plan, ref.result, job.signal);
  await sendBytes(exporting, 'exporting to client tarball', bytes);
  return {};
}

async function toFolder(exporting: Exporting): Promise<ExporterResponse> {
  const { context, job } = exporting;
  const { result } = onlyRef(exporting);
  await withVertex(
    context,
    job,
    { title: 'exporting to client directory', moved: 'copying files' },
    async () => {
      await using files = await context.builds.openFiles(result, job.signal);
      using call = openFileSend(exporting, 'Packet');
      await sendFiles(call, files.path);
    },
  );
  return {};
}

/** @throws NotImplemented where there are several, or something was to be said about it */
function onlyRef({ refs, exporter: { type } }: Exporting): BuiltRef {
  const [ref, other] = refs;
  const { provenance, sbom } = ref?.attestations ?? {};
  if (sbom || (provenance !== undefined && !provenance.inlineOnly)) {
    throw new SlipwayError(
      'NotImplemented',
      `attestations are not written beside files (type=${type}): use an image or type=oci`,
    );
  }
  if (ref !== undefined && other === undefined) return ref;
  throw new SlipwayError(
    'NotImplemented',
    `type=${type} takes the files of one platform: build ${refs.map(({ plan }) => formatPlatform(plan.platform)).join(' and ')} one after the other`,
  );
}

async function sendBytes(
  exporting: Exporting,
  title: string,
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { context, job } = exporting;
  await withVertex(context, job, { title, moved: 'sending tarball' }, async (onProgress) => {
    using call = openFileSend(exporting, 'BytesMessage');
    let sent = 0;
    for await (const data of bytes) {
      await call.send({ data });
      sent += data.byteLength;
      onProgress(sent);
    }
    call.endSending();
    for await (const _ of call.messages);
    await call.done;
  });
}

function openFileSend({ session, job, index }: Exporting, message: 'Packet' | 'BytesMessage'): Call {
  return session.connection.open(
    'moby.filesync.v1.FileSend/DiffCopy',
    [message, message],
    { 'buildkit-attachable-exporter-id': String(index) },
    job,
  );
}

const isTrue = (text: string | undefined): boolean => text === 'true' || text === '1';
