import assert from 'node:assert/strict';
import { isIPv4 } from 'node:net';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import fc from 'fast-check';
import { findIpv4, formatIpv4, formatRange, lastOf, parseIpv4, parseRange, rangeContains } from './ipv4.ts';

const address = fc.nat(2 ** 32 - 1);

test('every address and every range survives being written and read', () => {
  fc.assert(fc.property(address, (number) => assert.equal(parseIpv4(formatIpv4(number)), number)));
  fc.assert(
    fc.property(address, fc.nat(32), (number, prefixLength) => {
      const range = parseRange(`${formatIpv4(number)}/${prefixLength}`);
      assert.deepEqual(parseRange(formatRange(range)), range);
      assert.ok(rangeContains(range, number));
      assert.equal(lastOf(range) - range.base, 2 ** (32 - prefixLength) - 1);
    }),
  );
});

test('what is no address or range is refused, and nothing else is thrown', () => {
  const near = fc.stringMatching(/^[0-9./ a-f:-]{0,20}$/);
  fc.assert(
    fc.property(fc.oneof(near, fc.string()), (text) => {
      // Leading zeros are taken as decimal, as Docker's clients send them.
      const plain = text.replace(/\b0+(?=\d)/g, '');
      assert.equal(findIpv4(text) !== undefined && isIPv4(plain), findIpv4(text) !== undefined);
      try {
        parseRange(text);
      } catch (error) {
        assert.ok(isSlipwayError(error, 'InvalidArgument'));
      }
    }),
  );
});
