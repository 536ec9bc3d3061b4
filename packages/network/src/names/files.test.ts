import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHosts } from './hosts-file.ts';
import { formatResolvConf, parseResolvConf } from './resolv-conf.ts';

const nothing = { nameServers: [], search: [], options: [], keepLoopback: false };

test('resolv.conf takes from the host what was not asked for, but no server on its loopback', () => {
  const hostResolvConf = `# made by hand
nameserver 127.0.0.53
nameserver 10.0.0.2 ; the office
domain old.example
search office.example example
options ndots:2 timeout:1
`;
  const fromHost = 'nameserver 10.0.0.2\nsearch office.example example\noptions ndots:2 timeout:1\n';
  assert.equal(formatResolvConf({ ...nothing, hostResolvConf }), fromHost);
  assert.match(
    formatResolvConf({ ...nothing, hostResolvConf, keepLoopback: true }),
    /^nameserver 127\.0\.0\.53\nnameserver 10\.0\.0\.2\n/,
  );
  const asked = { nameServers: ['1.2.3.4'], search: ['own'], options: ['rotate'], keepLoopback: false };
  const own = 'nameserver 1.2.3.4\nsearch own\noptions rotate\n';
  assert.equal(formatResolvConf({ ...asked, hostResolvConf }), own);
});

test('a search list of a dot means none, and a host without servers gets public ones', () => {
  assert.equal(
    formatResolvConf({ ...nothing, search: ['.'], hostResolvConf: 'search x\nnameserver ::1\n' }),
    'nameserver 8.8.8.8\nnameserver 8.8.4.4\n',
  );
});

test('what was formatted is read again', () => {
  const written = { nameServers: ['9.9.9.9', '2001:db8::1'], search: ['a.b'], options: ['ndots:0'] };
  const text = formatResolvConf({ ...written, hostResolvConf: '', keepLoopback: false });
  assert.deepEqual(parseResolvConf(text), written);
});

test('hosts has the standard names first, then the entries in their order, without those that have no name', () => {
  const text = formatHosts({
    entries: [
      { address: '10.0.0.9', names: ['db'] },
      { address: '10.0.0.8', names: [] },
      { address: '172.17.0.2', names: ['web.example', 'web'] },
    ],
  });
  assert.ok(text.startsWith('127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n'));
  assert.ok(text.endsWith('ff02::2\tip6-allrouters\n10.0.0.9\tdb\n172.17.0.2\tweb.example web\n'));
});
