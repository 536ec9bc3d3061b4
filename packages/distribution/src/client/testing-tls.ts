import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that is gone after the test. */
export async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'slipway-client-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A CA, and a certificate of it for 127.0.0.1 that serves both ends. */
export async function issueCertificates(folder: string) {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-subj', '/CN=test CA', '-keyout', 'ca.key', '-out', 'ca.pem');
  const leaf = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const issuer = ['-CA', 'ca.pem', '-CAkey', 'ca.key'];
  openssl('req', '-x509', ...key, ...leaf, ...issuer, '-keyout', 'leaf.key', '-out', 'leaf.pem');
  const read = (name: string) => readFile(join(folder, name), 'utf8');
  return { ca: await read('ca.pem'), cert: await read('leaf.pem'), key: await read('leaf.key') };
}
