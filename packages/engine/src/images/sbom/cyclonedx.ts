import { createHash } from 'node:crypto';
import { Enums, Models, Serialize, Spec } from '@cyclonedx/cyclonedx-library';
import { isSpdxExpression, isSpdxId } from './license.ts';
import type { FoundPackage } from './package.ts';
import type { SbomSubject } from './subject.ts';

/** CycloneDX 1.6 in JSON. @see https://cyclonedx.org/docs/1.6/json/ */
export function toCycloneDx({ image, inventory, createdAtMs }: SbomSubject): string {
  const bom = new Models.Bom({ serialNumber: serialNumber(image.id) });
  const { metadata } = bom;
  metadata.timestamp = new Date(createdAtMs);
  metadata.tools.components.add(new Models.Component(Enums.ComponentType.Application, 'slipway'));
  metadata.component = new Models.Component(Enums.ComponentType.Container, image.name, {
    bomRef: image.id,
    version: image.id,
    ...(image.purl === undefined ? {} : { purl: image.purl }),
  });
  for (const text of inventory.unread) metadata.properties.add(new Models.Property('slipway:unread', text));
  const { system } = inventory;
  if (system !== undefined) {
    bom.components.add(
      new Models.Component(Enums.ComponentType.OperatingSystem, system.id, {
        bomRef: 'operating-system',
        ...(system.versionId === undefined ? {} : { version: system.versionId }),
        ...(system.prettyName === undefined ? {} : { description: system.prettyName }),
      }),
    );
  }
  for (const found of inventory.packages) bom.components.add(toComponent(found));
  const normalizers = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
  return new Serialize.JsonSerializer(normalizers).serialize(bom, { sortLists: true, space: 2 });
}

function toComponent(found: FoundPackage): Models.Component {
  const { name, namespace, version, purl, description, licenses, locations } = found;
  const component = new Models.Component(Enums.ComponentType.Library, name, {
    bomRef: purl,
    version,
    purl,
    ...(namespace === undefined ? {} : { group: namespace }),
    ...(description === undefined ? {} : { description }),
  });
  for (const license of toLicenses(licenses)) component.licenses.add(license);
  const layers = new Set(locations.map(({ diffId }) => diffId));
  for (const diffId of layers) component.properties.add(new Models.Property('slipway:layer', diffId));
  for (const { path } of locations) component.properties.add(new Models.Property('slipway:path', path));
  return component;
}

/** One expression, or a list of single licences: CycloneDX has no list of expressions. */
function toLicenses(licenses: readonly string[]): Models.License[] {
  const [first] = licenses;
  if (licenses.length === 1 && first !== undefined && !isSpdxId(first) && isSpdxExpression(first)) {
    return [new Models.LicenseExpression(first)];
  }
  return licenses.map((text) =>
    isSpdxId(text) ? new Models.SpdxLicense(text) : new Models.NamedLicense(text),
  );
}

/** The same image has the same contents, and so the same number. */
function serialNumber(imageId: string): string {
  const hex = createHash('sha256').update(`slipway sbom ${imageId}`).digest('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`];
  return `urn:uuid:${[...parts, hex.slice(20, 32)].join('-')}`;
}
