import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compactFilter } from './compact-filter.ts';

type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, operand: number];

const [LOAD, AND, JUMP, IF_EQUAL, IF_GREATER, IF_AT_LEAST, IF_SET, RETURN] = [
  0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x45, 0x06,
] as const;
const [ALLOW, REFUSE, ABSENT] = [0x7fff0000, 0x00050001, 0x00050026] as const;

function assemble(program: readonly Instruction[]): Buffer {
  const words = program.map(([code, whenTrue, whenFalse, operand]) => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt16LE(code);
    bytes.set([whenTrue, whenFalse], 2);
    bytes.writeUInt32LE(operand, 4);
    return bytes;
  });
  return Buffer.concat(words);
}

/** What the kernel does with it, for a call whose words are given by their offsets. */
function run(filter: Buffer, call: (offset: number) => number): number {
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

/** As libseccomp compiles a profile: a row for the architecture's calls, one of them looked at more closely. */
function profile(numbers: readonly number[]): Instruction[] {
  const inspected = 5000;
  const allowed = numbers.length;
  return [
    [LOAD, 0, 0, 4],
    [IF_EQUAL, 1, 0, 0xc000003e],
    [JUMP, 0, 0, allowed + 7],
    [LOAD, 0, 0, 0],
    ...numbers.map((number, index): Instruction => [IF_EQUAL, allowed - index + 4, 0, number]),
    [IF_EQUAL, 0, 2, inspected],
    [LOAD, 0, 0, 16],
    [IF_EQUAL, 1, 0, 8],
    [RETURN, 0, 0, REFUSE],
    [JUMP, 0, 0, 0],
    [RETURN, 0, 0, ALLOW],
    [RETURN, 0, 0, ABSENT],
  ];
}

/** Programs of any shape: jumps lead forward, and the last instruction returns. */
const programs = fc
  .array(
    fc.record({
      code: fc.constantFrom(
        LOAD,
        AND,
        JUMP,
        IF_EQUAL,
        IF_EQUAL,
        IF_EQUAL,
        IF_GREATER,
        IF_AT_LEAST,
        IF_SET,
        RETURN,
      ),
      whenTrue: fc.nat(6),
      whenFalse: fc.constantFrom(0, 0, 0, 1, 5),
      operand: fc.nat(9),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((drafts) => [
    ...drafts.map(({ code, whenTrue, whenFalse, operand }, index): Instruction => {
      const most = drafts.length - index - 1;
      if (code === JUMP) return [code, 0, 0, Math.min(operand, most)];
      if (code === LOAD) return [code, 0, 0, operand * 4];
      return [code, Math.min(whenTrue, most), Math.min(whenFalse, most), operand];
    }),
    [RETURN, 0, 0, 10] as Instruction,
  ]);

test('a compacted filter answers every call as the one it was made of', () => {
  fc.assert(
    fc.property(
      programs,
      fc.array(fc.array(fc.nat(10), { minLength: 10, maxLength: 10 }), { minLength: 20 }),
      (program, calls) => {
        const filter = assemble(program);
        const compacted = compactFilter(filter);
        for (const call of calls) {
          const word = (offset: number) => call[offset / 4] as number;
          assert.equal(run(compacted, word), run(filter, word));
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test('rows of comparisons become trees over ranges', () => {
  const numbers = Array.from({ length: 200 }, (_, index) => index + (index >= 100 ? 7 : 0));
  const filter = assemble(profile(numbers));
  const compacted = compactFilter(filter);
  assert.ok(compacted.length < filter.length / 8, `${filter.length} bytes became ${compacted.length}`);
  for (const architecture of [0xc000003e, 0x40000003]) {
    for (const number of [...Array(320).keys(), 4999, 5000, 5001, 0x4000_0000, 0xffff_ffff]) {
      for (const argument of [0, 8, 9]) {
        const call = (offset: number) => ({ 0: number, 4: architecture, 16: argument })[offset] ?? 0;
        assert.equal(run(compacted, call), run(filter, call), `${architecture} ${number} ${argument}`);
      }
    }
  }
});

test('what is not known, and what gains nothing, stays as it is', () => {
  const unknown = assemble([[0x87, 0, 0, 0], ...profile([1, 2, 3, 4, 5])]);
  const short = assemble([[RETURN, 0, 0, ALLOW]]);
  for (const filter of [unknown, short]) assert.equal(compactFilter(filter), filter);
});
