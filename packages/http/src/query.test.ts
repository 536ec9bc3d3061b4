import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import fc from 'fast-check';
import { parseFilters, queryFlag, queryInteger, queryList, queryText, requireKnownFilters } from './query.ts';

test('booleans are read as docker reads them', () => {
  const flag = (value: string) => queryFlag(new URLSearchParams({ all: value }), 'all');
  for (const value of ['', '0', 'no', 'false', 'none', 'False', ' no '])
    assert.equal(flag(value), false, value);
  for (const value of ['1', 'true', 'yes', 'True', '2', 'anything']) assert.equal(flag(value), true, value);
  assert.equal(queryFlag(new URLSearchParams(), 'all'), false);
  assert.equal(queryFlag(new URLSearchParams(), 'stdout', true), true);
});

test('numbers are whole, or refused by name', () => {
  const integer = (value: string) => queryInteger(new URLSearchParams({ t: value }), 't');
  assert.equal(integer('10'), 10);
  assert.equal(integer('-1'), -1);
  assert.equal(integer(''), undefined);
  for (const value of ['1.5', 'ten', '1e3', '0x10', '99999999999999999999']) {
    assert.throws(() => integer(value), { code: 'InvalidArgument' }, value);
  }
});

test('empty texts are absent', () => {
  const query = new URLSearchParams('name=&names=a&names=&names=b');
  assert.equal(queryText(query, 'name'), undefined);
  assert.deepEqual(queryList(query, 'names'), ['a', 'b']);
});

test('filters are read in both encodings', () => {
  assert.deepEqual([...parseFilters('{"status":["running","paused"]}')], [['status', ['running', 'paused']]]);
  assert.deepEqual(
    [...parseFilters('{"status":{"running":true,"paused":false}}')],
    [['status', ['running', 'paused']]],
  );
  for (const none of [null, '', '{}', 'null']) assert.equal(parseFilters(none).size, 0);
});

test('other filters are refused', () => {
  for (const bad of ['[]', '"a"', '1', '{', '{"a":"b"}', '{"a":[1]}', '{"a":{"b":"c"}}', '{"a":{"b":1}}']) {
    assert.throws(() => parseFilters(bad), { code: 'InvalidArgument', message: /invalid filter/ }, bad);
  }
  assert.throws(() => requireKnownFilters(parseFilters('{"colour":["red"]}'), new Set(['label'])), {
    message: "invalid filter 'colour'",
  });
});

test('any text gives filters or InvalidArgument, nothing else', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        for (const values of parseFilters(text).values())
          assert.ok(values.every((value) => typeof value === 'string'));
      } catch (error) {
        assert.ok(isSlipwayError(error, 'InvalidArgument'), String(error));
      }
    }),
  );
});

test('filters survive the round trip in both encodings', () => {
  const key = fc.string().filter((name) => name !== '__proto__');
  fc.assert(
    fc.property(fc.dictionary(key, fc.uniqueArray(key)), (filters) => {
      const asSets = Object.fromEntries(
        Object.entries(filters).map(([name, values]) => [
          name,
          Object.fromEntries(values.map((value) => [value, true])),
        ]),
      );
      const expected = Object.entries(filters).map(([name, values]) => [name, [...values].sort()]);
      for (const encoded of [filters, asSets]) {
        const got = [...parseFilters(JSON.stringify(encoded))].map(([name, values]) => [
          name,
          [...values].sort(),
        ]);
        assert.deepEqual(got, expected);
      }
    }),
  );
});
