/** An interpreter of seccomp filters for tests. */
import { CODES } from './compact-filter.ts';

const { LOAD, AND, JUMP, IF_EQUAL, IF_GREATER, IF_AT_LEAST, IF_SET, RETURN } = CODES;

/** What the kernel does with a filter, for a call whose words are given by their offsets. */
export function runFilter(filter: Buffer, call: (offset: number) => number): number {
  let accumulator = 0;
  for (let at = 0; ; at++) {
    const [code, whenTrue, whenFalse] = [
      filter.readUInt16LE(at * 8),
      filter[at * 8 + 2] as number,
      filter[at * 8 + 3] as number,
    ];
    const operand = filter.readUInt32LE(at * 8 + 4);
    const skip = (condition: boolean) => (condition ? whenTrue : whenFalse);
    if (code === RETURN) return operand;
    if (code === LOAD) accumulator = call(operand);
    else if (code === AND) accumulator = (accumulator & operand) >>> 0;
    else if (code === JUMP) at += operand;
    else if (code === IF_EQUAL) at += skip(accumulator === operand);
    else if (code === IF_GREATER) at += skip(accumulator > operand);
    else if (code === IF_AT_LEAST) at += skip(accumulator >= operand);
    else if (code === IF_SET) at += skip((accumulator & operand) !== 0);
    else throw new Error(`instruction ${at} has the code ${code}`);
  }
}

/** What a filter compares with and masks by: where its answers may change. */
export const operandsOf = (filter: Buffer): number[] => [
  ...new Set(Array.from({ length: filter.length / 8 }, (_, index) => filter.readUInt32LE(index * 8 + 4))),
];
