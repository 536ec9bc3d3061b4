import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseChallenges } from './challenge.ts';
import { coversScopes, mergeScopes } from './scopes.ts';

test('the challenges that registries send are read', () => {
  const cases: [string, { scheme: string; parameters: Record<string, string> }[]][] = [
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/x:pull,push"',
      [
        {
          scheme: 'bearer',
          parameters: {
            realm: 'https://auth.docker.io/token',
            service: 'registry.docker.io',
            scope: 'repository:library/x:pull,push',
          },
        },
      ],
    ],
    ['Basic realm="Registry Realm"', [{ scheme: 'basic', parameters: { realm: 'Registry Realm' } }]],
    ['basic', [{ scheme: 'basic', parameters: {} }]],
    [
      'BEARER Realm = x , error=insufficient_scope',
      [{ scheme: 'bearer', parameters: { realm: 'x', error: 'insufficient_scope' } }],
    ],
    [
      'Negotiate, Basic realm="a \\"b\\", c", Bearer realm="t"',
      [
        { scheme: 'negotiate', parameters: {} },
        { scheme: 'basic', parameters: { realm: 'a "b", c' } },
        { scheme: 'bearer', parameters: { realm: 't' } },
      ],
    ],
    ['', []],
    ['realm="no scheme"', []],
  ];
  for (const [header, expected] of cases) {
    const found = parseChallenges(header).map(({ scheme, parameters }) => ({
      scheme,
      parameters: { ...parameters },
    }));
    assert.deepEqual(found, expected, header);
  }
});

test('whatever a registry sends as its challenge is read without an error and without hanging', () => {
  const noise = fc.string({ unit: fc.constantFrom(...'Bearer ="\\, realm,xé\u0000'), maxLength: 200 });
  fc.assert(
    fc.property(noise, (header) => Array.isArray(parseChallenges(header))),
    { numRuns: 3000 },
  );
  assert.ok(parseChallenges(`Bearer realm="${'\\"'.repeat(100_000)}`).length <= 1);
});

test('scopes of one resource are joined, and a token is known to cover fewer', () => {
  const merged = mergeScopes(['repository:a:pull'], ['repository:a:pull,push', 'repository:host:5/b:pull']);
  assert.deepEqual(merged, ['repository:a:pull,push', 'repository:host:5/b:pull']);
  assert.ok(coversScopes(merged, ['repository:a:push']));
  assert.ok(!coversScopes(['repository:a:pull'], ['repository:a:push']));
});
