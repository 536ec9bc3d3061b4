import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanFileMappings } from './memory.ts';

const block = (head: string, anonymousKb: number) =>
  `${head}\nSize: 1024 kB\nRss: 800 kB\nAnonymous: ${anonymousKb} kB\nVmFlags: rd mr mw me\n`;

test('only unmodified, read-only pages of files are forgotten: the rest could not be read again', () => {
  const smaps = [
    block('00400000-00800000 r-xp 00000000 fe:00 1234   /usr/bin/node', 0),
    block('00800000-00c00000 r--p 00400000 fe:00 1234   /usr/bin/node', 0),
    block('00c00000-01000000 r--p 00800000 fe:00 1234   /usr/bin/node', 24),
    block('01000000-01400000 rw-p 00c00000 fe:00 1234   /usr/bin/node', 0),
    block('01400000-01800000 r-xp 00000000 00:00 0 ', 0),
    block('01800000-01801000 r-xp 00000000 fe:00 77   /lib/small.so', 0),
  ].join('');
  assert.deepEqual(cleanFileMappings(smaps), [
    { address: 0x400000n, sizeBytes: 0x400000 },
    { address: 0x800000n, sizeBytes: 0x400000 },
  ]);
});
