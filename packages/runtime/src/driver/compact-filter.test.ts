import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { openBench } from '../testing.ts';
import { CODES, compactFilter } from './compact-filter.ts';
import { operandsOf, runFilter } from './testing-filter.ts';

const { LOAD, AND, JUMP, IF_EQUAL, IF_GREATER, IF_AT_LEAST, IF_SET, RETURN } = CODES;

type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, operand: number];

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
          assert.equal(runFilter(compacted, word), runFilter(filter, word));
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
        assert.equal(
          runFilter(compacted, call),
          runFilter(filter, call),
          `${architecture} ${number} ${argument}`,
        );
      }
    }
  }
});

test('what is not known, and what gains nothing, stays as it is', () => {
  const unknown = assemble([[0x87, 0, 0, 0], ...profile([1, 2, 3, 4, 5])]);
  const short = assemble([[RETURN, 0, 0, ALLOW]]);
  for (const filter of [unknown, short]) assert.equal(compactFilter(filter), filter);
});

test("Docker's profile, as crun compiles it, answers every call when it is compact as it did before", async () => {
  await using bench = await openFilterBench();
  const { compiled, kept } = bench;
  assert.ok(kept.length < compiled.length / 2, `${compiled.length} bytes became ${kept.length}`);
  const values = [...operandsOf(compiled).filter((value) => value > 600), 0, 1, 2, 0xffff_ffff];
  for (const architecture of [0xc000003e, 0x40000003, 0xc00000b7, 0]) {
    for (const number of [...Array(600).keys(), 0x4000_0000, 0x4000_0208, 0xffff_ffff]) {
      for (const value of values) {
        const call = (offset: number) => (offset === 0 ? number : offset === 4 ? architecture : value);
        assert.equal(runFilter(kept, call), runFilter(compiled, call), `${architecture} ${number} ${value}`);
      }
    }
  }
});

/** The filter that crun compiled for a container, and what the runtime keeps of it for the next one. */
async function openFilterBench() {
  const bench = await openBench('filter');
  const cache = join(bench.root, 'run/seccomp');
  // The one that proved the runtime had the profile already; with another capability it is another one.
  const known = readdirSync(cache);
  const spec = { capAdd: ['SYS_ADMIN'] };
  const task = await bench.start('first', ['sleep', '60'], { runtime: 'crun', spec });
  const compiled = readFileSync(join(bench.root, 'run/r/crun/first/seccomp.bpf'));
  const [name = ''] = readdirSync(cache).filter((found) => !known.includes(found));
  const kept = readFileSync(join(cache, name));
  return {
    compiled,
    kept,
    async [Symbol.asyncDispose]() {
      await task.signal(9);
      await task.exited;
      await task.delete();
      await bench.close();
    },
  };
}
