import { SlipwayError } from '@slipway/base';
import { formatReference, parseReference, type Reference, withDefaultTag } from '@slipway/oci';
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
  readonly ref: BuiltRef;
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

async function toImageStore(exporting: Exporting): Promise<ExporterResponse> {
  const { context, job, ref, exporter } = exporting;
  const references = referencesOf(exporter);
  const image = await withVertex(
    context,
    job,
    { title: 'exporting to image', moved: 'exporting layers' },
    () => context.builds.exportImage(ref.plan, ref.result, references),
  );
  if (isTrue(exporter.attrs.push)) await pushAll(exporting, references);
  return {
    'containerimage.digest': image.manifest.digest,
    'containerimage.config.digest': image.id,
    'containerimage.descriptor': Buffer.from(JSON.stringify(image.manifest)).toString('base64'),
    ...(references.length === 0 ? {} : { 'image.name': references.map(formatReference).join(',') }),
  };
}

async function pushAll(
  { context, job, session }: Exporting,
  references: readonly Reference[],
): Promise<void> {
  for (const reference of references) {
    const title = `pushing ${formatReference(reference)} with docker`;
    await withVertex(context, job, { title }, async () => {
      const credentials = await session.credentials(reference.domain);
      for await (const _ of await context.push({ reference, credentials }, job.signal));
    });
  }
}

async function toArchive(exporting: Exporting, format: 'oci' | 'docker'): Promise<ExporterResponse> {
  const { context, ref, exporter } = exporting;
  if (exporter.attrs.tar === 'false') {
    throw new SlipwayError(
      'NotImplemented',
      `type=${format},tar=false is not supported: leave tar=false out`,
    );
  }
  const { plan, result } = ref;
  const references = referencesOf(exporter);
  const title = format === 'oci' ? 'exporting to oci image format' : 'exporting to docker image format';
  await sendBytes(exporting, title, context.builds.exportArchive(plan, result, { format, references }));
  return {};
}

async function toTar(exporting: Exporting): Promise<ExporterResponse> {
  const { context, job, ref } = exporting;
  const bytes = context.builds.exportTar(ref.plan, ref.result, job.signal);
  await sendBytes(exporting, 'exporting to client tarball', bytes);
  return {};
}

async function toFolder(exporting: Exporting): Promise<ExporterResponse> {
  const { context, job, ref } = exporting;
  await withVertex(
    context,
    job,
    { title: 'exporting to client directory', moved: 'copying files' },
    async () => {
      await using files = await context.builds.openFiles(ref.result, job.signal);
      using call = openFileSend(exporting, 'Packet');
      await sendFiles(call, files.path);
    },
  );
  return {};
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
