import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAttestations } from './request.ts';

test('attestations are what was asked for, with the defaults of BuildKit', () => {
  assert.deepEqual(parseAttestations({}), { provenance: undefined, sbom: false });
  assert.deepEqual(parseAttestations({ 'attest:provenance': '', 'attest:sbom': '' }), {
    provenance: { mode: 'max', version: 'v0.2', builderId: '', isReproducible: false, inlineOnly: false },
    sbom: true,
  });
  const given = { 'attest:provenance': 'mode=min,"builder-id=https://a/b,c",inline-only=true,version=v1' };
  assert.deepEqual(parseAttestations(given).provenance, {
    mode: 'min',
    version: 'v1',
    builderId: 'https://a/b,c',
    isReproducible: false,
    inlineOnly: true,
  });
  assert.equal(parseAttestations({ 'attest:provenance': 'disabled=true' }).provenance, undefined);
});

test('what is not known is refused', () => {
  const refused = (key: string, value: string, message: RegExp) =>
    assert.throws(() => parseAttestations({ [`attest:${key}`]: value }), { message });
  refused('provenance', 'mode=most', /mode=most/);
  refused('provenance', 'version=v2', /version=v2/);
  refused('sbom', 'generator=a/b', /a\/b is not run/);
  refused('vex', '', /vex is not supported/);
});
