import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { openTestClient, sendBytes, startRegistry, startServer } from './testing.ts';
import { issueCertificates, temporaryFolder } from './testing-tls.ts';

const https = process.getBuiltinModule('node:https');
const manifest = Buffer.from('{"schemaVersion":2,"layers":[]}');
const mediaType = 'application/vnd.oci.image.manifest.v1+json';

test('requests go through the proxy of the environment, those to insecure registries do not', async () => {
  await using folder = await temporaryFolder();
  const { ca, cert, key } = await issueCertificates(folder.path);
  await using secure = await startServer(
    (request, response) => sendBytes(request, response, manifest, { 'content-type': mediaType }, ''),
    (listener) => https.createServer({ cert, key }, listener),
  );
  await using proxy = await startServer((request, response) => {
    proxied.push(request.url ?? '');
    sendBytes(request, response, manifest, { 'content-type': mediaType }, '');
  });
  const proxied: string[] = [];
  proxy.server.on('connect', (request, socket) => {
    proxied.push(`CONNECT ${request.url}`);
    const [host = '', port = ''] = (request.url ?? '').split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  await using direct = await startRegistry();
  direct.addManifest('a/b', 'v1', manifest);
  const proxyEnv = { HTTP_PROXY: `http://${proxy.host}`, HTTPS_PROXY: `http://${proxy.host}` };
  await using client = openTestClient({
    proxyEnv,
    findEndpoints: async (domain) => {
      const own = { isMirror: false, ca: [ca] };
      if (domain === 'tls') return [{ ...own, url: `https://${secure.host}`, insecure: false }];
      if (domain === 'plain') return [{ ...own, url: 'http://plain.example', insecure: false }];
      return [{ ...own, url: `https://${direct.host}`, insecure: true }];
    },
  });
  for (const domain of ['tls', 'plain', 'direct']) {
    const { bytes } = await client.repository({ domain, path: 'a/b' }).getManifest('v1');
    assert.ok(bytes.equals(manifest), domain);
  }
  assert.deepEqual(proxied, [`CONNECT ${secure.host}`, 'http://plain.example/v2/a/b/manifests/v1']);
});
