import { SlipwayError } from '@slipway/base';

/** What is to be said about what is built. */
export interface AttestationRequest {
  readonly provenance: ProvenanceRequest | undefined;
  /** A bill of materials. */
  readonly sbom: boolean;
}

export interface ProvenanceRequest {
  /** `max` tells of arguments, secrets' names and every step. */
  readonly mode: 'min' | 'max';
  readonly version: 'v0.2' | 'v1';
  readonly builderId: string;
  readonly isReproducible: boolean;
  /** Only where an image goes to a registry or an archive: nobody has asked for it by name. */
  readonly inlineOnly: boolean;
}

export const NO_ATTESTATIONS: AttestationRequest = { provenance: undefined, sbom: false };

/**
 * Reads `attest:provenance` and `attest:sbom` of a frontend's options.
 * @throws InvalidArgument for a value that is not known; NotImplemented for a generator of one's own, other kinds
 * @see https://github.com/moby/buildkit/blob/master/docs/attestations/README.md
 */
export function parseAttestations(given: Readonly<Record<string, string>>): AttestationRequest {
  const other = Object.keys(given).find(
    (key) => key.startsWith('attest:') && key !== 'attest:provenance' && key !== 'attest:sbom',
  );
  if (other !== undefined) {
    const kind = other.slice('attest:'.length);
    throw new SlipwayError(
      'NotImplemented',
      `attestation type ${kind} is not supported: use provenance or sbom`,
    );
  }
  return {
    provenance: parseProvenance(given['attest:provenance']),
    sbom: parseSbom(given['attest:sbom']),
  };
}

function parseProvenance(text: string | undefined): ProvenanceRequest | undefined {
  const fields = fieldsOf(text);
  if (fields === undefined) return undefined;
  const { mode = 'max', version = 'v0.2' } = fields;
  if (mode !== 'min' && mode !== 'max') {
    throw new SlipwayError('InvalidArgument', `provenance mode=${mode} is not known: use min or max`);
  }
  if (version !== 'v0.2' && version !== 'v1') {
    throw new SlipwayError('InvalidArgument', `provenance version=${version} is not known: use v0.2 or v1`);
  }
  return {
    mode,
    version,
    builderId: fields['builder-id'] ?? '',
    isReproducible: fields.reproducible === 'true',
    inlineOnly: fields['inline-only'] === 'true',
  };
}

function parseSbom(text: string | undefined): boolean {
  const fields = fieldsOf(text);
  if (fields?.generator) {
    throw new SlipwayError(
      'NotImplemented',
      `sbom generator=${fields.generator} is not run: leave generator out, the engine reads the packages itself`,
    );
  }
  return fields !== undefined;
}

/** `mode=min,inline-only=true`, quoted where a value has a comma; undefined for what is not asked for. */
function fieldsOf(text: string | undefined): Readonly<Record<string, string>> | undefined {
  if (text === undefined) return undefined;
  const fields: Record<string, string> = {};
  for (const [, quoted, plain = ''] of text.matchAll(/"((?:[^"]|"")*)"|([^,]+)/g)) {
    const field = quoted?.replaceAll('""', '"') ?? plain;
    const equals = field.indexOf('=');
    if (equals === -1) fields[field.trim()] = '';
    else fields[field.slice(0, equals).trim()] = field.slice(equals + 1).trim();
  }
  return fields.disabled === 'true' ? undefined : fields;
}
