import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { before, test } from 'node:test';
import { eventually, RunningCommand, sleep } from './harness/command.ts';
import { onDockerd, useEngine } from './harness/suite.ts';

const engine = await useEngine();
const { docker, mustDocker } = {
  docker: engine.docker.bind(engine),
  mustDocker: engine.mustDocker.bind(engine),
};
const sh = (script: string, ...flags: readonly string[]) =>
  mustDocker('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);

const HTTP = 'while :; do printf "HTTP/1.0 200 OK\\r\\n\\r\\nhello from $(hostname)\\n" | nc -l -p 80; done';
// busybox serves no UDP; a program of the host's, in the container's network, does.
const UDP_ECHO = `
import socket
echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
echo.bind(("0.0.0.0", 53))
while True:
    echo.sendto(*echo.recvfrom(2048))
`;

/** What comes back over TCP; undefined when nobody answers. */
function fetchTcp(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ host, port, timeout: 3_000 });
    socket.on('connect', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => resolve(text === '' ? undefined : text));
  });
}

const hostAddress = (): string =>
  Object.entries(networkInterfaces())
    .filter(([name]) => /^(en|eth)/.test(name))
    .flatMap(([, addresses]) => addresses ?? [])
    .find(({ family }) => family === 'IPv4')?.address ?? '127.0.0.1';

const portOf = async (name: string, inner = '80/tcp'): Promise<number> =>
  Number((await mustDocker('port', name, inner)).split('\n')[0]?.split(':').at(-1));

before(() => mustDocker('network', 'create', 'own'));

test('a container has an address on the bridge, a way out, and the gateway answers', async () => {
  const text = await sh(
    'ip -4 addr show eth0 | grep -o "inet [0-9.]*"; ip route; ping -c 1 -w 3 $(ip route | grep default | cut -d" " -f3) | tail -2 | head -1',
  );
  assert.match(text, /inet \d+\.\d+\.\d+\.\d+/);
  assert.match(text, /default via \d+\.\d+\.\d+\.\d+ dev eth0/);
  assert.match(text, / 0% packet loss/);
});

test('what leaves the bridge carries the hosts address', async () => {
  const server = createServer((socket) => socket.end(socket.remoteAddress ?? '')).listen(0, '0.0.0.0');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  try {
    const seen = await sh(`nc ${hostAddress()} ${port} </dev/null`);
    assert.match(seen, /\d+\.\d+\.\d+\.\d+/);
  } finally {
    server.close();
  }
});

test('a published port answers at 127.0.0.1, ::1 and the hosts own address', async () => {
  await mustDocker('run', '-d', '--name', 'web', '-h', 'web', '-p', '80', 'busybox', 'sh', '-c', HTTP);
  const port = await portOf('web');
  for (const host of ['127.0.0.1', hostAddress(), '::1']) {
    const page = await eventually(`${host} answers`, async () => await fetchTcp(host, port), 8_000);
    assert.match(page, /hello from web/, host);
  }
  assert.equal(await sh(`wget -qO- http://${hostAddress()}:${port}`), 'hello from web');
  await mustDocker('rm', '-f', 'web');
  assert.equal(await fetchTcp('127.0.0.1', port), undefined);
});

test('a port on one host address is on no other', async () => {
  await mustDocker('run', '-d', '--name', 'local', '-p', '127.0.0.1::80', 'busybox', 'sh', '-c', HTTP);
  const port = await portOf('local');
  await eventually('it answers', async () => await fetchTcp('127.0.0.1', port));
  if (hostAddress() !== '127.0.0.1') assert.equal(await fetchTcp(hostAddress(), port), undefined);
  await mustDocker('rm', '-f', 'local');
});

test('ranges, several ports and UDP', async () => {
  await mustDocker(
    'run',
    '-d',
    '--name',
    'many',
    '-p',
    '42800-42802:80-82',
    '-p',
    '42853:53/udp',
    'busybox',
    'sleep',
    '600',
  );
  assert.deepEqual(
    (await mustDocker('port', 'many'))
      .split('\n')
      .filter((line) => !line.includes('[::]'))
      .sort(),
    [
      '53/udp -> 0.0.0.0:42853',
      '80/tcp -> 0.0.0.0:42800',
      '81/tcp -> 0.0.0.0:42801',
      '82/tcp -> 0.0.0.0:42802',
    ],
  );
  const { Pid } = (await engine.inspect('many')).State;
  await using _echo = new RunningCommand([
    'nsenter',
    '-t',
    String(Pid),
    '-n',
    '/usr/bin/python3',
    '-c',
    UDP_ECHO,
  ]);
  const socket = createSocket('udp4');
  const answered = new Promise((resolve) => socket.once('message', (message) => resolve(message.toString())));
  const timer = setInterval(() => socket.send('ping', 42853, '127.0.0.1'), 200);
  try {
    assert.equal(await Promise.race([answered, sleep(8_000)]), 'ping');
  } finally {
    clearInterval(timer);
    socket.close();
  }
  await mustDocker('rm', '-f', 'many');
});

test('-P publishes what is exposed', async () => {
  await mustDocker(
    'run',
    '-d',
    '--name',
    'exposed',
    '-P',
    '--expose',
    '80',
    '--expose',
    '90/udp',
    'busybox',
    'sleep',
    '600',
  );
  assert.match(await mustDocker('port', 'exposed'), /80\/tcp -> 0\.0\.0\.0:\d+/);
  assert.match(await mustDocker('port', 'exposed'), /90\/udp -> 0\.0\.0\.0:\d+/);
  await mustDocker('rm', '-f', 'exposed');
});

test('a port in use is refused, whoever has it, and the container is not left half started', async () => {
  const server = createServer().listen(0, '0.0.0.0');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const byHost = await docker('run', '-d', '--name', 'late', '-p', `${port}:80`, 'busybox', 'sleep', '600');
  server.close();
  assert.equal(byHost.code, 125);
  assert.match(
    byHost.stderr,
    /driver failed programming external connectivity on endpoint late .*address already in use/,
  );
  assert.equal((await engine.inspect('late')).State.Status, 'created');
  await mustDocker('start', 'late');
  const byContainer = await docker(
    'run',
    '-d',
    '--name',
    'later',
    '-p',
    `${port}:80`,
    'busybox',
    'sleep',
    '600',
  );
  assert.match(byContainer.stderr, /Bind for 0\.0\.0\.0:\d+ failed: port is already allocated/);
  await mustDocker('rm', '-f', 'late', 'later');
});

test('host, none and container: modes', async () => {
  const hostLinks = (await engine.run(['ls', '/sys/class/net'])).text.split('\n').includes('lo');
  assert.ok(hostLinks);
  assert.equal(await sh('ls /sys/class/net', '--network', 'none'), 'lo');
  assert.match(await sh('ip -o link show', '--network', 'host'), new RegExp(engine.bridgeName));
  await mustDocker('run', '-d', '--name', 'peer', 'busybox', 'sh', '-c', HTTP);
  const text = await sh('wget -qO- http://127.0.0.1; hostname', '--network', 'container:peer');
  const hostname = await mustDocker('exec', 'peer', 'hostname');
  assert.equal(text, `hello from ${hostname}\n${hostname}`);
  assert.match(
    (await docker('run', '--rm', '--network', 'container:peer', '-p', '80:80', 'busybox')).stderr,
    /conflicting options: port publishing and the container type network mode/,
  );
  await mustDocker('rm', '-f', 'peer');
});

test('on a user-made bridge, names and aliases lead to containers', async () => {
  await mustDocker(
    'run',
    '-d',
    '--name',
    'server',
    '--network',
    'own',
    '--network-alias',
    'db',
    'busybox',
    'sh',
    '-c',
    HTTP,
  );
  for (const name of ['server', 'db', 'server.own']) {
    assert.match(await sh(`wget -qO- http://${name}`, '--network', 'own'), /hello from/, name);
  }
  const id = (await engine.inspect('server')).Id.slice(0, 12);
  assert.match(await sh(`nslookup ${id}`, '--network', 'own'), /Address.*: \d+\.\d+\.\d+\.\d+/);
  assert.notEqual(
    (await docker('run', '--rm', '--network', 'own', 'busybox', 'nslookup', 'nosuchname.invalid')).code,
    0,
  );
  assert.notEqual(
    (await docker('run', '--rm', 'busybox', 'wget', '-T', '2', '-qO-', 'http://server')).code,
    0,
  );
  await mustDocker('rm', '-f', 'server');
});

test('bridges are apart from one another, until a container is connected to both', async () => {
  await mustDocker('network', 'create', 'other');
  await mustDocker('run', '-d', '--name', 'apart', '--network', 'other', 'busybox', 'sh', '-c', HTTP);
  const address = (await engine.inspect('apart')).NetworkSettings.Networks.other.IPAddress as string;
  assert.notEqual(
    (
      await docker(
        'run',
        '--rm',
        '--network',
        'own',
        'busybox',
        'wget',
        '-T',
        '2',
        '-qO-',
        `http://${address}`,
      )
    ).code,
    0,
  );
  await mustDocker('network', 'connect', '--alias', 'joined', 'own', 'apart');
  assert.match(await sh('wget -qO- http://joined', '--network', 'own'), /hello from/);
  assert.deepEqual(Object.keys((await engine.inspect('apart')).NetworkSettings.Networks).sort(), [
    'other',
    'own',
  ]);
  await mustDocker('network', 'disconnect', 'own', 'apart');
  assert.notEqual(
    (await docker('run', '--rm', '--network', 'own', 'busybox', 'wget', '-T', '2', '-qO-', 'http://joined'))
      .code,
    0,
  );
  assert.match((await docker('network', 'rm', 'other')).stderr, /has active endpoints/);
  await mustDocker('rm', '-f', 'apart');
  await mustDocker('network', 'rm', 'other');
});

test('a network has the subnet asked for, and a container the address asked for', async () => {
  await mustDocker(
    'network',
    'create',
    '--subnet',
    '10.214.77.0/24',
    '--gateway',
    '10.214.77.254',
    'subnetted',
  );
  const text = await sh('ip -4 -o addr show eth0; ip route', '--network', 'subnetted', '--ip', '10.214.77.7');
  assert.match(text, /10\.214\.77\.7\/24/);
  assert.match(text, /default via 10\.214\.77\.254/);
  const inspected = await engine.inspect('subnetted', 'network');
  assert.deepEqual(
    [inspected.IPAM.Config[0].Subnet, inspected.IPAM.Config[0].Gateway, inspected.Driver],
    ['10.214.77.0/24', '10.214.77.254', 'bridge'],
  );
  await mustDocker('network', 'rm', 'subnetted');
});

// dockerd gives one a route that leads nowhere.
test('an internal network has no way out', { skip: onDockerd }, async () => {
  await mustDocker('network', 'create', '--internal', 'inside');
  assert.doesNotMatch(await sh('ip route', '--network', 'inside'), /default/);
  await mustDocker('network', 'rm', 'inside');
});

test('network ls, inspect and rm, and what they refuse', async () => {
  const names = (await mustDocker('network', 'ls', '--format', '{{.Name}} {{.Driver}}')).split('\n');
  for (const line of ['bridge bridge', 'host host', 'none null', 'own bridge'])
    assert.ok(names.includes(line), line);
  assert.match((await docker('network', 'create', 'own')).stderr, /network with name own already exists/);
  assert.match(
    (await docker('network', 'rm', 'bridge')).stderr,
    /bridge is a pre-defined network and cannot be removed/,
  );
  assert.match(
    (await docker('network', 'rm', 'nosuch')).stderr,
    /network nosuch not found|No such network: nosuch/,
  );
  await mustDocker('run', '-d', '--name', 'seen', '--network', 'own', 'busybox', 'sleep', '600');
  const { Containers } = await engine.inspect('own', 'network');
  assert.deepEqual(
    Object.values(Containers).map((container) => (container as { Name: string }).Name),
    ['seen'],
  );
  await mustDocker('rm', '-f', 'seen');
});

test('the bridge and its rules are this engines own', { skip: onDockerd }, async () => {
  const tables = (await engine.run(['nft', 'list', 'tables'])).text;
  assert.match(tables, new RegExp(`table ip slipway_${engine.bridgeName}`));
});
