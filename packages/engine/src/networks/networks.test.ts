import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { silentLogger, systemClock, systemRandom } from '@slipway/base';
import { type Networks, openNetworks } from '@slipway/network';
import { type Database, openDatabase } from '@slipway/store';
import { EventBus } from '../events/index.ts';
import { type NetworkService, openNetworkService } from './service.ts';
import { networkFilter, toNetworkBody } from './wire.ts';

const run = promisify(execFile);
const tag = `sws${systemRandom.hex(3)}`;
let root: string;
let networks: Networks;
let database: Database;
let events: EventBus;
let service: NetworkService;

const open = async (seenBy: (real: Networks) => Networks = (real) => real): Promise<void> => {
  networks = await openNetworks({
    runRoot: root,
    tableName: tag,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    prepared: 1,
  });
  service = await openNetworkService({
    networks: seenBy(networks),
    database,
    events,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    config: { bridgeName: `${tag}0`, bridgeAddress: '198.18.40.1/24' },
  });
};

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'slipway-networks-'));
  database = openDatabase(join(root, 'records.db'));
  events = new EventBus(systemClock);
  await open();
});

after(async () => {
  for (const { bridge } of service.list()) if (bridge !== undefined) await networks.removeBridge(bridge.id);
  await networks[Symbol.asyncDispose]();
  database[Symbol.dispose]();
  await rm(root, { recursive: true });
});

test('bridge, host and none are there from the start and cannot be removed', async () => {
  assert.deepEqual(
    service.list().map(({ name, driver }) => `${name} ${driver}`),
    ['bridge bridge', 'host host', 'none null'],
  );
  assert.equal(service.defaultGateway(), '198.18.40.1');
  await assert.rejects(service.remove('bridge'), {
    code: 'PermissionDenied',
    message: 'bridge is a pre-defined network and cannot be removed',
  });
});

test('a network is found by name, id and the beginning of its id, and tells what happens to it', async () => {
  const network = await service.create({ Name: 'app', Labels: { a: 'b' } });
  for (const reference of ['app', network.id, network.id.slice(0, 12)]) {
    assert.equal(service.get(reference).id, network.id);
  }
  assert.throws(() => service.get('nothing'), { code: 'NotFound', message: 'network nothing not found' });
  await assert.rejects(service.create({ Name: 'app' }), {
    code: 'AlreadyExists',
    message: 'network with name app already exists',
  });
  assert.deepEqual(service.list().filter(networkFilter(service, new Map([['label', ['a=b']]]))), [network]);
  const until = (time: string) => networkFilter(service, new Map([['until', [time]]]))(network);
  assert.deepEqual([until('1h'), until('2200-01-01')], [false, true]);
  await service.remove('app');
  const told = events.subscribe().history.filter(({ id }) => id === network.id);
  assert.deepEqual(
    told.map(({ action }) => action),
    ['create', 'destroy'],
  );
});

test('a network with containers shows them, and stays until they are gone', async () => {
  const { id } = await service.create({ Name: 'used' });
  const containerId = systemRandom.hex(32);
  const endpoint = { networkId: id, names: ['web'] };
  const sandbox = await networks.createSandbox({
    containerId,
    containerName: 'web',
    endpoints: [endpoint],
    ports: [],
  });
  const [made] = sandbox.endpoints;
  assert.ok(made);
  service.attach(id, { containerId, name: 'web', endpoint: made });
  const body = toNetworkBody(service, service.get('used'), { withContainers: true });
  assert.equal(body.Containers[containerId]?.IPv4Address, `${made.ipv4}/${made.prefixLength}`);
  await assert.rejects(service.remove('used'), {
    message: `error while removing network: network used id ${id} has active endpoints`,
  });
  assert.deepEqual(await service.prune(() => true), []);
  service.detach(id, containerId);
  await networks.removeSandbox(containerId);
  assert.deepEqual(await service.prune(() => true), ['used']);
});

test("an unknown driver, a bad name and a bad option are refused in docker's words", async () => {
  await assert.rejects(service.create({ Name: 'x', Driver: 'weave' }), {
    code: 'NotFound',
    message: 'could not find plugin weave in v1 plugin registry: plugin not found',
  });
  await assert.rejects(service.create({ Name: 'a b' }), { code: 'InvalidArgument' });
  await assert.rejects(service.create({ Name: 'x', IPAM: { Config: [{ Subnet: '10.0.0.0/99' }] } }), {
    message: 'invalid CIDR address: 10.0.0.0/99',
  });
});

test('networks keep their ids and addresses over a restart', async () => {
  const wire = () => toNetworkBody(service, service.get('kept'), { withContainers: true });
  await service.create({ Name: 'kept' });
  const before = wire();
  await networks[Symbol.asyncDispose]();
  await open();
  assert.deepEqual(wire(), before);
  await service.remove('kept');
});

test('a network whose bridge cannot be made stops neither the daemon nor its own removal', async () => {
  const { bridge } = await service.create({ Name: 'broken' });
  await service.create({ Name: 'sound' });
  await networks[Symbol.asyncDispose]();
  const name = bridge?.bridgeName ?? '';
  await run('ip', ['link', 'del', name]).catch(() => {});
  await run('ip', ['link', 'add', name, 'type', 'veth']);
  try {
    await open();
    const endpoints = [{ networkId: service.get('broken').id, names: [] }];
    const request = { containerId: 'c', containerName: 'c', endpoints, ports: [] };
    await assert.rejects(networks.createSandbox(request), { code: 'NotFound' });
    await service.remove('broken');
    await service.remove('sound');
  } finally {
    await run('ip', ['link', 'del', name]);
  }
});

test('a network whose removal is cut short is gone or whole, never a record without its bridge', async () => {
  await networks[Symbol.asyncDispose]();
  const recordedAtRemoval: unknown[] = [];
  await open(
    (real) =>
      new Proxy(real, {
        get: (target, name) => {
          if (name !== 'removeBridge') return Reflect.get(target, name).bind(target);
          return async (id: string) => {
            recordedAtRemoval.push(database.prepare('SELECT id FROM networks WHERE id = ?').get(id));
            throw new Error('nft is broken');
          };
        },
      }),
  );
  const { id } = await service.create({ Name: 'cut' });
  await assert.rejects(service.remove('cut'), { message: 'nft is broken' });
  await networks[Symbol.asyncDispose]();
  await open();
  assert.equal(service.get('cut').id, id);
  await service.remove('cut');
  assert.deepEqual(recordedAtRemoval, [undefined]);
});
