import type { BuildSession } from '@slipway/build';
import type { Credentials } from '@slipway/distribution/client';

/** Logins that came with a request, as a build's session gives them. */
export const sessionCredentials =
  (credentials: (domain: string) => Credentials | undefined): BuildSession['credentials'] =>
  async (domain) => {
    const found = credentials(domain);
    if (found === undefined) return undefined;
    const { username = '', password = '', identityToken } = found;
    return { username, password, ...(identityToken === undefined ? {} : { identityToken }) };
  };
