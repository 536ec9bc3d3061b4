import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePorts, portRequests } from './ports.ts';

test('ranges and protocols are read, nonsense is refused with the text', () => {
  assert.deepEqual(
    parsePorts('80-82/udp').map(({ port }) => port),
    [80, 81, 82],
  );
  assert.equal(parsePorts('53')[0]?.protocol, 'tcp');
  assert.throws(() => parsePorts('http'), /invalid port specification: "http"/);
  assert.throws(() => parsePorts('70000'), /invalid port specification/);
});

test('publish-all takes the exposed ports that were not bound by hand', () => {
  const requests = portRequests(
    { ExposedPorts: ['80/tcp', '443/tcp'] },
    { PublishAllPorts: true, PortBindings: { '80/tcp': [{ HostPort: '8080' }] } },
  );
  assert.deepEqual(
    requests.map(({ containerPort, hostPort }) => [containerPort, hostPort.first]),
    [
      [80, 8080],
      [443, 0],
    ],
  );
});
