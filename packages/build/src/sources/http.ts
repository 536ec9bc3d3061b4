import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errorMessage, hostPath, SlipwayError } from '@slipway/base';
import { type Digest, formatDigest } from '@slipway/oci';
import { type Folders, folderId, type HeldFolder } from '../cache/folders.ts';
import type { CacheRecords } from '../cache/records.ts';
import type { Operation } from '../graph.ts';

type HttpOperation = Extract<Operation, { kind: 'http' }>;

/** A downloaded file in a folder of its own, and what it hashes to. */
export interface DownloadedFile {
  readonly folder: HeldFolder;
  readonly digest: Digest;
}

/**
 * Fetches a file, or finds the one of before when the checksum or the server says that it is the same.
 * @throws Unavailable when the server does not give it; DataLoss when it does not have its checksum
 */
export async function openHttp(
  operation: HttpOperation,
  { folders, records }: { readonly folders: Folders; readonly records: CacheRecords },
  call: { readonly signal: AbortSignal; readonly onProgress: (current: number, total?: number) => void },
): Promise<DownloadedFile> {
  const { url, checksum } = operation;
  const fileName = basename(operation.fileName);
  if (fileName === '' || fileName === '.' || fileName === '..') {
    throw new SlipwayError('InvalidArgument', `${withoutSecrets(url)} names no file`);
  }
  const use = (digest: Digest) => ({
    id: folderId('http', url, fileName, digest),
    type: 'regular' as const,
    description: `download of ${withoutSecrets(url)}`,
  });
  if (checksum !== undefined && folders.has(use(checksum).id)) {
    return { folder: folders.hold(use(checksum)), digest: checksum };
  }
  const known = records.findDownload(url);
  const usable = known !== undefined && folders.has(use(known.digest).id) ? known : undefined;
  const response = await request(url, usable, call.signal);
  if (response.status === 304 && usable !== undefined) {
    checkDigest(checksum, usable.digest);
    return { folder: folders.hold(use(usable.digest)), digest: usable.digest };
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new SlipwayError(
      'Unavailable',
      `failed to load ${withoutSecrets(url)}: invalid response status ${response.status}`,
    );
  }
  await using undo = new AsyncDisposableStack();
  const fetched = undo.use(folders.temporary());
  const file = join(fetched.path, fileName);
  const digest = await download(response, response.body, file, call);
  checkDigest(checksum, digest);
  const lastModified = response.headers.get('last-modified') ?? undefined;
  const modifiedAtS = lastModified === undefined ? 0 : Date.parse(lastModified) / 1000 || 0;
  await utimes(file, modifiedAtS, modifiedAtS);
  records.setDownload(url, { etag: response.headers.get('etag') ?? undefined, lastModified, digest });
  return { folder: folders.hold(use(digest), hostPath(fetched.path)), digest };
}

async function request(
  url: string,
  known: { readonly etag: string | undefined; readonly lastModified: string | undefined } | undefined,
  signal: AbortSignal,
): Promise<Response> {
  const headers = {
    ...(known?.etag === undefined ? {} : { 'if-none-match': known.etag }),
    ...(known?.lastModified === undefined ? {} : { 'if-modified-since': known.lastModified }),
  };
  try {
    return await fetch(url, { headers, signal });
  } catch (cause) {
    signal.throwIfAborted();
    const why = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
    throw new SlipwayError('Unavailable', `failed to load ${withoutSecrets(url)}: ${errorMessage(why)}`, {
      cause,
    });
  }
}

async function download(
  response: Response,
  body: NonNullable<Response['body']>,
  file: string,
  { signal, onProgress }: Parameters<typeof openHttp>[2],
): Promise<Digest> {
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  const total = Number.isNaN(length) ? undefined : length;
  const hash = createHash('sha256');
  let current = 0;
  async function* hashed(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      current += chunk.byteLength;
      onProgress(current, total);
      yield chunk;
    }
  }
  await pipeline(Readable.from(body), hashed, createWriteStream(file, { mode: 0o600 }), { signal });
  return formatDigest(hash.digest('hex'));
}

function checkDigest(wanted: Digest | undefined, found: Digest): void {
  if (wanted === undefined || wanted === found) return;
  throw new SlipwayError('DataLoss', `digest mismatch ${found}: ${wanted}`);
}

/** Text for people: URLs in it without passwords. */
export function withoutSecrets(text: string): string {
  return text.replace(/(\w+:\/\/)[^/@\s]*@/g, '$1');
}
