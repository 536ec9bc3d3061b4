import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerId, hostPath, isSlipwayError } from '@slipway/base';
import type { ImageId } from '@slipway/oci';
import { newContainer } from './live.ts';
import { ContainerRegistry } from './registry.ts';

const container = (id: string, name: string) =>
  newContainer(
    { root: hostPath('/nowhere'), runRoot: hostPath('/nowhere') },
    {
      id: containerId(id.padEnd(64, '0')),
      name,
      createdAtNs: 0n,
      imageReference: 'busybox',
      imageId: 'sha256:x' as ImageId,
      chainId: undefined,
      config: {},
      hostConfig: {},
      mounts: [],
      networks: new Map(),
      args: [],
    },
  );

test('a container is found by id, name, slashed name and unambiguous prefix', () => {
  const registry = new ContainerRegistry();
  const one = container('abc1', 'one');
  registry.add(one);
  registry.add(container('abd2', 'two'));
  for (const reference of [one.definition.id, 'one', '/one', 'abc'])
    assert.equal(registry.get(reference), one);
  assert.throws(
    () => registry.get('ab'),
    (error) => isSlipwayError(error, 'InvalidArgument'),
  );
  assert.throws(() => registry.get('three'), /No such container: three/);
});

test('a reserved name is held until it is let go', () => {
  const registry = new ContainerRegistry();
  {
    using _held = registry.reserveName('one', 'x');
    assert.equal(registry.holderOf('one'), 'x');
  }
  assert.equal(registry.holderOf('one'), undefined);
});
