import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect, createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { silentLogger, systemClock, systemRandom } from '@slipway/base';
import type { BridgeNetwork, EndpointRequest, NetworkSandbox, Networks, PortRequest } from './network.ts';
import { openNetworks } from './networks.ts';

const run = promisify(execFile);
const tag = `swt${systemRandom.hex(3)}`;
let runRoot: string;
let networks: Networks;
let bridge: BridgeNetwork;
const programs: ReturnType<typeof spawn>[] = [];

const open = (): Promise<Networks> =>
  openNetworks({
    runRoot,
    tableName: tag,
    bridgeNamePrefix: `${tag}`.slice(0, 3),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    prepared: 2,
  });

before(async () => {
  runRoot = await mkdtemp(join(tmpdir(), 'slipway-network-'));
  networks = await open();
  bridge = await networks.createBridge({
    id: systemRandom.hex(32),
    name: 'bridge',
    bridgeName: `${tag}d`,
    subnets: [],
    resolvesNames: false,
  });
});

after(async () => {
  for (const program of programs) program.kill('SIGKILL');
  await networks.sweep(new Set());
  await networks.removeBridge(bridge.id);
  await networks[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(join(runRoot, 'netns')), [], 'no namespace is left');
  const { stdout: mounts } = await run('cat', ['/proc/mounts']);
  assert.ok(!mounts.includes(runRoot), 'no mount is left');
  const { stdout: tables } = await run('nft', ['list', 'tables']);
  assert.ok(!tables.includes(tag), 'no table is left');
  const { stdout: links } = await run('ip', ['-br', 'link']);
  assert.ok(!links.includes(tag), 'no bridge is left');
  await rm(runRoot, { recursive: true });
});

const inside = async (sandbox: NetworkSandbox, ...command: string[]): Promise<string> =>
  (await run('nsenter', [`--net=${sandbox.netnsPath}`, ...command], { timeout: 5000 })).stdout;

const create = (
  endpoints: readonly (Partial<EndpointRequest> & { networkId: string })[],
  ports: readonly PortRequest[] = [],
  containerId = systemRandom.hex(32),
): Promise<NetworkSandbox> =>
  networks.createSandbox({
    containerId,
    containerName: `/c-${containerId.slice(0, 4)}`,
    endpoints: endpoints.map((endpoint) => ({ names: [], ...endpoint })),
    ports,
  });

const userBridge = (extra: object = {}): Promise<BridgeNetwork> =>
  networks.createBridge({
    id: systemRandom.hex(32),
    name: 'user',
    bridgeName: `${tag}${systemRandom.hex(2)}`,
    subnets: [],
    resolvesNames: true,
    ...extra,
  });

/** Answers each TCP connection in the sandbox with its peer's address. */
async function serveTcp(sandbox: NetworkSandbox, port: number): Promise<void> {
  const program = spawn('nsenter', [
    `--net=${sandbox.netnsPath}`,
    process.execPath,
    '-e',
    `require('net').createServer(s => s.end(s.remoteAddress)).listen(${port}, '0.0.0.0', () => console.log('ready'));
     const u = require('dgram').createSocket('udp4'); u.on('message', (m, p) => u.send('echo ' + m, p.port, p.address)).bind(${port})`,
  ]);
  programs.push(program);
  await new Promise((resolve) => program.stdout.once('data', resolve));
}

function fetchTcp(host: string, port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  const socket = connect({ host, port });
  socket.setTimeout(3000, () => socket.destroy(new Error('timeout')));
  socket.on('data', (bytes) => {
    text += bytes.toString();
  });
  socket.on('error', reject).on('close', () => resolve(text));
  return promise;
}

const tcp = (containerPort: number, hostPort: number, hostIp = ''): PortRequest => ({
  protocol: 'tcp',
  containerPort,
  hostIp,
  hostPort: { first: hostPort, last: hostPort },
});

const hostAddress = async (): Promise<string> =>
  (await run('ip', ['-4', '-o', 'addr', 'show', 'scope', 'global'])).stdout.match(
    /eth0\s+inet ([\d.]+)/,
  )?.[1] ?? '';

const fetchInside = (sandbox: NetworkSandbox, host: string, port: number): Promise<string> =>
  inside(sandbox, 'busybox', 'nc', '-w', '2', host, String(port));

test('two sandboxes on the default bridge have addresses, reach the gateway and one another', async () => {
  const first = await create([{ networkId: bridge.id }]);
  const second = await create([{ networkId: bridge.id }]);
  assert.notEqual(first.endpoints[0]?.ipv4, second.endpoints[0]?.ipv4);
  await inside(first, 'busybox', 'ping', '-c1', '-W1', bridge.subnets[0]?.gateway ?? '');
  await inside(first, 'busybox', 'ping', '-c1', '-W1', second.endpoints[0]?.ipv4 ?? '');
  const addresses = await inside(first, 'ip', 'addr', 'show', 'eth0');
  assert.match(addresses, new RegExp(`inet ${first.endpoints[0]?.ipv4}/16`));
  assert.match(addresses, new RegExp(first.endpoints[0]?.macAddress ?? 'none'));
  const counters = await networks.counters(first.containerId);
  assert.ok((counters.eth0?.rxPackets ?? 0) > 0);
  for (const { containerId } of [first, second]) await networks.removeSandbox(containerId);
  await networks.removeSandbox(first.containerId);
});

test('a published port is reached over 127.0.0.1, ::1, the host address, and from containers', async () => {
  const server = await create([{ networkId: bridge.id }], [tcp(8080, 0)]);
  const client = await create([{ networkId: bridge.id }]);
  await serveTcp(server, 8080);
  const port = server.ports[0]?.hostPort ?? 0;
  assert.deepEqual(
    server.ports.map(({ hostIp }) => hostIp),
    ['0.0.0.0', '::'],
  );
  const own = server.endpoints[0]?.ipv4 ?? '';
  assert.match(await fetchTcp('127.0.0.1', port), /\d/);
  assert.match(await fetchTcp('::1', port), /\d/);
  assert.match(await fetchTcp(await hostAddress(), port), /\d/);
  assert.match(await fetchInside(client, await hostAddress(), port), /\d/);
  assert.match(
    await fetchInside(server, await hostAddress(), port),
    /\d/,
    'a container reaches itself (hairpin)',
  );
  assert.match(await fetchInside(client, own, 8080), /\d/);
  for (const { containerId } of [server, client]) await networks.removeSandbox(containerId);
  await assert.rejects(fetchTcp('127.0.0.1', port), /ECONNREFUSED/);
});

test('rules that an administrator flushed are made again: ports lead to their container, networks stay apart', async () => {
  const server = await create([{ networkId: bridge.id }], [tcp(8080, 0)]);
  const port = server.ports[0]?.hostPort ?? 0;
  await serveTcp(server, 8080);
  const rules = async (): Promise<string> => (await run('nft', ['list', 'table', 'ip', tag])).stdout;
  const before = await rules();
  await run('nft', ['delete', 'table', 'ip', tag]);
  for (let attempt = 0; attempt < 100 && (await rules().catch(() => '')) !== before; attempt++) {
    await systemClock.sleep(100);
  }
  assert.equal(await rules(), before);
  assert.match(await fetchInside(server, await hostAddress(), port), /\d/);
  await networks.removeSandbox(server.containerId);
});

test('a published UDP port is reached over 127.0.0.1 and ::1', async () => {
  const request: PortRequest = {
    protocol: 'udp',
    containerPort: 9000,
    hostIp: '',
    hostPort: { first: 0, last: 0 },
  };
  const server = await create([{ networkId: bridge.id }], [request]);
  await serveTcp(server, 9000);
  const port = server.ports[0]?.hostPort ?? 0;
  for (const [family, address] of [
    ['udp4', '127.0.0.1'],
    ['udp6', '::1'],
  ] as const) {
    const socket = createSocket(family);
    const answer = new Promise<string>((resolve) => socket.on('message', (text) => resolve(text.toString())));
    socket.send('hello', port, address);
    assert.equal(await answer, 'echo hello', family);
    socket.close();
  }
  await networks.removeSandbox(server.containerId);
});

test('another host reaches published ports, and neither unpublished ones nor those on loopback', async () => {
  const outside = `${tag}o`;
  await run('ip', ['netns', 'add', outside]);
  await run('ip', ['link', 'add', outside, 'type', 'veth', 'peer', 'name', 'up0', 'netns', outside]);
  await run('ip', ['addr', 'add', '198.18.77.1/24', 'dev', outside]);
  await run('ip', ['link', 'set', outside, 'up']);
  const there = (...command: string[]) =>
    run('ip', ['netns', 'exec', outside, ...command], { timeout: 8000 });
  await there('ip', 'addr', 'add', '198.18.77.2/24', 'dev', 'up0');
  await there('ip', 'link', 'set', 'up0', 'up');
  await there('ip', 'route', 'add', 'default', 'via', '198.18.77.1');
  await there('sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1');
  const server = await create([{ networkId: bridge.id }], [tcp(8080, 0), tcp(8080, 0, '127.0.0.1')]);
  await serveTcp(server, 8080);
  const [published, , loopback] = server.ports;
  const fetch = async (host: string, port: number) =>
    (await there('busybox', 'nc', '-w', '2', host, String(port))).stdout;
  assert.equal(
    await fetch('198.18.77.1', published?.hostPort ?? 0),
    '198.18.77.2',
    'the source address is kept',
  );
  await assert.rejects(
    fetch(server.endpoints[0]?.ipv4 ?? '', 8080),
    'the container itself is not open to the outside',
  );
  await assert.rejects(fetch('198.18.77.1', loopback?.hostPort ?? 0));
  await there('ip', 'route', 'add', '127.0.0.1/32', 'via', '198.18.77.1').catch(() => {});
  assert.match(await fetchTcp('127.0.0.1', loopback?.hostPort ?? 0), /\d/);
  await networks.removeSandbox(server.containerId);
  await run('ip', ['netns', 'del', outside]);
  await run('ip', ['link', 'del', outside]).catch(() => {});
});

test("a port that a container or a host process has is refused in docker's words, and leaves nothing", async () => {
  const first = await create([{ networkId: bridge.id }], [tcp(80, 0)]);
  const port = first.ports[0]?.hostPort ?? 0;
  await assert.rejects(create([{ networkId: bridge.id }], [tcp(80, port)]), {
    code: 'Conflict',
    reason: 'PORT_IN_USE',
    message: new RegExp(
      `^driver failed programming external connectivity on endpoint /c-.{4} \\([0-9a-f]{64}\\): Bind for 0.0.0.0:${port} failed: port is already allocated$`,
    ),
  });
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const address = server.address();
  const busy = typeof address === 'object' ? (address?.port ?? 0) : 0;
  await assert.rejects(create([{ networkId: bridge.id }], [tcp(80, busy)]), {
    message: new RegExp(`listen tcp4 0.0.0.0:${busy}: bind: address already in use$`),
  });
  server.close();
  await networks.removeSandbox(first.containerId);
  const again = await create([{ networkId: bridge.id }], [tcp(80, port)]);
  assert.equal(again.ports[0]?.hostPort, port, 'a released port can be taken at once');
  await networks.removeSandbox(again.containerId);
});

test('a range of host ports gives its first free one', async () => {
  const request = { ...tcp(80, 0), hostPort: { first: 42_100, last: 42_101 } };
  const first = await create([{ networkId: bridge.id }], [request]);
  const second = await create([{ networkId: bridge.id }], [request]);
  assert.deepEqual([first.ports[0]?.hostPort, second.ports[0]?.hostPort], [42_100, 42_101]);
  await assert.rejects(create([{ networkId: bridge.id }], [request]), /all ports are allocated/);
  for (const { containerId } of [first, second]) await networks.removeSandbox(containerId);
});

test("names resolve on a user-made bridge, unknown ones are asked of the host's servers", async () => {
  const network = await userBridge();
  const first = await create([{ networkId: network.id, names: ['web', 'alias'] }]);
  const second = await create([{ networkId: network.id, names: ['db', 'alias'] }]);
  const server = networks.nameServer(network.id) ?? '';
  assert.equal(server, network.subnets[0]?.gateway);
  const lookup = (name: string) => inside(second, 'busybox', 'nslookup', name, server);
  assert.match(await lookup('web'), new RegExp(`Address: ${first.endpoints[0]?.ipv4}`));
  const both = await lookup('alias');
  assert.ok(
    both.includes(first.endpoints[0]?.ipv4 ?? '-') && both.includes(second.endpoints[0]?.ipv4 ?? '-'),
  );
  networks.setNames(first.containerId, network.id, ['renamed']);
  assert.match(await lookup('renamed'), new RegExp(`Address: ${first.endpoints[0]?.ipv4}`));
  await assert.rejects(networks.removeBridge(network.id), { code: 'FailedPrecondition' });
  for (const { containerId } of [first, second]) await networks.removeSandbox(containerId);
  await networks.removeBridge(network.id);
});

test('bridges are isolated from one another; an internal one has no way out; ICC off separates containers', async () => {
  const internal = await userBridge({ internal: true });
  const separate = await userBridge({ interContainer: false });
  const onDefault = await create([{ networkId: bridge.id }]);
  const onInternal = await create([{ networkId: internal.id }]);
  const peers = [await create([{ networkId: separate.id }]), await create([{ networkId: separate.id }])];
  const ping = (from: NetworkSandbox, to: string) => inside(from, 'busybox', 'ping', '-c1', '-W1', to);
  const ipOf = (sandbox: NetworkSandbox | undefined) => sandbox?.endpoints[0]?.ipv4 ?? '';
  await assert.rejects(ping(onDefault, ipOf(onInternal)));
  await assert.rejects(ping(onInternal, ipOf(onDefault)));
  await assert.rejects(ping(onDefault, ipOf(peers[0])), 'bridge to bridge');
  await assert.rejects(ping(peers[0] as NetworkSandbox, ipOf(peers[1])), 'icc off');
  await ping(peers[0] as NetworkSandbox, separate.subnets[0]?.gateway ?? '');
  await ping(onInternal, internal.subnets[0]?.gateway ?? '');
  assert.doesNotMatch(await inside(onInternal, 'ip', 'route'), /default/);
  for (const { containerId } of [onDefault, onInternal, ...peers]) await networks.removeSandbox(containerId);
  for (const { id } of [internal, separate]) await networks.removeBridge(id);
});

test('static addresses and MACs are honoured, taken ones refused, and a full subnet says so', async () => {
  const network = await userBridge({ subnets: [{ subnet: '198.18.99.0/29', gateway: '198.18.99.6' }] });
  const one = await create([{ networkId: network.id, ipv4: '198.18.99.3', macAddress: '02:00:00:00:00:99' }]);
  assert.match(await inside(one, 'ip', 'addr', 'show', 'eth0'), /02:00:00:00:00:99[\s\S]*198\.18\.99\.3\/29/);
  await assert.rejects(create([{ networkId: network.id, ipv4: '198.18.99.3' }]), {
    reason: 'ADDRESS_IN_USE',
  });
  await assert.rejects(create([{ networkId: network.id, ipv4: '10.1.2.3' }]), { code: 'InvalidArgument' });
  const rest = [];
  for (let i = 0; i < 4; i++) rest.push(await create([{ networkId: network.id }]));
  await assert.rejects(create([{ networkId: network.id }]), { code: 'ResourceExhausted' });
  await assert.rejects(userBridge({ subnets: [{ subnet: '198.18.99.0/24' }] }), /Pool overlaps/);
  for (const { containerId } of [one, ...rest]) await networks.removeSandbox(containerId);
  await networks.removeBridge(network.id);
});

test('a running container is connected to a second network and taken off again', async () => {
  const network = await userBridge();
  const none = await create([]);
  assert.doesNotMatch(await inside(none, 'ip', 'link'), /eth0/);
  const sandbox = await create([{ networkId: bridge.id }]);
  const endpoint = await networks.connect(sandbox.containerId, { networkId: network.id, names: ['x'] });
  assert.equal(endpoint.interfaceName, 'eth1');
  assert.match(await inside(sandbox, 'ip', 'addr', 'show', 'eth1'), new RegExp(endpoint.ipv4));
  await networks.disconnect(sandbox.containerId, bridge.id);
  assert.match(
    await inside(sandbox, 'ip', 'route'),
    new RegExp(`default via ${network.subnets[0]?.gateway}`),
  );
  await networks.disconnect(sandbox.containerId, network.id);
  for (const { containerId } of [none, sandbox]) await networks.removeSandbox(containerId);
  await networks.removeBridge(network.id);
});

test('published ports follow their container to another network, and come when it gets one', async () => {
  const [first, second] = [await userBridge(), await userBridge()];
  const sandbox = await create([{ networkId: first.id, names: ['mover'] }], [tcp(8080, 0, '127.0.0.1')]);
  const { containerId } = sandbox;
  await serveTcp(sandbox, 8080);
  const fetchPublished = async () => {
    const [port] = networks.sandbox(containerId).ports;
    return await fetchTcp('127.0.0.1', port?.hostPort ?? 1);
  };
  assert.notEqual(await fetchPublished(), '');
  await networks.connect(containerId, { networkId: second.id, names: ['mover'] });
  networks.setNames(containerId, first.id, ['moved']);
  await networks.disconnect(containerId, first.id);
  assert.notEqual(await fetchPublished(), '');
  await networks.disconnect(containerId, second.id);
  assert.deepEqual(networks.sandbox(containerId).ports, []);
  await networks.connect(containerId, { networkId: first.id, names: [] });
  assert.notEqual(await fetchPublished(), '');
  await networks.removeSandbox(containerId);
  for (const { id } of [first, second]) await networks.removeBridge(id);
});

test('a container finds the names of all its networks, over UDP and TCP, forwards, backwards and without IPv6', async () => {
  const [first, second] = [await userBridge(), await userBridge()];
  const both = await create([{ networkId: first.id, names: ['both'] }, { networkId: second.id }]);
  const other = await create([{ networkId: second.id, names: ['Other', 'alias'] }]);
  const otherIp = other.endpoints[0]?.ipv4 ?? '';
  const program = `
    const { Resolver } = require('dns').promises, net = require('net');
    const resolver = new Resolver({ timeout: 2000, tries: 1 });
    resolver.setServers([process.argv[1]]);
    const overTcp = () => new Promise((resolve, reject) => {
      const query = Buffer.concat([Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5]), Buffer.from('other'), Buffer.from([0, 0, 1, 0, 1])]);
      const socket = net.connect(53, process.argv[1], () => socket.write(Buffer.concat([Buffer.from([0, query.length]), query])));
      socket.on('data', (d) => { socket.destroy(); resolve([...d.subarray(-4)].join('.')); }).on('error', reject);
    });
    (async () => console.log(JSON.stringify([await resolver.resolve4('other'), await resolver.resolve4('ALIAS'),
      await resolver.reverse(process.argv[2]), await resolver.resolve6('both').catch((e) => e.code), await overTcp()])))()`;
  const said = await inside(
    both,
    ...[process.execPath, '-e', program, networks.nameServer(first.id) ?? '', otherIp],
  );
  assert.deepEqual(JSON.parse(said), [[otherIp], [otherIp], ['Other'], 'ENODATA', otherIp]);
  for (const { containerId } of [both, other]) await networks.removeSandbox(containerId);
  for (const { id } of [first, second]) await networks.removeBridge(id);
});

test("names outside are asked of the container's own name servers", async () => {
  const network = await userBridge();
  const server = await create([{ networkId: network.id }]);
  const program = spawn('nsenter', [
    `--net=${server.netnsPath}`,
    process.execPath,
    '-e',
    `const u = require('dgram').createSocket('udp4');
     u.on('message', (m, p) => u.send(Buffer.concat([m.subarray(0, 2), Buffer.from([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]), m.subarray(12),
       Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 9, 8, 7, 6])]), p.port, p.address)).bind(53, () => console.log('ready'))`,
  ]);
  programs.push(program);
  await new Promise((resolve) => program.stdout.once('data', resolve));
  const asker = await create([{ networkId: network.id, nameServers: [server.endpoints[0]?.ipv4 ?? ''] }]);
  const ask = `
    const resolver = new (require('dns').promises.Resolver)({ timeout: 2000, tries: 1 });
    resolver.setServers([process.argv[1]]);
    resolver.resolve4('example.org').then((found) => console.log(found.join()))`;
  const gateway = networks.nameServer(network.id) ?? '';
  assert.equal(await inside(asker, process.execPath, '-e', ask, gateway), '9.8.7.6\n');
  for (const { containerId } of [asker, server]) await networks.removeSandbox(containerId);
  await networks.removeBridge(network.id);
});

test('a port that somebody took while the daemon was away is left to them', async () => {
  const sandbox = await create(
    [{ networkId: bridge.id }],
    [tcp(8080, 0, '127.0.0.1'), tcp(8081, 0, '127.0.0.1')],
  );
  await networks[Symbol.asyncDispose]();
  const [taken, free] = sandbox.ports;
  const thief = createServer().listen({ host: '127.0.0.1', port: taken?.hostPort });
  await new Promise((resolve) => thief.once('listening', resolve));
  networks = await open();
  await networks.restoreBridge(bridge);
  await networks.restoreSandbox(sandbox);
  assert.deepEqual(networks.sandbox(sandbox.containerId).ports, [free]);
  await networks.removeSandbox(sandbox.containerId);
  await new Promise((resolve) => thief.close(resolve));
});

test('a restarted daemon takes running sandboxes back with their ports, and sweeps what belongs to nobody', async () => {
  const kept = await create([{ networkId: bridge.id }], [tcp(8080, 0)]);
  const lost = await create([{ networkId: bridge.id }], [tcp(8081, 0)]);
  await serveTcp(kept, 8080);
  await networks[Symbol.asyncDispose]();
  const port = kept.ports[0]?.hostPort ?? 0;
  assert.match(await fetchTcp('127.0.0.1', port), /\d/, 'the rules hold without a daemon');
  networks = await open();
  await networks.restoreBridge(bridge);
  await networks.restoreSandbox(kept);
  await networks.sweep(new Set([kept.containerId]));
  assert.match(await fetchTcp('127.0.0.1', port), /\d/);
  assert.match(await fetchTcp('::1', port), /\d/);
  const { stdout: rules } = await run('nft', ['list', 'map', 'ip', tag, 'published_any']);
  assert.ok(!rules.includes(`. ${lost.ports[0]?.hostPort}`), 'the port of the lost one is gone');
  const next = await create([{ networkId: bridge.id }]);
  assert.notEqual(next.endpoints[0]?.ipv4, kept.endpoints[0]?.ipv4);
  await assert.rejects(create([{ networkId: bridge.id }], [tcp(80, port)]), { reason: 'PORT_IN_USE' });
  for (const { containerId } of [kept, next]) await networks.removeSandbox(containerId);
});

test('sockets are opened inside of a namespace, and reached from there alone', async () => {
  const sandbox = await networks.createSandbox({
    containerId: 'sockets',
    containerName: 'sockets',
    endpoints: [],
    ports: [],
  });
  try {
    const greeting = createServer((client) => client.end('hello')).listen({
      fd: await networks.listenInside(sandbox.netnsPath, 9001),
    });
    assert.equal(await inside(sandbox, 'bash', '-c', 'cat < /dev/tcp/127.0.0.1/9001'), 'hello');
    await assert.rejects(
      run('bash', ['-c', 'cat < /dev/tcp/127.0.0.1/9001'], { timeout: 5000 }),
      'the host has another loopback',
    );
    await assert.rejects(networks.listenInside(sandbox.netnsPath, 9001), { reason: 'EADDRINUSE' });
    const read = async (port: number): Promise<string> => {
      const socket = new Socket({ fd: await networks.connectInside(sandbox.netnsPath, port) });
      let text = '';
      for await (const chunk of socket) text += chunk;
      return text;
    };
    assert.equal(await read(9001), 'hello');
    await assert.rejects(read(9002));
    greeting.close();
  } finally {
    await networks.removeSandbox('sockets');
  }
});
