import { createHash } from 'node:crypto';
import { isSpdxExpression } from './license.ts';
import type { FoundPackage } from './package.ts';
import type { SbomSubject } from './subject.ts';

const DOCUMENT = 'SPDXRef-DOCUMENT';
const IMAGE = 'SPDXRef-Image';
const SYSTEM = 'SPDXRef-OperatingSystem';
const UNKNOWN = 'NOASSERTION';

/** SPDX 2.3 in JSON. @see https://spdx.github.io/spdx-spec/v2.3/ */
export function toSpdx({ image, inventory, createdAtMs }: SbomSubject): string {
  const { packages, system, unread } = inventory;
  const created = new Date(createdAtMs).toISOString().replace(/\.\d+Z$/, 'Z');
  const extracted = new Map<string, string>();
  const contained = [
    ...(system === undefined
      ? []
      : [
          {
            ...common(SYSTEM, system.id),
            ...(system.versionId === undefined ? {} : { versionInfo: system.versionId }),
            ...(system.prettyName === undefined ? {} : { summary: system.prettyName }),
            primaryPackagePurpose: 'OPERATING-SYSTEM',
          },
        ]),
    ...packages.map((found) => toPackage(found, extracted)),
  ];
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: DOCUMENT,
    name: image.name,
    // Names this document and no other; nothing needs to be there.
    documentNamespace: `https://spdx.org/spdxdocs/slipway-${image.id.replace(':', '-')}-${createdAtMs}`,
    creationInfo: { created, creators: ['Tool: slipway'] },
    ...(unread.length === 0 ? {} : { comment: `Not read: ${unread.join('; ')}` }),
    packages: [
      {
        ...common(IMAGE, image.name),
        versionInfo: image.id,
        primaryPackagePurpose: 'CONTAINER',
        ...(image.purl === undefined ? {} : { externalRefs: [purlReference(image.purl)] }),
      },
      ...contained,
    ],
    ...(extracted.size === 0 ? {} : { hasExtractedLicensingInfos: extractedLicenses(extracted) }),
    relationships: [
      { spdxElementId: DOCUMENT, relationshipType: 'DESCRIBES', relatedSpdxElement: IMAGE },
      ...contained.map(({ SPDXID }) => ({
        spdxElementId: IMAGE,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
  return JSON.stringify(document, undefined, 2);
}

function toPackage(found: FoundPackage, extracted: Map<string, string>) {
  const { type, namespace, name, version, purl, licenses, locations, description } = found;
  const hash = createHash('sha256').update(purl).digest('hex').slice(0, 16);
  const readable = `${type}-${name}`.replace(/[^A-Za-z0-9.-]/g, '-');
  return {
    ...common(`SPDXRef-Package-${readable}-${hash}`, namespace === undefined ? name : `${namespace}/${name}`),
    versionInfo: version,
    ...(description === undefined ? {} : { summary: description }),
    licenseDeclared: licenseDeclared(licenses, extracted),
    sourceInfo: locations.map(({ path, diffId }) => `${path} in layer ${diffId}`).join('; '),
    externalRefs: [purlReference(purl)],
  };
}

const common = (SPDXID: string, name: string) => ({
  SPDXID,
  name,
  downloadLocation: UNKNOWN,
  filesAnalyzed: false,
  licenseConcluded: UNKNOWN,
  licenseDeclared: UNKNOWN,
  copyrightText: UNKNOWN,
});

const purlReference = (purl: string) => ({
  referenceCategory: 'PACKAGE-MANAGER',
  referenceType: 'purl',
  referenceLocator: purl,
});

/** All that were declared hold; what SPDX does not know becomes a reference of this document. */
function licenseDeclared(licenses: readonly string[], extracted: Map<string, string>): string {
  const terms = licenses.map((text) => {
    if (isSpdxExpression(text)) return licenses.length > 1 && /\s/.test(text) ? `(${text})` : text;
    const id = licenseReference(text);
    extracted.set(id, text);
    return id;
  });
  return terms.length === 0 ? UNKNOWN : [...new Set(terms)].join(' AND ');
}

/** Readable, and another one for every other text. */
function licenseReference(text: string): string {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 8);
  const readable = text.replace(/[^A-Za-z0-9.-]+/g, '-').slice(0, 60);
  return `LicenseRef-${readable}-${hash}`;
}

const extractedLicenses = (extracted: ReadonlyMap<string, string>) =>
  [...extracted].map(([licenseId, text]) => ({
    licenseId,
    name: text,
    extractedText: `The package declares: ${text}`,
  }));
