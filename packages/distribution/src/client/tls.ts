import type { SecureContext } from 'node:tls';
import { errorMessage, SlipwayError } from '@slipway/base';
import type { RegistryEndpoint } from './registry.ts';

/** What an Agent needs to check the other side, and to show who we are. */
export interface TlsOptions {
  readonly rejectUnauthorized: boolean;
  readonly secureContext: SecureContext;
}

/** `isOwn`: for the endpoint itself, which alone is shown the client's certificate. */
export type CertificateSource = (isOwn: boolean) => TlsOptions;

/**
 * The system's authorities and the endpoint's own, and its client certificate.
 * @throws InvalidArgument when a certificate or key cannot be read
 */
export function openCertificateSource(endpoint: RegistryEndpoint): CertificateSource {
  return (isOwn) => {
    const tls = process.getBuiltinModule('node:tls');
    const extra = endpoint.ca ?? [];
    const certificate = isOwn ? endpoint.clientCertificate : undefined;
    const authorities = endpoint.insecure ? {} : { ca: [...systemAuthorities(), ...extra] };
    try {
      return {
        rejectUnauthorized: !endpoint.insecure,
        secureContext: tls.createSecureContext({ ...authorities, ...certificate }),
      };
    } catch (cause) {
      throw new SlipwayError(
        'InvalidArgument',
        `the certificates configured for ${endpoint.url} cannot be used: ${errorMessage(cause)}`,
        { cause },
      );
    }
  };
}

/** What the host trusts; what Node brings along where the host says nothing. */
function systemAuthorities(): readonly string[] {
  const tls = process.getBuiltinModule('node:tls');
  const system = tls.getCACertificates('system');
  return [
    ...(system.length > 0 ? system : tls.getCACertificates('bundled')),
    ...tls.getCACertificates('extra'),
  ];
}
