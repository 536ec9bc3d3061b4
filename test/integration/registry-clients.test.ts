import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { runCommand } from './harness/command.ts';
import { busyboxArchive } from './harness/images.ts';
import { peers, without } from './harness/peers.ts';
import { RegistryClients } from './harness/registry-clients.ts';
import { useEngine } from './harness/suite.ts';

const LOGIN = { name: 'ada', password: 'of ada, long' };
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const PLAIN = ['--src-tls-verify=false', '--dest-tls-verify=false'] as const;

interface Manifest {
  readonly mediaType: string;
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly mediaType: string; readonly digest: string }[];
}

for (const guarded of [false, true]) {
  const engine = await useEngine({ port: 'free' });
  const clients = new RegistryClients(engine);
  const registry = `127.0.0.1:${engine.port}`;
  const must = clients.must.bind(clients);
  const rawManifest = async (name: string) => JSON.parse(await must('crane', 'manifest', name)) as Manifest;

  describe(`the registry ${guarded ? 'with' : 'without'} accounts`, () => {
    before(async () => {
      await mkdir(join(engine.root, 'docker-config'));
      await writeFile(join(engine.root, 'docker-config/config.json'), '{}');
      if (guarded) {
        const { name, password } = LOGIN;
        const add = ['registry', 'users', 'add', '--admin', '--password-stdin', name];
        const script = ['script/slipway', ...add];
        const added = await runCommand(script, { env: engine.env, input: password });
        assert.equal(added.code, 0, added.stderr);
        const login = ['login', '-u', name, '--password-stdin', registry];
        const done = await engine.dockerWith({ input: password }, ...login);
        assert.equal(done.code, 0, done.stderr);
      }
      await must('docker', 'tag', 'busybox', `${registry}/base:1`);
      await must('docker', 'push', `${registry}/base:1`);
    });

    test('what docker pushes it can pull again, also when the engine has nothing of it', async () => {
      const name = `${registry}/docker/app:1`;
      await must('docker', 'tag', 'busybox', name);
      const pushed = await must('docker', 'push', name);
      const digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed)?.[1];
      assert.equal(await must('crane', 'digest', name), digest);
      await must('docker', 'rmi', name);
      await must('docker', 'pull', '-q', name);
      const id = await must('docker', 'inspect', '-f', '{{.Id}}', name);
      assert.equal(id, await must('docker', 'inspect', '-f', '{{.Id}}', 'busybox'));
      assert.match(
        await must('docker', 'search', `${registry}/app`),
        new RegExp(`^${registry}/docker/app `, 'm'),
      );
    });

    test('docker puts images together under one name', async () => {
      const name = `${registry}/docker/multi:1`;
      await must('docker', 'manifest', 'create', '--insecure', name, `${registry}/base:1`);
      const annotate = ['--os', 'linux', '--arch', 'arm64', '--variant', 'v8'];
      await must('docker', 'manifest', 'annotate', ...annotate, name, `${registry}/base:1`);
      const pushed = await must('docker', 'manifest', 'push', '--insecure', name);
      assert.equal(await must('crane', 'digest', name), pushed.split('\n').at(-1));
      const platforms = await must('docker', 'manifest', 'inspect', '--insecure', name);
      assert.match(platforms, /"architecture": "arm64"/);
      assert.equal(
        await must('crane', 'digest', '--platform', 'linux/arm64/v8', name),
        await must('crane', 'digest', `${registry}/base:1`),
      );
    });

    for (const [format, mediaType] of [
      ['v2s2', DOCKER_MANIFEST],
      ['oci', OCI_MANIFEST],
    ] as const) {
      test(`skopeo copies into the registry and out of it as ${format}, byte for byte`, {
        skip: without('skopeo'),
      }, async () => {
        const name = `docker://${registry}/skopeo/app:${format}`;
        const archive = `docker-archive:${await busyboxArchive()}`;
        await must('skopeo', 'copy', '--dest-tls-verify=false', '--format', format, archive, name);
        const folder = join(engine.root, format);
        await must('skopeo', 'copy', '--src-tls-verify=false', '--preserve-digests', name, `dir:${folder}`);
        const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as Manifest;
        assert.equal(manifest.mediaType, mediaType);
        for (const { digest } of [manifest.config, ...manifest.layers]) {
          const { text } = await runCommand(['sha256sum', join(folder, digest.slice('sha256:'.length))]);
          assert.equal(`sha256:${text.split(' ')[0]}`, digest);
        }
        const tags = JSON.parse(
          await must('skopeo', 'list-tags', '--tls-verify=false', name.replace(/:[^:]*$/, '')),
        );
        assert.ok(tags.Tags.includes(format));
      });
    }

    test('what skopeo pushes with zstd runs, though docker never saw it', {
      skip: without('skopeo'),
    }, async () => {
      const name = `${registry}/skopeo/zstd:1`;
      const layout = `oci:${join(engine.root, 'zstd')}:1`;
      const archive = `docker-archive:${await busyboxArchive()}`;
      await must('skopeo', 'copy', '--dest-compress-format', 'zstd', archive, layout);
      // Else skopeo takes the layer that it knows to be there in another compression.
      const exactly = ['--dest-tls-verify=false', '--preserve-digests'];
      await must('skopeo', 'copy', ...exactly, layout, `docker://${name}`);
      assert.match((await rawManifest(name)).layers[0]?.mediaType ?? '', /\+zstd$/);
      assert.equal(
        await must('docker', 'run', '--rm', '--pull=always', '-q', name, 'echo', 'it runs'),
        'it runs',
      );
    });

    test('skopeo deletes an image', { skip: without('skopeo') }, async () => {
      const name = `docker://${registry}/skopeo/gone:1`;
      await must('skopeo', 'copy', ...PLAIN, `docker://${registry}/base:1`, name);
      await must('skopeo', 'delete', '--tls-verify=false', name);
      assert.match(
        (await clients.run('skopeo', 'inspect', '--tls-verify=false', name)).stderr,
        /manifest unknown/,
      );
    });

    test('crane pulls, pushes, copies, lists, changes and deletes', { skip: without('crane') }, async () => {
      const name = `${registry}/crane/app`;
      await must('crane', 'copy', `${registry}/base:1`, `${name}:copied`);
      await must('crane', 'pull', '--format=oci', `${name}:copied`, join(engine.root, 'crane-oci'));
      await must('crane', 'push', join(engine.root, 'crane-oci'), `${name}:pushed`);
      assert.equal(
        await must('crane', 'digest', `${name}:pushed`),
        await must('crane', 'digest', `${name}:copied`),
      );
      await must('crane', 'mutate', `${name}:copied`, '-l', 'made=by-crane', '-t', `${name}:changed`);
      await writeFile(join(engine.root, 'added.txt'), 'added by crane');
      await runCommand(['tar', '-C', engine.root, '-czf', join(engine.root, 'added.tgz'), 'added.txt']);
      await must(
        'crane',
        'append',
        '-b',
        `${name}:changed`,
        '-f',
        join(engine.root, 'added.tgz'),
        '-t',
        `${name}:more`,
      );
      assert.deepEqual((await must('crane', 'ls', name)).split('\n').sort(), [
        'changed',
        'copied',
        'more',
        'pushed',
      ]);
      const read = ['run', '--rm', '-q', `${name}:more`, 'cat', '/added.txt'];
      assert.equal(await must('docker', ...read), 'added by crane');
      const digest = await must('crane', 'digest', `${name}:changed`);
      await must('crane', 'delete', `${name}@${digest}`);
      assert.deepEqual((await must('crane', 'ls', name)).split('\n').sort(), ['copied', 'more', 'pushed']);
      assert.match(await must('crane', 'catalog', registry), /^crane\/app$/m);
    });

    test('oras pushes, pulls and attaches artifacts, and finds them again', {
      skip: without('oras'),
    }, async () => {
      const artifact = `${registry}/oras/artifact:1`;
      await writeFile(join(engine.root, 'notes.txt'), 'some notes');
      const type = ['--artifact-type', 'application/vnd.test.notes'];
      await must('oras', 'push', '--plain-http', ...type, artifact, 'notes.txt:text/plain');
      await must('oras', 'pull', '--plain-http', '-o', 'pulled', artifact);
      assert.equal(await readFile(join(engine.root, 'pulled/notes.txt'), 'utf8'), 'some notes');
      const image = `${registry}/oras/image:1`;
      await must('oras', 'copy', '--from-plain-http', '--to-plain-http', `${registry}/base:1`, image);
      await must('oras', 'attach', '--plain-http', ...type, image, 'notes.txt');
      const attached = { reference: image, type: 'application/vnd.test.notes' };
      const discover = ['discover', '--plain-http', '--format', 'json'];
      const found = JSON.parse(await must('oras', ...discover, '--artifact-type', attached.type, image));
      assert.deepEqual(
        found.referrers.map(({ artifactType }: { artifactType: string }) => artifactType),
        [attached.type],
      );
      const other = await must('oras', ...discover, '--artifact-type', 'application/other', image);
      assert.deepEqual(JSON.parse(other).referrers, []);
      await must(
        'oras',
        'copy',
        '-r',
        '--from-plain-http',
        '--to-plain-http',
        image,
        `${registry}/oras/moved:1`,
      );
      const moved = JSON.parse(await must('oras', ...discover, `${registry}/oras/moved:1`));
      assert.equal(moved.referrers.length, 1, 'what is attached goes along with oras copy -r');
    });

    test('cosign signs, attests and verifies, without a transparency log', {
      skip: without('cosign'),
    }, async () => {
      const image = `${registry}/cosign/app`;
      await must('crane', 'copy', `${registry}/base:1`, `${image}:1`);
      const digest = await must('crane', 'digest', `${image}:1`);
      await must('cosign', 'generate-key-pair');
      const sign = ['--key', 'cosign.key', '--tlog-upload=false', '--use-signing-config=false', '--yes'];
      const verify = ['--key', 'cosign.pub', '--insecure-ignore-tlog=true'];
      const unsigned = await clients.run('cosign', 'verify', ...verify, `${image}:1`);
      assert.notEqual(unsigned.code, 0, 'nothing is signed yet');
      await must('cosign', 'sign', ...sign, `${image}@${digest}`);
      assert.match(await must('cosign', 'verify', ...verify, `${image}:1`), new RegExp(digest));
      await writeFile(join(engine.root, 'sbom.json'), '{"spdxVersion":"SPDX-2.3"}');
      const sbom = ['--type', 'spdxjson', '--predicate', 'sbom.json'];
      await must('cosign', 'attest', ...sign, ...sbom, `${image}@${digest}`);
      await must('cosign', 'verify-attestation', ...verify, '--type', 'spdxjson', `${image}:1`);
      await must('cosign', 'attach', 'sbom', '--sbom', 'sbom.json', `${image}@${digest}`);
      const tree = await must('cosign', 'tree', `${image}:1`);
      assert.match(tree, /cosign\/sign\/v1 artifacts via OCI referrer/);
      assert.match(tree, /SBOMs for an image tag/);
    });

    if (guarded) {
      test('nobody gets in without a login, and after docker logout neither does docker', async () => {
        const anonymous = {
          ...clients.env,
          DOCKER_CONFIG: join(engine.root, 'nobody'),
          REGISTRY_AUTH_FILE: '/dev/null',
        };
        const digest = await engine.run([peers.crane as string, 'digest', `${registry}/base:1`], {
          env: anonymous,
        });
        assert.match(digest.stderr, /UNAUTHORIZED/);
        const wrong = ['login', '-u', LOGIN.name, '--password-stdin', registry];
        assert.match((await engine.dockerWith({ input: 'not this one' }, ...wrong)).stderr, /unauthorized/i);
        await must('docker', 'logout', registry);
        const { code, stderr } = await clients.run('docker', 'pull', `${registry}/base:1`);
        assert.deepEqual([code, /pull access denied/.test(stderr)], [1, true], stderr);
        await engine.dockerWith({ input: LOGIN.password }, ...wrong);
        await must('docker', 'pull', `${registry}/base:1`);
      });
    }
  });
}
