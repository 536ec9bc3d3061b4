import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import fc from 'fast-check';
import { formatFamiliar, formatReference, parseReference, withDefaultTag } from './reference.ts';

const hex = 'a'.repeat(64);

test('what people write gets its full and its familiar form', () => {
  const cases = [
    ['ubuntu', 'docker.io/library/ubuntu:latest', 'ubuntu:latest'],
    ['docker.io/library/ubuntu', 'docker.io/library/ubuntu:latest', 'ubuntu:latest'],
    ['index.docker.io/user/app:1', 'docker.io/user/app:1', 'user/app:1'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
    ['localhost:5000/app:v1', 'localhost:5000/app:v1', 'localhost:5000/app:v1'],
    ['[::1]:5000/a/b', '[::1]:5000/a/b:latest', '[::1]:5000/a/b:latest'],
    [`busybox@sha256:${hex}`, `docker.io/library/busybox@sha256:${hex}`, `busybox@sha256:${hex}`],
  ] as const;
  for (const [text, full, familiar] of cases) {
    const reference = withDefaultTag(parseReference(text));
    assert.equal(formatReference(reference), full);
    assert.equal(formatFamiliar(reference), familiar);
  }
});

test('bad references are refused in the words that docker uses', () => {
  const cases = [
    ['Foo', 'invalid reference format: repository name (library/Foo) must be lowercase'],
    ['', 'invalid reference format'],
    ['a:', 'invalid reference format'],
    ['a//b', 'invalid reference format'],
    [`a:${'t'.repeat(129)}`, 'invalid reference format'],
    [hex, `invalid repository name (${hex}), cannot specify 64-byte hexadecimal strings`],
    ['a'.repeat(256), 'invalid reference format: repository name must not be more than 255 characters'],
  ] as const;
  for (const [text, message] of cases) {
    assert.throws(() => parseReference(text), { code: 'InvalidArgument', message });
  }
});

test('whatever text comes is parsed to a form that parses to itself, or refused', () => {
  const noise = fc.string({ unit: fc.constantFrom(...'aB0./:@-_[] sha256:é') });
  fc.assert(
    fc.property(noise, (text) => {
      try {
        const reference = parseReference(text);
        assert.deepEqual(parseReference(formatReference(reference)), reference);
        assert.deepEqual(parseReference(formatFamiliar(reference)), reference);
      } catch (error) {
        assert.ok(isSlipwayError(error, 'InvalidArgument'), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
