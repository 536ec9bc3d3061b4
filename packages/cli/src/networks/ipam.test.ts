import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base/errors';
import { parseSubnets } from './ipam.ts';

const NONE = { subnet: [], gateway: [], 'ip-range': [], 'aux-address': [] };

test('a gateway belongs to the subnet that it lies in, not to the first', () => {
  assert.deepEqual(
    parseSubnets({
      subnet: ['10.7.0.0/24', 'fd00::/64'],
      gateway: ['fd00::1'],
      'ip-range': ['10.7.0.128/25'],
      'aux-address': ['printer=10.7.0.9', 'nas=fd00::9'],
    }),
    [
      { Subnet: '10.7.0.0/24', IPRange: '10.7.0.128/25', AuxiliaryAddresses: { printer: '10.7.0.9' } },
      { Subnet: 'fd00::/64', Gateway: 'fd00::1', AuxiliaryAddresses: { nas: 'fd00::9' } },
    ],
  );
  assert.deepEqual(parseSubnets(NONE), []);
});

test('an address that no subnet holds is refused by name, not left out', () => {
  const refused = (flags: Partial<typeof NONE> | Record<string, readonly string[]>, message: RegExp) =>
    assert.throws(
      () => parseSubnets({ ...NONE, ...flags }),
      (error) => isSlipwayError(error, 'InvalidArgument') && message.test(error.message),
    );
  refused({ gateway: ['10.7.0.1'] }, /no matching subnet for gateway 10\.7\.0\.1/);
  refused({ subnet: ['10.7.0.0/24'], gateway: ['10.8.0.1'] }, /no matching subnet/);
  refused({ subnet: ['10.7.0.0/24'], gateway: ['10.7.0.1', '10.7.0.2'] }, /multiple gateways/);
  refused({ subnet: ['10.7.0.0/33'] }, /invalid subnet/);
  refused({ subnet: ['10.7.0.0'] }, /invalid subnet/);
});
