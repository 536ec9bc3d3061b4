import type { FunctionCode } from '@aws-sdk/client-lambda';
import type { FunctionsContext } from '../context.ts';
import { invalidParameter } from '../errors.ts';
import type { CodeRecord, LayerUse } from '../function-record.ts';
import { tooLargeUnzipped } from './code-store.ts';
import { readObject } from './object-store.ts';

/** Where a request says that a package is. */
export type CodeInput = Pick<FunctionCode, 'ZipFile' | 'S3Bucket' | 'S3Key' | 'S3ObjectVersion' | 'ImageUri'>;

/** Code that was taken: it stays until disposed, and past that while a record names it. */
export interface TakenCode<Code extends CodeRecord = CodeRecord> extends AsyncDisposable {
  readonly code: Code;
}

/**
 * Takes a function's code: a package whole, an image by its name.
 * @throws InvalidArgument InvalidParameterValueException, in Lambda's words
 */
export async function takeCode(context: FunctionsContext, input: CodeInput): Promise<TakenCode> {
  const { ImageUri: uri } = input;
  if (uri === undefined) return await takeZip(context, input);
  if (input.ZipFile !== undefined || input.S3Bucket !== undefined) {
    throw invalidParameter('Please provide either a package or an image (ImageUri), not both.');
  }
  context.images.check(uri);
  return {
    code: { kind: 'Image', uri, resolved: context.images.find(uri) },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** @throws InvalidArgument InvalidParameterValueException, in Lambda's words */
export async function takeZip(
  { codes, codeRoot, limits }: FunctionsContext,
  { ZipFile: zip, S3Bucket: bucket, S3Key: key, S3ObjectVersion: version }: CodeInput,
): ReturnType<FunctionsContext['codes']['take']> {
  if (zip !== undefined) {
    if (bucket !== undefined || key !== undefined) {
      throw invalidParameter('Please do not provide other FunctionCode parameters when providing a ZipFile.');
    }
    if (zip.byteLength > limits.zipBytes) {
      throw invalidParameter(`Zipped size must be smaller than ${limits.zipBytes} bytes`);
    }
    return await codes.take([zip]);
  }
  if (bucket === undefined || key === undefined)
    throw invalidParameter('Please provide a source for function code.');
  if (version !== undefined) {
    throw invalidParameter('S3ObjectVersion: the object store here keeps no versions; leave it out');
  }
  return await codes.take(readObject(codeRoot, { bucket, key }, limits.unzippedBytes));
}

/** @throws InvalidArgument InvalidParameterValueException when code and layers together are too large */
export function checkUnzipped(code: CodeRecord, layers: readonly LayerUse[], limit: number): void {
  let sizeBytes = code.kind === 'Zip' ? code.unzippedBytes : 0;
  for (const layer of layers) sizeBytes += layer.code.unzippedBytes;
  if (sizeBytes > limit) throw tooLargeUnzipped(limit);
}
