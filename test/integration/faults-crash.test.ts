import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ApiAnswer, callApi } from './harness/api.ts';
import { eventually, sleep } from './harness/command.ts';
import { packImage } from './harness/images.ts';
import { SEED, seeded } from './harness/random.ts';
import { useEngine } from './harness/suite.ts';

const ROUNDS = 24;
const WORKERS = 5;
const LONGEST_ROUND_MS = 220;
const PREPARED_NAMESPACES = 8;

const engine = await useEngine();
const work = join(engine.root, 'archives');
const archives: Buffer[] = [];

/** Small images, each with a layer of its own and a file that tells which it is. */
before(async () => {
  for (const number of Array(6).keys()) {
    const folder = join(work, String(number));
    mkdirSync(join(folder, 'rootfs'), { recursive: true });
    writeFileSync(join(folder, 'rootfs/marker'), `image ${number}`);
    for (const name of Array(40).keys())
      writeFileSync(join(folder, 'rootfs', `file-${name}`), `${name} of ${number}`);
    const archive = join(folder, 'image.tar');
    await packImage({
      rootfs: join(folder, 'rootfs'),
      work: folder,
      archive,
      tag: `variant:${number}`,
      command: ['x'],
    });
    archives.push(readFileSync(archive));
  }
});
after(() => rmSync(work, { recursive: true, force: true }));

/** What the engine said is so. A thing with an unanswered request may be either way, so it is in neither set. */
class Acknowledged {
  readonly present = new Set<string>();
  readonly absent = new Set<string>();

  asked(name: string): void {
    this.present.delete(name);
    this.absent.delete(name);
  }
}

const volumes = new Acknowledged();
const networks = new Acknowledged();
const containers = new Acknowledged();
const running = new Acknowledged();
const images = new Acknowledged();
const busy = new Set<string>();
let counter = 0;

const call = (method: string, path: string, body?: unknown): Promise<ApiAnswer> =>
  callApi(engine.socketPath, { method, path: `/v1.45${path}`, ...(body === undefined ? {} : { body }) });

async function change(
  known: Acknowledged,
  name: string,
  wanted: 'present' | 'absent',
  request: () => Promise<ApiAnswer>,
) {
  known.asked(name);
  const answer = await request();
  assert.ok([200, 201, 204, 304].includes(answer.status), `${name}: ${answer.status} ${answer.text}`);
  if (answer.text.includes('errorDetail')) throw new Error(answer.text);
  known[wanted].add(name);
}

const sleeper = (autoRemove = false) => ({
  Image: 'busybox',
  Cmd: ['sleep', '1000'],
  HostConfig: { Init: true, AutoRemove: autoRemove },
  Volumes: autoRemove ? { '/anonymous': {} } : {},
});

type Action = (random: () => number) => Promise<void>;

/** A thing of the set that nobody else is at. */
async function withOne(
  set: ReadonlySet<string>,
  random: () => number,
  use: (name: string) => Promise<void>,
): Promise<void> {
  const free = [...set].filter((name) => !busy.has(name));
  const name = free[Math.floor(random() * free.length)];
  if (name === undefined) return await sleep(1);
  busy.add(name);
  try {
    await use(name);
  } finally {
    busy.delete(name);
  }
}

const actions: readonly Action[] = [
  async () => {
    const name = `volume-${counter++}`;
    await change(volumes, name, 'present', () => call('POST', '/volumes/create', { Name: name }));
  },
  (random) =>
    withOne(volumes.present, random, (name) =>
      change(volumes, name, 'absent', () => call('DELETE', `/volumes/${name}`)),
    ),
  async () => {
    const name = `network-${counter++}`;
    await change(networks, name, 'present', () => call('POST', '/networks/create', { Name: name }));
  },
  (random) =>
    withOne(networks.present, random, (name) =>
      change(networks, name, 'absent', () => call('DELETE', `/networks/${name}`)),
    ),
  async () => {
    const name = `container-${counter++}`;
    busy.add(name);
    await change(containers, name, 'present', () =>
      call('POST', `/containers/create?name=${name}`, sleeper()),
    );
    busy.delete(name);
  },
  async () => {
    const name = `container-${counter++}`;
    busy.add(name);
    await change(containers, name, 'present', () =>
      call('POST', `/containers/create?name=${name}`, sleeper()),
    );
    await change(running, name, 'present', () => call('POST', `/containers/${name}/start`));
    busy.delete(name);
  },
  (random) =>
    withOne(containers.present, random, (name) =>
      change(running, name, 'present', () => call('POST', `/containers/${name}/start`)),
    ),
  (random) =>
    withOne(running.present, random, (name) =>
      change(running, name, 'absent', () => call('POST', `/containers/${name}/stop`)),
    ),
  (random) =>
    withOne(containers.present, random, async (name) => {
      running.asked(name);
      await change(containers, name, 'absent', () => call('DELETE', `/containers/${name}?force=1&v=1`));
    }),
  async () => {
    const name = `temporary-${counter++}`;
    const body = { ...sleeper(true), Cmd: ['true'] };
    await call('POST', `/containers/create?name=${name}`, body);
    const waited = call('POST', `/containers/${name}/wait?condition=removed`);
    waited.catch(() => {});
    const started = await call('POST', `/containers/${name}/start`);
    assert.equal(started.status, 204, started.text);
    assert.equal((await waited).status, 200);
    containers.absent.add(name);
  },
  (random) => {
    const number = Math.floor(random() * archives.length);
    const name = `variant:${number}`;
    if (busy.has(name)) return sleep(1);
    busy.add(name);
    return change(images, name, 'present', () => call('POST', '/images/load', archives[number])).finally(() =>
      busy.delete(name),
    );
  },
  (random) =>
    withOne(images.present, random, (name) =>
      change(images, name, 'absent', () => call('DELETE', `/images/${name}`)),
    ),
];

/** Everything at once until the daemon is killed in the midst of it. */
async function oneRound(seed: number): Promise<void> {
  const random = seeded(seed);
  let over = false;
  const failures: unknown[] = [];
  const workers = Array.from({ length: WORKERS }, async () => {
    while (!over) {
      const action = actions[Math.floor(random() * actions.length)] as Action;
      try {
        await action(random);
      } catch (error) {
        const isLost =
          error instanceof Error &&
          'code' in error &&
          ['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ENOENT'].includes(String(error.code));
        if (!isLost) failures.push(error);
      }
    }
  });
  await sleep(20 + random() * LONGEST_ROUND_MS);
  over = true;
  await engine.kill();
  await Promise.all(workers);
  busy.clear();
  if (failures.length > 0) throw failures[0];
}

const namesOf = (list: unknown, pick: (each: Record<string, unknown>) => unknown): string[] =>
  (list as Record<string, unknown>[]).map((each) => String(pick(each)));
const containerNames = async (query: string) =>
  namesOf((await call('GET', `/containers/json${query}`)).json, (each) =>
    (each.Names as string[])[0]?.slice(1),
  );

function assertAgrees(what: string, known: Acknowledged, listed: readonly string[]): void {
  const names = new Set(listed);
  assert.equal(names.size, listed.length, `${what} listed twice: ${listed}`);
  assert.deepEqual(
    [...known.present].filter((name) => !names.has(name)),
    [],
    `${what} acknowledged and lost`,
  );
  assert.deepEqual(
    [...known.absent].filter((name) => names.has(name)),
    [],
    `${what} removed and back`,
  );
  // What was not answered is settled now.
  known.present.clear();
  known.absent.clear();
  for (const name of listed) known.present.add(name);
}

async function assertConsistent(): Promise<void> {
  assertAgrees(
    'volume',
    volumes,
    namesOf(
      ((await call('GET', '/volumes')).json as { Volumes: unknown }).Volumes,
      (each) => each.Name,
    ).filter((name) => name.startsWith('volume-')),
  );
  assertAgrees(
    'network',
    networks,
    namesOf((await call('GET', '/networks')).json, (each) => each.Name).filter((name) =>
      name.startsWith('network-'),
    ),
  );
  const every = await containerNames('?all=1');
  const live = await containerNames('');
  assert.deepEqual(
    every.filter((name) => name.startsWith('temporary-')),
    [],
    '--rm was forgotten',
  );
  assertAgrees('container', containers, every);
  assertAgrees('running container', running, live);
  const listed = namesOf((await call('GET', '/images/json')).json, (each) => (each.RepoTags as string[])[0]);
  assertAgrees(
    'image',
    images,
    listed.filter((name) => name.startsWith('variant')),
  );

  for (const name of every) {
    const inspected = (await call('GET', `/containers/${name}/json`)).json as {
      Id: string;
      State: { Status: string; Pid: number };
    };
    if (live.includes(name)) {
      assert.equal((await call('GET', `/containers/${name}/top`)).status, 200, `${name} has no processes`);
      assert.ok(existsSync(`/proc/${inspected.State.Pid}`));
    }
    assert.equal(
      (await call('HEAD', `/containers/${name}/archive?path=/bin/busybox`)).status,
      200,
      `${name} has no files`,
    );
  }
  for (const name of images.present) {
    assert.equal((await call('GET', `/images/${name}/json`)).status, 200);
    const created = (await call('POST', '/containers/create', { Image: name })).json as { Id: string };
    const file = await call('GET', `/containers/${created.Id}/archive?path=/marker`);
    assert.ok(
      file.text.includes(`image ${name.slice(-1)}`),
      `${name} has lost its files: ${file.text.slice(0, 200)}`,
    );
    assert.equal((await call('DELETE', `/containers/${created.Id}`)).status, 204);
  }
  await eventually('nothing is held that is not listed', () => {
    const excess = holdings().filter(([, held, wanted]) => held > wanted);
    return excess.length === 0;
  }).catch(() =>
    assert.deepEqual(
      holdings().filter(([, held, wanted]) => held > wanted),
      [],
    ),
  );
}

const entries = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);

/** What the host holds for the engine, how much of it, and how much its lists account for. */
function holdings(): [what: string, held: number, wanted: number][] {
  const links = entries('/sys/class/net');
  const cgroups = entries(join('/sys/fs/cgroup/memory', engine.cgroupParent)).filter((name) =>
    /^[0-9a-f]{64}$/.test(name),
  );
  return [
    ['container folders', entries(join(engine.dataRoot, 'containers')).length, containers.present.size],
    ['volume folders', entries(join(engine.dataRoot, 'volumes')).length, volumes.present.size],
    ['ingests', entries(join(engine.dataRoot, 'content/ingest')).length, 0],
    ['shim sockets', entries(join(engine.runRoot, 's')).length, running.present.size],
    [
      'runtime states',
      entries(join(engine.runRoot, 'r')).flatMap((name) => entries(join(engine.runRoot, 'r', name))).length,
      running.present.size,
    ],
    [
      'network namespaces',
      entries(join(engine.runRoot, 'net/netns')).length,
      running.present.size + PREPARED_NAMESPACES,
    ],
    ['cgroups', cgroups.length, running.present.size],
    [
      'veth pairs',
      links.filter((name) => isOnBridge(name)).length,
      running.present.size + PREPARED_NAMESPACES,
    ],
  ];
}

function isOnBridge(link: string): boolean {
  try {
    return (
      existsSync(`/sys/class/net/${link}/brport`) &&
      readdirSync(`/sys/class/net/${engine.bridgeName}/brif`).includes(link)
    );
  } catch {
    return false;
  }
}

test(`kill -9 at ${ROUNDS} random points of everything at once: nothing acknowledged is lost, nothing is half there`, async () => {
  for (const round of Array(ROUNDS).keys()) {
    const seed = SEED + round;
    try {
      await oneRound(seed);
      await engine.start();
      await assertConsistent();
    } catch (error) {
      throw new Error(
        `with SLIPWAY_TEST_SEED=${SEED}, in round ${round}: ${error instanceof Error ? error.message : error}`,
        { cause: error },
      );
    }
  }
});

test('kill -9 while the daemon starts up, again and again', async () => {
  const random = seeded(SEED);
  for (let round = 0; round < 8; round++) {
    await engine.kill();
    const starting = engine.start().catch(() => {});
    await sleep(40 + random() * 200);
    await engine.kill();
    await starting;
  }
  if (engine.isRunning) await engine.kill();
  await engine.start();
  await assertConsistent();
});

test('when everything is removed, the roots are empty', async () => {
  for (const name of containers.present)
    assert.equal((await call('DELETE', `/containers/${name}?force=1`)).status, 204);
  for (const name of volumes.present) assert.equal((await call('DELETE', `/volumes/${name}`)).status, 204);
  for (const name of networks.present) assert.equal((await call('DELETE', `/networks/${name}`)).status, 204);
  for (const name of [...images.present, 'busybox'])
    assert.equal((await call('DELETE', `/images/${name}`)).status, 200);
  const left = [
    'containers',
    'volumes',
    'snapshots',
    'content/ingest',
    'content/blobs/sha256',
    'scratch',
  ].flatMap((folder) => entries(join(engine.dataRoot, folder)).map((name) => `${folder}/${name}`));
  assert.deepEqual(left, []);
  assert.deepEqual(entries(join(engine.runRoot, 's')), []);
});
