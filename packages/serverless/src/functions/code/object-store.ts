import { closeSync, constants, createReadStream, fstatSync } from 'node:fs';
import { type HostPath, isErrno } from '@slipway/base';
import { openInRoot } from '@slipway/store';
import { invalidParameter } from '../errors.ts';
import { tooLargeUnzipped } from './code-store.ts';

/** A package by its name in an object store. */
export interface ObjectName {
  readonly bucket: string;
  readonly key: string;
}

const BUCKET = /^[0-9A-Za-z.\-_]{3,63}$/;

/**
 * The object's bytes: `ROOT/BUCKET/KEY`, wherever links below the root lead, but never out of it.
 * @throws InvalidArgument in Lambda's words
 */
export function readObject(
  root: HostPath | undefined,
  { bucket, key }: ObjectName,
  mostBytes: number,
): AsyncIterable<Uint8Array> {
  if (root === undefined) {
    throw invalidParameter(
      'there is no object store here: start slipwayd with --function-code-root DIR, whose folders are the buckets, or send the zip itself (ZipFile)',
    );
  }
  if (!BUCKET.test(bucket) || /^\.+$/.test(bucket))
    throw getObject('NoSuchBucket', 'The specified bucket does not exist');
  closeSync(
    openObject(root, bucket, constants.O_DIRECTORY, 'NoSuchBucket', 'The specified bucket does not exist'),
  );
  const fd = openObject(root, `${bucket}/${key}`, 0, 'NoSuchKey', 'The specified key does not exist.');
  const status = fstatSync(fd);
  if (!status.isFile() || status.size > mostBytes) {
    closeSync(fd);
    if (!status.isFile()) throw getObject('NoSuchKey', 'The specified key does not exist.');
    throw tooLargeUnzipped(mostBytes);
  }
  return createReadStream('', { fd, autoClose: true });
}

function openObject(root: HostPath, path: string, flags: number, code: string, message: string): number {
  try {
    return openInRoot(root, path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENXIO'))
      throw getObject(code, message, error);
    throw error;
  }
}

const getObject = (code: string, message: string, cause?: unknown) =>
  invalidParameter(
    `Error occurred while GetObject. S3 Error Code: ${code}. S3 Error Message: ${message}`,
    cause,
  );
