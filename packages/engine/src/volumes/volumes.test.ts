import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { hostPath, systemClock, systemRandom } from '@slipway/base';
import type { JsonReply, RouteRequest } from '@slipway/http';
import { type Database, openDatabase } from '@slipway/store';
import { EventBus } from '../events/index.ts';
import { openVolumes, type VolumeService, volumeRoutes, volumeUsage } from './index.ts';

describe('volumes', () => {
  let root: string;
  let database: Database;
  let events: EventBus;
  let volumes: VolumeService;
  const open = () =>
    openVolumes({
      database,
      root: hostPath(join(root, 'volumes')),
      events,
      clock: systemClock,
      random: systemRandom,
    });
  beforeEach(async () => {
    root = mkdtempSync('/tmp/slipway-volumes-');
    database = openDatabase(join(root, 'slipway.db'));
    events = new EventBus(systemClock);
    volumes = await open();
  });
  afterEach(() => {
    database[Symbol.dispose]();
    rmSync(root, { recursive: true, force: true });
  });

  it('are made once for a name, survive a restart, and tell of it', async () => {
    const made = await volumes.create({ name: 'data', labels: { a: 'b' } });
    assert.equal(await volumes.create({ name: 'data' }), made);
    assert.deepEqual((await open()).get('data'), made);
    assert.equal(events.subscribe().history.filter(({ action }) => action === 'create').length, 1);
  });

  it('without a name are anonymous, with 64 digits', async () => {
    const made = await volumes.create({});
    assert.match(made.name, /^[0-9a-f]{64}$/);
    assert.deepEqual(made.labels, { 'com.docker.volume.anonymous': '' });
  });

  it("refuse bad names, unknown drivers and options in docker's words", async () => {
    await assert.rejects(
      volumes.create({ name: 'a/b' }),
      /create a\/b: "a\/b" includes invalid characters for a local volume name/,
    );
    await assert.rejects(volumes.create({ name: 'ab', driver: 'nfs' }), /plugin "nfs" not found/);
    await assert.rejects(volumes.create({ name: 'ab', options: { foo: '1' } }), /invalid option: "foo"/);
    await assert.rejects(
      volumes.create({ name: 'ab', options: { type: 'tmpfs' } }),
      /missing required option: "device"/,
    );
    await assert.rejects(async () => volumes.get('nope'), /get nope: no such volume/);
  });

  it('are not removed while a container uses them', async () => {
    await volumes.create({ name: 'data' });
    volumes.setUsers(() => ['c1']);
    await assert.rejects(volumes.remove('data', { force: true }), /remove data: volume is in use - \[c1\]/);
    volumes.setUsers(() => []);
    await volumes.remove('data', { force: false });
    assert.deepEqual(readdirSync(join(root, 'volumes')), []);
    await assert.rejects(volumes.remove('data', { force: false }), /no such volume/);
    await volumes.remove('data', { force: true });
  });

  it('come back when a crash cut a removal off before the record went, and go when after; folders with files stay', async () => {
    await volumes.create({ name: 'kept' });
    writeFileSync(join(volumes.mountpoint('kept'), 'file'), 'x');
    mkdirSync(join(root, 'volumes/.removed-gone/_data'), { recursive: true });
    mkdirSync(join(root, 'volumes/unknown/_data'), { recursive: true });
    writeFileSync(join(root, 'volumes/unknown/_data/file'), 'x');
    mkdirSync(join(root, 'volumes/begun/_data'), { recursive: true });
    rmSync(join(root, 'volumes/.removed-kept'), { recursive: true, force: true });
    const { renameSync } = await import('node:fs');
    renameSync(join(root, 'volumes/kept'), join(root, 'volumes/.removed-kept'));
    const again = await open();
    assert.equal(readFileSync(join(again.mountpoint('kept'), 'file'), 'utf8'), 'x');
    assert.deepEqual(readdirSync(join(root, 'volumes')).sort(), ['kept', 'unknown']);
  });

  it('mount their folder, a subfolder that no link leads out of, or what their options say', async () => {
    const data = await volumes.create({ name: 'data' });
    const source = volumes.mountpoint('data');
    assert.deepEqual(await volumes.specMount(data), { type: 'bind', source, options: ['rbind', 'rprivate'] });
    mkdirSync(join(source, 'sub'));
    assert.equal((await volumes.specMount(data, { subpath: 'sub' })).source, join(source, 'sub'));
    symlinkSync('/etc', join(source, 'out'));
    await assert.rejects(volumes.specMount(data, { subpath: 'out' }), /cannot access path/);
    const tmpfs = await volumes.create({
      name: 'mem',
      options: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=5' },
    });
    assert.deepEqual(await volumes.specMount(tmpfs), {
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['size=1m', 'uid=5'],
    });
  });

  it('with a bind of their own are filled and have subfolders as others do; a device must be there', async () => {
    const [device, image] = [join(root, 'device'), join(root, 'content')];
    mkdirSync(join(image, 'app/sub'), { recursive: true });
    mkdirSync(device);
    const options = { type: 'none', o: 'bind', device };
    const volume = await volumes.create({ name: 'bound', options });
    await volumes.copyUp(volume, hostPath(image), '/app');
    assert.deepEqual(readdirSync(device), ['sub']);
    assert.equal((await volumes.specMount(volume, { subpath: 'sub' })).source, join(device, 'sub'));
    const missing = await volumes.create({ name: 'missing', options: { ...options, device: '/no-such' } });
    await assert.rejects(volumes.copyUp(missing, hostPath(image), '/app'), /no-such: no such file/);
  });

  it('get what the image has at their place, with its owner and mode, only while they are empty', async () => {
    const image = join(root, 'image');
    mkdirSync(join(image, 'srv/www'), { recursive: true, mode: 0o750 });
    writeFileSync(join(image, 'srv/www/index'), 'hello', { mode: 0o640 });
    symlinkSync('/srv', join(image, 'link'));
    const { chownSync, chmodSync } = await import('node:fs');
    chmodSync(join(image, 'srv/www'), 0o751);
    chownSync(join(image, 'srv/www'), 33, 33);
    const data = await volumes.create({ name: 'data' });
    await volumes.copyUp(data, hostPath(image), '/link/www');
    const place = volumes.mountpoint('data');
    const { uid, mode } = statSync(place);
    assert.deepEqual([uid, mode & 0o777], [33, 0o751]);
    assert.equal(readFileSync(join(place, 'index'), 'utf8'), 'hello');
    writeFileSync(join(image, 'srv/www/more'), '');
    await volumes.copyUp(data, hostPath(image), '/srv/www');
    assert.equal(existsSync(join(place, 'more')), false);
  });

  it('are pruned when nobody named or uses them, the named ones on demand', async () => {
    await volumes.create({ name: 'named' });
    const anonymous = await volumes.create({});
    writeFileSync(join(volumes.mountpoint(anonymous.name), 'f'), 'x'.repeat(1000));
    const all = () => true;
    assert.deepEqual(await volumes.prune({ all: false, matches: all }), {
      removed: [anonymous.name],
      reclaimedBytes: 1000,
    });
    assert.deepEqual((await volumes.prune({ all: true, matches: all })).removed, ['named']);
  });

  it("are shown in docker's shape, with null where it says null", async () => {
    await volumes.create({ name: 'data' });
    const list = volumeRoutes(volumes).find(({ path }) => path === '/volumes');
    const query = new URLSearchParams({ filters: '{"name":["dat"],"dangling":["true"]}' });
    const reply = (await list?.handler({ query } as unknown as RouteRequest)) as JsonReply;
    const [usage] = await volumeUsage(volumes);
    const { UsageData, ...volume } = usage ?? {};
    assert.deepEqual(UsageData, { RefCount: 0, Size: 0 });
    assert.deepEqual(reply.value, { Volumes: [volume], Warnings: null });
    assert.deepEqual(Object.keys(volume).sort(), [
      'CreatedAt',
      'Driver',
      'Labels',
      'Mountpoint',
      'Name',
      'Options',
      'Scope',
    ]);
    assert.equal((volume as { Labels: null }).Labels, null);
  });
});
