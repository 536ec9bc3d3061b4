import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { hostPath } from '@slipway/base';
import fc from 'fast-check';
import { lookupUser, parseGroups, parsePasswd } from './user.ts';

describe('looking up a user in an image', () => {
  let root: string;
  const look = (user: string, groups: string[] = []) => lookupUser(hostPath(root), user, groups);

  before(() => {
    root = mkdtempSync('/tmp/slipway-runtime-user-');
    mkdirSync(join(root, 'etc'));
    writeFileSync(
      join(root, 'etc/passwd'),
      'root:x:0:0:root:/root:/bin/sh\n# comment\napp:x:1000:1001::/home/app:/bin/sh\nbroken\n',
    );
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\napp:x:1001:\nvideo:x:44:app,other\nwheel:x:10:app\n');
  });
  after(() => rmSync(root, { recursive: true }));

  test('nobody named is root', async () => {
    assert.deepEqual(await look(''), { uid: 0, gid: 0, additionalGids: [0], home: '/root' });
  });

  test('a name brings its group and those that list it', async () => {
    assert.deepEqual(await look('app'), {
      uid: 1000,
      gid: 1001,
      additionalGids: [1001, 44, 10],
      home: '/home/app',
    });
  });

  test('a number that is listed is that user, another is taken as it is', async () => {
    assert.deepEqual((await look('1000')).gid, 1001);
    assert.deepEqual(await look('4242'), { uid: 4242, gid: 0, additionalGids: [0], home: '/' });
    assert.deepEqual(await look('4242:77'), { uid: 4242, gid: 77, additionalGids: [77], home: '/' });
  });

  test('a group that is named replaces the others; added ones come on top', async () => {
    assert.deepEqual(await look('app:video', ['wheel', '99']), {
      uid: 1000,
      gid: 44,
      additionalGids: [44, 10, 99],
      home: '/home/app',
    });
  });

  test("who is not there is refused in docker's words", async () => {
    await assert.rejects(
      look('foo'),
      /^SlipwayError: unable to find user foo: no matching entries in passwd file$/,
    );
    await assert.rejects(look('app:foo'), /unable to find group foo: no matching entries in group file/);
    await assert.rejects(look('app', ['foo']), /unable to find group foo/);
    await assert.rejects(look('4294967296'), /uids and gids must be in range/);
  });

  test("a link in the image is followed inside the image, never to the host's files", async () => {
    rmSync(join(root, 'etc/passwd'));
    symlinkSync('../../../../../../etc/passwd.real', join(root, 'etc/passwd'));
    writeFileSync(join(root, 'etc/passwd.real'), 'inside:x:7:7::/:/bin/sh\n');
    assert.equal((await look('inside')).uid, 7);
    await assert.rejects(look('daemon'), /unable to find user/);
  });

  test('no text breaks the parsers', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const { uid } of parsePasswd(text)) assert.ok(Number.isInteger(uid));
        for (const { gid } of parseGroups(text)) assert.ok(Number.isInteger(gid));
      }),
    );
  });
});
