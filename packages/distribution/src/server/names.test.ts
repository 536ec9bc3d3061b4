import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import fc from 'fast-check';
import { parseName, parseTarget } from './names.ts';

const component = fc.stringMatching(/^[a-z0-9]+(?:(?:\.|_|__|-{1,3})[a-z0-9]+){0,3}$/);
/** Words that also stand in paths, among others. */
const anyComponent = fc.oneof(
  component,
  fc.constantFrom('blobs', 'uploads', 'manifests', 'tags', 'list', 'referrers'),
);
const name = fc
  .array(anyComponent, { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join('/'))
  .filter((text) => text.length <= 255);
const reference = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._:-]{0,40}$/);

test('every path comes apart as it was put together, whatever words its name holds', () => {
  fc.assert(
    fc.property(name, reference, (repository, text) => {
      for (const kind of ['manifests', 'referrers'] as const) {
        assert.deepEqual(parseTarget(`/v2/${repository}/${kind}/${text}`), {
          kind,
          repository,
          reference: text,
        });
      }
      const digest = `sha256:${text}`;
      const blob = { kind: 'blobs', repository, reference: digest };
      assert.deepEqual(parseTarget(`/v2/${repository}/blobs/${digest}`), blob);
      assert.deepEqual(parseTarget(`/v2/${repository}/blobs/${encodeURIComponent(digest)}`), blob);
      const upload = { kind: 'uploads', repository, reference: text };
      assert.deepEqual(parseTarget(`/v2/${repository}/blobs/uploads/${text}`), upload);
      for (const end of ['', '/']) {
        const start = { kind: 'uploads', repository, reference: '' };
        assert.deepEqual(parseTarget(`/v2/${repository}/blobs/uploads${end}`), start);
      }
      const tags = { kind: 'tags', repository, reference: 'list' };
      assert.deepEqual(parseTarget(`/v2/${repository}/tags/list`), tags);
    }),
  );
});

test('whatever the path, what comes out is a name, or NAME_INVALID, or nothing', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constantFrom('/', '..', '%2e%2e', '%2F', '%', '/blobs/')), {
        maxLength: 12,
      }),
      (parts) => {
        const path = `/v2/${parts.join('')}/manifests/x`;
        try {
          const target = parseTarget(path);
          if (target !== undefined) assert.match(target.repository, /^[a-z0-9]+(?:[._/-]+[a-z0-9]+)*$/);
        } catch (error) {
          assert.equal(isSlipwayError(error, 'InvalidArgument') && error.reason, 'NAME_INVALID');
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test('a name that almost fits is refused in time that only grows with it', () => {
  const before = process.cpuUsage().user;
  for (const text of [`${'a-'.repeat(127)}!`, `${'a'.repeat(254)}!`, '-'.repeat(255), 'a/'.repeat(127)]) {
    assert.throws(() => parseName(text), { reason: 'NAME_INVALID' });
  }
  assert.ok(process.cpuUsage().user - before < 50_000);
});
