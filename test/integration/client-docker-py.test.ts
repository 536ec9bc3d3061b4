import assert from 'node:assert/strict';
import { test } from 'node:test';
import { useEngine } from './harness/suite.ts';

const engine = await useEngine();

const SCRIPT = `
import docker, io, tarfile
client = docker.from_env()
assert client.ping()
# It asks for the log, waits, removes the container, and only then reads what it asked for.
for n in range(25):
    assert client.containers.run('busybox', ['echo', 'hello'], remove=True) == b'hello\\n', n
try:
    client.containers.run('busybox', ['sh', '-c', 'echo bad >&2; exit 3'], remove=True)
    raise SystemExit('no error')
except docker.errors.ContainerError as error:
    assert error.exit_status == 3 and b'bad' in error.stderr, error
try:
    client.images.get('nosuch:1')
    raise SystemExit('no error')
except docker.errors.ImageNotFound:
    pass
try:
    client.containers.get('nosuch')
    raise SystemExit('no error')
except docker.errors.NotFound:
    pass
network = client.networks.create('pynet')
volume = client.volumes.create('pyvol')
box = client.containers.run('busybox', ['sleep', '600'], name='pybox', detach=True, network='pynet',
    volumes={'pyvol': {'bind': '/v', 'mode': 'rw'}}, ports={'80/tcp': None}, labels={'a': 'b'}, mem_limit='64m')
code, output = box.exec_run(['sh', '-c', 'echo in > /v/f; cat /v/f; exit 5'])
assert (code, output) == (5, b'in\\n'), (code, output)
box.reload()
assert box.status == 'running' and box.ports['80/tcp'][0]['HostPort'], box.ports
assert [c.name for c in client.containers.list(filters={'label': 'a=b'})] == ['pybox']
buffer = io.BytesIO()
with tarfile.open(fileobj=buffer, mode='w') as tar:
    info = tarfile.TarInfo('put'); info.size = 3
    tar.addfile(info, io.BytesIO(b'put'))
assert box.put_archive('/tmp', buffer.getvalue())
stream, stat = box.get_archive('/tmp/put')
assert stat['size'] == 3 and stat['name'] == 'put', stat
archive = tarfile.open(fileobj=io.BytesIO(b''.join(stream)))
assert archive.extractfile('put').read() == b'put'
assert box.stats(stream=False)['memory_stats']['limit'] == 64 * 1024 * 1024
assert 'sleep' in str(box.top())
box.stop(timeout=0)
assert box.wait()['StatusCode'] == 137
box.remove(); network.remove(); volume.remove()
image = client.images.get('busybox')
assert image.tag('pytag', '1')
saved = b''.join(client.images.get('pytag:1').save(named='pytag:1'))
client.images.remove('pytag:1')
assert [i.tags for i in client.images.load(saved)]
client.images.remove('pytag:1')
print('all fine')
`;

test('docker-py: containers, exec, archives, networks, volumes, images and its error types', async () => {
  const result = await engine.run(['/usr/bin/python3', '-W', 'ignore', '-c', SCRIPT]);
  assert.equal(result.text, 'all fine', result.stderr);
});
