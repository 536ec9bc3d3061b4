import type { SparseSegment } from './entry.ts';
import { malformed } from './header.ts';

/** Offset and length by turns. @throws InvalidArgument */
export function parseSparseList(numbers: readonly number[]): SparseSegment[] {
  if (numbers.length % 2 !== 0) throw malformed('a sparse map has an offset without a length');
  const segments: SparseSegment[] = [];
  for (let index = 0; index < numbers.length; index += 2) {
    segments.push({ offset: numbers[index] as number, length: numbers[index + 1] as number });
  }
  return segments;
}

/** Segments must be in order, apart, inside the file, and together as long as what is stored. @throws InvalidArgument */
export function checkSparse(
  segments: readonly SparseSegment[],
  storedBytes: number,
  sizeBytes: number,
  name: string,
): void {
  let end = 0;
  let total = 0;
  for (const { offset, length } of segments) {
    if (offset < end || length < 0 || !Number.isSafeInteger(offset + length)) {
      throw malformed(`the sparse map of "${name}" is out of order`);
    }
    end = offset + length;
    total += length;
  }
  if (end > sizeBytes || total !== storedBytes)
    throw malformed(`the sparse map of "${name}" does not fit its size`);
}
