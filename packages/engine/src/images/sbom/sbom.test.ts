import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { computeDigest } from '@slipway/oci';
import { configOf, load, openImages, tarOf } from '../testing.ts';
import { isSpdxExpression } from './license.ts';

type Files = Parameters<typeof tarOf>[0];

const dpkg = (...packages: readonly (readonly [name: string, version: string, status?: string])[]) =>
  packages
    .map(
      ([name, version, status = 'install ok installed']) =>
        `Package: ${name}\nStatus: ${status}\nArchitecture: amd64\nVersion: ${version}\nDescription: what it is\n more of it\n`,
    )
    .join('\n');

const manifest = (name: string, version: string, more: object = {}) =>
  JSON.stringify({ name, version, ...more });

/** An image of these layers, bottom to top, loaded as docker would. */
async function open(t: TestContext, ...layers: readonly Files[]) {
  const { images } = await openImages(t);
  const tars = await Promise.all(layers.map((files) => tarOf(files)));
  const diffIds = tars.map((tar) => computeDigest(tar));
  const config = configOf(diffIds);
  const names = tars.map((_, index) => `${index}/layer.tar`);
  const archive = await tarOf([
    ...tars.map((tar, index) => [names[index] as string, tar] as const),
    [config.name, config.text],
    ['manifest.json', JSON.stringify([{ Config: config.name, RepoTags: ['team/app:1'], Layers: names }])],
  ]);
  await load(images, [archive]);
  const read = async (format: string) =>
    JSON.parse((await images.sbom('team/app:1', { format })).text) as unknown;
  return { images, diffIds, cyclonedx: async () => (await read('cyclonedx-json')) as CycloneDx, read };
}

interface CycloneDx {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly serialNumber: string;
  readonly metadata: {
    readonly component: { readonly type: string; readonly name: string; readonly purl?: string };
    readonly properties?: readonly { readonly name: string; readonly value: string }[];
  };
  readonly components: readonly {
    readonly type: string;
    readonly name: string;
    readonly group?: string;
    readonly purl?: string;
    readonly 'bom-ref': string;
    readonly licenses?: readonly object[];
    readonly properties?: readonly { readonly name: string; readonly value: string }[];
  }[];
}

const purls = ({ components }: CycloneDx) => components.flatMap(({ purl }) => purl ?? []);

const property = ({ components }: CycloneDx, purl: string, name: string) =>
  components
    .find((component) => component.purl === purl)
    ?.properties?.filter((one) => one.name === `slipway:${name}`)
    .map(({ value }) => value);

test('packages of every manager are found, with the system that they are of', async (t) => {
  const { cyclonedx } = await open(t, [
    ['etc/os-release', { link: '../usr/lib/os-release' }],
    ['usr/lib/os-release', 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'],
    ['var/lib/dpkg/status', dpkg(['bash', '5.2.15-2+b7'], ['gone', '1', 'deinstall ok config-files'])],
    ['var/lib/dpkg/status.d/tzdata', 'Package: tzdata\nVersion: 2024a\nArchitecture: all\n'],
    ['var/lib/dpkg/status.d/tzdata.md5sums', 'Package: not\nVersion: 1\n'],
    [
      'lib/apk/db/installed',
      'C:Q1\nP:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\n\nP:zlib\nV:1.3-r0\nA:x86_64\nL:Zlib\n',
    ],
    ['usr/lib/node_modules/npm/package.json', manifest('npm', '10.0.0')],
    ['usr/lib/node_modules/npm/lib/package.json', manifest('inner-part', '1.0.0')],
    ['usr/lib/node_modules/npm/node_modules/@npmcli/fs/package.json', manifest('@npmcli/fs', '3.1.0')],
    ['app/node_modules/.package-lock.json', '{}'],
    ['usr/lib/python3/dist-packages/Flask_Login-0.6.dist-info/METADATA', 'Name: Flask_Login\nVersion: 0.6\n'],
    ['usr/lib/python3/dist-packages/six.egg-info/PKG-INFO', 'Name: six\nVersion: 1.16.0\n\nName: other\n'],
    ['proc/node_modules/x/package.json', manifest('x', '1')],
  ]);
  const sbom = await cyclonedx();
  assert.deepEqual(purls(sbom).sort(), [
    'pkg:apk/debian/musl@1.2.4-r2?arch=x86_64&distro=debian-12',
    'pkg:apk/debian/zlib@1.3-r0?arch=x86_64&distro=debian-12',
    'pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=amd64&distro=debian-12',
    'pkg:deb/debian/tzdata@2024a?arch=all&distro=debian-12',
    'pkg:npm/%40npmcli/fs@3.1.0',
    'pkg:npm/npm@10.0.0',
    'pkg:pypi/flask-login@0.6',
    'pkg:pypi/six@1.16.0',
  ]);
  assert.deepEqual(
    sbom.components.filter(({ type }) => type === 'operating-system').map(({ name }) => name),
    ['debian'],
  );
  assert.deepEqual([sbom.bomFormat, sbom.specVersion], ['CycloneDX', '1.6']);
  assert.equal(sbom.metadata.component.type, 'container');
  assert.match(
    sbom.metadata.component.purl ?? '',
    /^pkg:oci\/app@sha256(?::|%3A)[0-9a-f]{64}\?repository_url=/,
  );
});

test('each package is the layer’s that brought it, though a later one wrote the list again', async (t) => {
  const { cyclonedx, diffIds } = await open(
    t,
    [['var/lib/dpkg/status', dpkg(['bash', '1'], ['old', '1'], ['again', '1'])]],
    [['var/lib/dpkg/status', dpkg(['bash', '1'], ['curl', '1'], ['old', '2'])]],
    [['var/lib/dpkg/status', dpkg(['bash', '1'], ['curl', '1'], ['old', '2'], ['again', '1'])]],
  );
  const sbom = await cyclonedx();
  const layerOf = (name: string, version: string) =>
    property(sbom, `pkg:deb/debian/${name}@${version}?arch=amd64`, 'layer');
  assert.deepEqual(layerOf('bash', '1'), [diffIds[0]]);
  assert.deepEqual(layerOf('curl', '1'), [diffIds[1]]);
  assert.deepEqual(layerOf('old', '2'), [diffIds[1]]);
  assert.deepEqual(layerOf('again', '1'), [diffIds[2]]);
  assert.equal(purls(sbom).length, 4);
});

test('what a higher layer deletes, replaces or covers is not there', async (t) => {
  const { cyclonedx } = await open(
    t,
    [
      ['a/node_modules/deleted/package.json', manifest('deleted', '1')],
      ['a/node_modules/replaced/package.json', manifest('replaced', '1')],
      ['b/node_modules/covered/package.json', manifest('covered', '1')],
      ['c/node_modules/under-file/package.json', manifest('under-file', '1')],
      ['d/node_modules/kept/package.json', manifest('kept', '1')],
    ],
    [
      ['a/node_modules/.wh.deleted', ''],
      ['a/node_modules/replaced/package.json', manifest('replaced', '2')],
      ['b/.wh..wh..opq', ''],
      ['b/node_modules/above/package.json', manifest('above', '1')],
      ['c', 'a file now'],
      ['d/node_modules/added/package.json', manifest('added', '1')],
    ],
    [['d/other', 'x']],
  );
  assert.deepEqual(purls(await cyclonedx()).sort(), [
    'pkg:npm/above@1',
    'pkg:npm/added@1',
    'pkg:npm/kept@1',
    'pkg:npm/replaced@2',
  ]);
});

test('a link leads nowhere, least of all out of the image', async (t) => {
  const { cyclonedx } = await open(t, [
    ['etc/os-release', { link: '/etc/os-release' }],
    ['var/lib/dpkg/status', { link: '/var/lib/dpkg/status' }],
    ['app/node_modules/host', { link: '../../../../../../../../../../usr/lib/node_modules/npm' }],
    ['usr', { link: '/usr' }],
    ['var/lib/node_modules', { link: '/work/main/node_modules' }],
  ]);
  assert.deepEqual((await cyclonedx()).components ?? [], []);
});

test('one package at several places is one component that names them', async (t) => {
  const { cyclonedx } = await open(t, [
    ['a/node_modules/x/package.json', manifest('x', '1')],
    ['b/node_modules/x/package.json', manifest('x', '1')],
  ]);
  const sbom = await cyclonedx();
  assert.deepEqual(property(sbom, 'pkg:npm/x@1', 'path')?.sort(), [
    '/a/node_modules/x/package.json',
    '/b/node_modules/x/package.json',
  ]);
  assert.equal(sbom.components.length, 1);
});

test('a file that cannot be read is told, and hides no other package', async (t) => {
  const { cyclonedx } = await open(t, [
    ['node_modules/broken/package.json', '{"name":'],
    ['node_modules/null/package.json', 'null'],
    ['node_modules/odd/package.json', manifest('odd', '1', { license: { type: 7 }, licenses: 'MIT' })],
    ['node_modules/large/package.json', Buffer.alloc((4 << 20) + 1, ' ')],
    ['node_modules/fine/package.json', manifest('fine', '1')],
  ]);
  const sbom = await cyclonedx();
  assert.deepEqual(purls(sbom).sort(), ['pkg:npm/fine@1', 'pkg:npm/odd@1']);
  const unread = (sbom.metadata.properties ?? []).map(({ value }) => value.replace(/:.*/, ''));
  assert.deepEqual(unread.sort(), ['/node_modules/broken/package.json', '/node_modules/large/package.json']);
});

test('a hostile list of packages takes no longer than its size', async (t) => {
  const blanks = ' '.repeat(2 << 20);
  const same = Array.from({ length: 20_000 }, () => 'P:same\nV:1\n').join('\n');
  const { cyclonedx } = await open(t, [
    ['var/lib/dpkg/status', `Package: a${blanks}x\nVersion: 1\n\n${dpkg(['b', '1'])}`],
    ['x.dist-info/METADATA', `Name: p\nVersion: 1\nLicense:${blanks}x\n`],
    ['lib/apk/db/installed', same],
    ['node_modules/l/package.json', manifest('l', '1', { license: 'M'.repeat(2_000) })],
  ]);
  const before = process.cpuUsage();
  const sbom = await cyclonedx();
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 5_000_000, `it took ${(user + system) / 1e6} s of CPU`);
  assert.deepEqual(purls(sbom).sort(), [
    'pkg:apk/alpine/same@1',
    'pkg:deb/debian/b@1?arch=amd64',
    'pkg:npm/l@1',
    'pkg:pypi/p@1',
  ]);
  assert.equal(sbom.metadata.properties?.length, 2);
});

test('licences are told as they were declared', async (t) => {
  const { cyclonedx } = await open(t, [
    ['var/lib/dpkg/status', dpkg(['bash', '1'], ['prose', '1'])],
    [
      'usr/share/doc/bash/copyright',
      'Format: https://www.debian.org/doc/x\n\nFiles: *\nLicense: GPL-3+\n text\n\nFiles: a\nLicense: Expat\n\nFiles: b\nLicense: GPL-9\n\nFiles: c\nLicense: BSD-3-clause\n',
    ],
    ['usr/share/doc/prose/copyright', 'This is free software.\nLicense: none of it\n'],
    ['lib/apk/db/installed', 'P:both\nV:1\nL:GPL-2.0-only AND (MIT OR Zlib)\n'],
    ['node_modules/old/package.json', manifest('old', '1', { licenses: [{ type: 'MIT' }, { type: 'ISC' }] })],
    [
      'p.dist-info/METADATA',
      'Name: p\nVersion: 1\nLicense: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n',
    ],
    ['q.dist-info/METADATA', 'Name: q\nVersion: 1\nLicense-Expression: Apache-2.0\nLicense: other\n'],
  ]);
  const { components } = await cyclonedx();
  const licensesOf = (name: string) => components.find((one) => one.name === name)?.licenses;
  assert.deepEqual(licensesOf('bash'), [
    { license: { name: 'GPL-9' } },
    { license: { id: 'BSD-3-Clause' } },
    { license: { id: 'GPL-3.0-or-later' } },
    { license: { id: 'MIT' } },
  ]);
  assert.equal(licensesOf('prose'), undefined);
  assert.deepEqual(licensesOf('both'), [{ expression: 'GPL-2.0-only AND (MIT OR Zlib)' }]);
  assert.deepEqual(licensesOf('old'), [{ license: { id: 'ISC' } }, { license: { id: 'MIT' } }]);
  assert.deepEqual(licensesOf('p'), [{ license: { name: 'MIT License' } }]);
  assert.deepEqual(licensesOf('q'), [{ license: { id: 'Apache-2.0' } }]);
});

test('an SPDX expression is one only with known licences and in balance', () => {
  for (const text of ['MIT', '(MIT OR GPL-2.0+) AND ISC', 'GPL-2.0-only WITH Classpath-exception-2.0']) {
    assert.ok(isSpdxExpression(text), text);
  }
  for (const text of [
    '',
    'GPL-2+',
    'MIT AND',
    '(MIT',
    'MIT ISC',
    'MIT/ISC',
    'MIT) OR (ISC',
    '('.repeat(1000),
  ]) {
    assert.ok(!isSpdxExpression(text), text);
  }
});

interface Spdx {
  readonly [field: string]: unknown;
  readonly packages: readonly Readonly<Record<string, unknown>>[];
  readonly relationships: readonly {
    spdxElementId: string;
    relationshipType: string;
    relatedSpdxElement: string;
  }[];
  readonly hasExtractedLicensingInfos?: readonly { licenseId: string; extractedText: string }[];
}

test('SPDX: every element is there, named once, related to the image, and every licence is one or is explained', async (t) => {
  const { read, diffIds } = await open(t, [
    ['usr/lib/os-release', 'ID=alpine\nVERSION_ID=3.19.1\n'],
    ['lib/apk/db/installed', 'P:one\nV:1\nL:MIT AND custom:thing\n\nP:two\nV:2\nL:MIT\n\nP:three\nV:3\n'],
    ['node_modules/@s/p/package.json', manifest('@s/p', '1.0.0', { license: 'SEE LICENSE IN ÄÖ.txt' })],
    ['node_modules/@s-p/x/package.json', manifest('@s-p/x', '1.0.0', { licenses: ['MIT OR ISC', 'Zlib'] })],
  ]);
  const spdx = (await read('spdx-json')) as Spdx;
  assert.deepEqual(
    [spdx.spdxVersion, spdx.dataLicense, spdx.SPDXID, spdx.name],
    ['SPDX-2.3', 'CC0-1.0', 'SPDXRef-DOCUMENT', 'team/app:1'],
  );
  assert.match(String(spdx.documentNamespace), /^https:\/\/[^#\s]+$/);
  const { created, creators } = spdx.creationInfo as { created: string; creators: string[] };
  assert.match(created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.deepEqual(creators, ['Tool: slipway']);

  const ids = spdx.packages.map(({ SPDXID }) => String(SPDXID));
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^SPDXRef-[A-Za-z0-9.-]+$/);
  assert.deepEqual(spdx.relationships[0], {
    spdxElementId: 'SPDXRef-DOCUMENT',
    relationshipType: 'DESCRIBES',
    relatedSpdxElement: 'SPDXRef-Image',
  });
  const contained = spdx.relationships.filter(({ relationshipType }) => relationshipType === 'CONTAINS');
  assert.deepEqual(
    contained.map(({ relatedSpdxElement }) => relatedSpdxElement).sort(),
    ids.filter((id) => id !== 'SPDXRef-Image').sort(),
  );
  assert.ok(contained.every(({ spdxElementId }) => spdxElementId === 'SPDXRef-Image'));

  const explained = new Set(spdx.hasExtractedLicensingInfos?.map(({ licenseId }) => licenseId));
  for (const one of spdx.packages) {
    for (const field of [
      'name',
      'downloadLocation',
      'licenseConcluded',
      'licenseDeclared',
      'copyrightText',
    ]) {
      assert.ok(typeof one[field] === 'string' && one[field] !== '', `${one.name}: ${field}`);
    }
    assert.equal(one.filesAnalyzed, false);
    const declared = String(one.licenseDeclared);
    const references = declared.match(/LicenseRef-[A-Za-z0-9.-]+/g) ?? [];
    for (const reference of references) assert.ok(explained.has(reference), `${reference} is explained`);
    const known = declared.replace(/LicenseRef-[A-Za-z0-9.-]+/g, 'MIT');
    assert.ok(known === 'NOASSERTION' || isSpdxExpression(known), `${one.name}: ${declared}`);
  }
  const named = (name: string) => spdx.packages.find((one) => one.name === name);
  assert.equal(named('@s-p/x')?.licenseDeclared, '(MIT OR ISC) AND Zlib');
  assert.equal(named('three')?.licenseDeclared, 'NOASSERTION');
  assert.equal(named('two')?.sourceInfo, `/lib/apk/db/installed in layer ${diffIds[0]}`);
  assert.deepEqual(named('two')?.externalRefs, [
    {
      referenceCategory: 'PACKAGE-MANAGER',
      referenceType: 'purl',
      referenceLocator: 'pkg:apk/alpine/two@2?distro=alpine-3.19.1',
    },
  ]);
  assert.equal(named('alpine')?.primaryPackagePurpose, 'OPERATING-SYSTEM');
});

test('another format, and an image that is not here, are refused', async (t) => {
  const { images } = await open(t, [['x', 'y']]);
  await assert.rejects(images.sbom('team/app:1', { format: 'syft' }), {
    code: 'InvalidArgument',
    message: /"syft": must be spdx-json or cyclonedx-json/,
  });
  await assert.rejects(images.sbom('other', { format: 'spdx-json' }), { code: 'NotFound' });
});
