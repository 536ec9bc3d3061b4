import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { checkoutRoot } from '../architecture/source-files.ts';
import { without } from './harness/peers.ts';
import { onDockerd, useEngine } from './harness/suite.ts';

const engine = await useEngine();

interface Bom {
  readonly components: readonly {
    readonly name: string;
    readonly purl?: string;
    readonly properties?: readonly { readonly name: string; readonly value: string }[];
  }[];
}

/** What a package manager would have left, by hand. */
const FILES: Readonly<Record<string, string>> = {
  'etc/os-release': 'ID=alpine\nVERSION_ID=3.19.1\n',
  'lib/apk/db/installed': 'P:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\n',
  'srv/node_modules/@acme/tool/package.json': '{"name":"@acme/tool","version":"2.0.0","license":"ISC"}',
  'usr/lib/python3.11/site-packages/requests-2.31.0.dist-info/METADATA': 'Name: requests\nVersion: 2.31.0\n',
};

test('slipway image sbom tells what an imported image holds, in both formats', {
  skip: onDockerd,
}, async () => {
  const root = join(engine.root, 'rootfs');
  for (const [path, content] of Object.entries(FILES)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  const tar = join(engine.root, 'rootfs.tar');
  assert.equal((await engine.run(['tar', '-C', root, '-cf', tar, '.'])).code, 0);
  await engine.mustDocker('import', tar, 'acme:1');

  const layer = (await engine.inspect('acme:1', 'image')).RootFS.Layers[0];
  const cyclonedx = await engine.slipway('image', 'sbom', '--format', 'cyclonedx-json', 'acme:1');
  assert.equal(cyclonedx.code, 0, cyclonedx.stderr);
  const { components } = JSON.parse(cyclonedx.stdout) as Bom;
  const purls = [
    'pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine-3.19.1',
    'pkg:npm/%40acme/tool@2.0.0',
    'pkg:pypi/requests@2.31.0',
  ];
  assert.deepEqual(components.flatMap(({ purl }) => purl ?? []).sort(), purls);
  for (const { purl, properties } of components) {
    if (purl === undefined) continue;
    assert.equal(properties?.find(({ name }) => name === 'slipway:layer')?.value, layer, purl);
  }

  const spdx = await engine.slipway('image', 'sbom', 'acme:1');
  assert.equal(spdx.code, 0, spdx.stderr);
  const { spdxVersion, packages } = JSON.parse(spdx.stdout) as {
    spdxVersion: string;
    packages: { name: string; externalRefs?: { referenceLocator: string }[] }[];
  };
  assert.equal(spdxVersion, 'SPDX-2.3');
  const located = packages.flatMap(({ externalRefs = [] }) =>
    externalRefs.map(({ referenceLocator }) => referenceLocator),
  );
  assert.deepEqual(located.filter((purl) => !purl.startsWith('pkg:oci/')).sort(), purls);
});

test('the CycloneDX document of a whole distribution is what its schema allows', {
  skip: onDockerd || without('jsonschema'),
}, async () => {
  const root = join(engine.root, 'distribution');
  const licenses = { 'odd/package.json': '{"name":"odd","version":"1","license":"(MIT OR My Own)"}' };
  for (const [path, content] of Object.entries({ ...FILES, ...licenses })) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  // This machine's own, with hundreds of packages and their licences as people write them.
  const copy =
    'mkdir -p "$0/var/lib/dpkg" "$0/usr/share" && cp /var/lib/dpkg/status "$0/var/lib/dpkg/" && cp -r /usr/share/doc "$0/usr/share/"';
  assert.equal((await engine.run(['sh', '-c', copy, root])).code, 0);
  const tar = join(engine.root, 'distribution.tar');
  assert.equal((await engine.run(['tar', '-C', root, '-cf', tar, '.'])).code, 0);
  await engine.mustDocker('import', tar, 'distribution:1');
  const { stdout } = await engine.slipway('image', 'sbom', '--format', 'cyclonedx-json', 'distribution:1');
  const { components, specVersion } = JSON.parse(stdout) as Bom & { specVersion: string };
  assert.ok(components.length > 100, `${components.length} components`);
  const schemas = join(checkoutRoot, 'node_modules/@cyclonedx/cyclonedx-library/res/schema');
  const checker = join(import.meta.dirname, 'harness/check_cyclonedx.py');
  const check = (input: string) => engine.run(['/usr/bin/python3', checker, schemas, specVersion], { input });
  assert.deepEqual(await check(stdout).then(({ code, text }) => [code, text]), [0, '']);
  const broken = await check(stdout.replace('"type": "library"', '"type": "nonsense"'));
  assert.match(broken.text, /'nonsense' is not one of/, 'the check can fail');
});

test('a format that there is not, and an image that is not here, are told', { skip: onDockerd }, async () => {
  const path = '/slipway/images/busybox/sbom?format=other';
  const format = await engine.api({ path });
  assert.deepEqual([format.status, /unknown format/.test(format.text)], [400, true], format.text);
  const missing = await engine.api({ path: '/slipway/images/team/none:1/sbom' });
  assert.deepEqual([missing.status, /none:1/.test(missing.text)], [404, true], missing.text);
});
