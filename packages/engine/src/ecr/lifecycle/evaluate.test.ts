import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { evaluate, type PolicyImage } from './evaluate.ts';
import { type LifecyclePolicy, type LifecycleRule, parseLifecyclePolicy } from './policy.ts';

const DAY_MS = 24 * 3600 * 1000;
const NOW_MS = 100 * DAY_MS;

/** An image that was pushed so many days ago. */
const image = (digest: string, ageDays: number, fields: Partial<PolicyImage> = {}): PolicyImage => ({
  digest,
  tags: [],
  pushedAtMs: NOW_MS - ageDays * DAY_MS,
  manifests: [],
  subject: undefined,
  ...fields,
});

const rule = (rulePriority: number, selection: Partial<LifecycleRule['selection']>): LifecycleRule => ({
  rulePriority,
  selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 1, ...selection },
  action: { type: 'expire' },
});

const expire = (images: readonly PolicyImage[], ...rules: readonly LifecycleRule[]) =>
  evaluate({ rules: [...rules] }, images, NOW_MS).map(
    ({ image: { digest }, rulePriority }) => `${digest}:${rulePriority}`,
  );

const days = (countNumber: number) =>
  ({ countType: 'sinceImagePushed', countUnit: 'days', countNumber }) as const;

test('a count keeps the newest, and lets the others go oldest first', () => {
  const images = [image('b', 2), image('d', 4), image('a', 1), image('c', 3)];
  assert.deepEqual(expire(images, rule(1, { countNumber: 2 })), ['d:1', 'c:1']);
  assert.deepEqual(expire(images, rule(1, { countNumber: 4 })), []);
});

test('an age lets go what is older than so many days, not what is as old', () => {
  const images = [image('a', 6.9), image('b', 7), image('c', 7.1)];
  assert.deepEqual(expire(images, rule(1, days(7))), ['c:1']);
});

test('tagged and untagged images are told apart, and every prefix or pattern must fit a tag', () => {
  const images = [
    image('both', 10, { tags: ['prod-1', 'eu'] }),
    image('prod', 9, { tags: ['prod-2'] }),
    image('none', 9),
  ];
  const tagged = (lists: object) => expire(images, rule(1, { tagStatus: 'tagged', ...lists, ...days(1) }));
  assert.deepEqual(tagged({ tagPrefixList: ['prod'] }), ['both:1', 'prod:1']);
  assert.deepEqual(tagged({ tagPrefixList: ['prod', 'eu'] }), ['both:1']);
  assert.deepEqual(tagged({ tagPatternList: ['*-2'] }), ['prod:1']);
  assert.deepEqual(tagged({ tagPatternList: ['p*d-*'] }), ['both:1', 'prod:1']);
  assert.deepEqual(expire(images, rule(1, { tagStatus: 'untagged', ...days(1) })), ['none:1']);
});

test('an image that fits a rule’s tags is no later rule’s, but is counted there', () => {
  const images = [
    image('a', 1, { tags: ['prod-3'] }),
    image('b', 2, { tags: ['prod-2'] }),
    image('c', 3, { tags: ['dev'] }),
    image('d', 4, { tags: ['prod-1'] }),
  ];
  const prod = rule(1, { tagStatus: 'tagged', tagPrefixList: ['prod'], countNumber: 2 });
  // The two newest of all are a and b: c is one too many, and d is the first rule's.
  assert.deepEqual(expire(images, prod, rule(2, { countNumber: 2 })), ['d:1', 'c:2']);
  // Rules count by priority, not by their order in the text.
  assert.deepEqual(expire(images, rule(2, { countNumber: 2 }), prod), ['d:1', 'c:2']);
  const keepsProd = rule(1, { tagStatus: 'tagged', tagPrefixList: ['prod'], countNumber: 3 });
  assert.deepEqual(expire(images, keepsProd, rule(2, days(0.5))), ['c:2']);
});

test('what a kept index refers to stays, through an index in between too', () => {
  const images = [
    image('outer', 1, { tags: ['v2'], manifests: ['inner'] }),
    image('inner', 9, { manifests: ['leaf'] }),
    image('leaf', 9),
    image('alone', 9),
  ];
  const untagged = rule(1, { tagStatus: 'untagged', ...days(5) });
  assert.deepEqual(expire(images, untagged), ['alone:1']);
});

test('an index that goes lets go of what nothing else refers to, and goes before it', () => {
  const images = [
    image('old', 9, { tags: ['v1'], manifests: ['x', 'shared'] }),
    image('new', 1, { tags: ['v2'], manifests: ['shared'] }),
    image('x', 10),
    image('shared', 10),
  ];
  assert.deepEqual(expire(images, rule(1, days(5))), ['old:1', 'x:1']);
});

test('a signature goes with what it is about, and not for its own age', () => {
  const images = [
    image('old', 9, { tags: ['v1'] }),
    image('old.sig', 9, { subject: 'old' }),
    image('old.sig.sig', 8, { subject: 'old.sig' }),
    image('new', 1, { tags: ['v2'] }),
    image('new.sig', 9, { subject: 'new' }),
    image('orphan.sig', 9, { subject: 'gone' }),
  ];
  const tagged = rule(1, { tagStatus: 'tagged', tagPrefixList: ['v'], ...days(5) });
  const untagged = rule(2, { tagStatus: 'untagged', ...days(5) });
  assert.deepEqual(expire(images, tagged, untagged).sort(), [
    'old.sig.sig:1',
    'old.sig:1',
    'old:1',
    'orphan.sig:2',
  ]);
});

test('whatever the policy and the images: each image goes once, kept indexes are whole, later rules take no earlier rule’s', () => {
  const digest = fc.integer({ min: 0, max: 11 }).map(String);
  const anImage = fc.record({
    tags: fc.subarray(['a', 'ab', 'b', 'prod-1']),
    ageDays: fc.integer({ min: 0, max: 20 }),
    manifests: fc.array(digest, { maxLength: 3 }),
    subject: fc.option(digest, { nil: undefined, freq: 4 }),
  });
  const aSelection = fc.record({
    tagPrefixList: fc.subarray(['a', 'b', 'prod'], { minLength: 1, maxLength: 2 }),
    count: fc.integer({ min: 1, max: 4 }),
    byAge: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(anImage, { maxLength: 12 }),
      fc.array(aSelection, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      (drafts, selections, withAny) => {
        const images = drafts.map(({ ageDays, ...draft }, index) => image(String(index), ageDays, draft));
        const rules = selections.map(({ tagPrefixList, count, byAge }, index) =>
          rule(index + 1, {
            tagStatus: 'tagged',
            tagPrefixList,
            ...(byAge ? days(count * 4) : { countNumber: count }),
          }),
        );
        if (withAny) rules.push(rule(9, { countNumber: 2 }));
        const policy: LifecyclePolicy = { rules };
        const expired = evaluate(policy, images, NOW_MS);
        const gone = new Set(expired.map((one) => one.image.digest));
        assert.equal(gone.size, expired.length);
        for (const kept of images.filter((one) => !gone.has(one.digest))) {
          for (const needed of kept.manifests) assert.ok(!gone.has(needed), `${kept.digest} needs ${needed}`);
        }
        for (const { image: one, rulePriority } of expired) {
          if (one.subject !== undefined) continue;
          const first = rules.find(
            ({ selection }) =>
              selection.tagStatus === 'any' ||
              selection.tagPrefixList?.every((prefix) => one.tags.some((tag) => tag.startsWith(prefix))),
          );
          assert.equal(rulePriority, first?.rulePriority);
        }
      },
    ),
  );
});

test('a policy is refused with what is wrong with it', () => {
  const good = rule(1, {});
  const refused: [object, RegExp][] = [
    [{ rules: [] }, /rules/],
    [{ rules: [good, good] }, /each rulePriority is used once/],
    [{ rules: [good, rule(2, { tagStatus: 'untagged' })] }, /tagStatus any has the highest rulePriority/],
    [
      { rules: [rule(1, { tagStatus: 'untagged' }), rule(2, { tagStatus: 'untagged' })] },
      /one rule may have tagStatus untagged/,
    ],
    [{ rules: [rule(1, { tagStatus: 'tagged' })] }, /one of tagPrefixList and tagPatternList/],
    [
      { rules: [rule(1, { tagStatus: 'tagged', tagPrefixList: ['a'], tagPatternList: ['a*'] })] },
      /one of tagPrefixList and tagPatternList/,
    ],
    [{ rules: [rule(1, { tagStatus: 'any', tagPrefixList: ['a'] })] }, /takes no list of tags/],
    [{ rules: [rule(1, { tagStatus: 'tagged', tagPatternList: ['*a*b*c*d*'] })] }, /at most 4 wildcards/],
    [{ rules: [rule(1, { countType: 'sinceImagePushed' })] }, /takes countUnit days/],
    [{ rules: [rule(1, { countUnit: 'days' })] }, /takes none/],
    [{ rules: [rule(1, { countNumber: 0 })] }, /countNumber/],
    [{ rules: [{ ...good, action: { type: 'archive' } }] }, /action/],
    [{ rules: [{ ...good, priority: 1 }] }, /priority/],
  ];
  for (const [policy, problem] of refused) {
    assert.throws(() => parseLifecyclePolicy(JSON.stringify(policy)), {
      reason: 'InvalidParameterException',
      message: problem,
    });
  }
  assert.throws(() => parseLifecyclePolicy('{'), { reason: 'InvalidParameterException', message: /no JSON/ });
  assert.deepEqual(parseLifecyclePolicy(JSON.stringify({ rules: [good] })), { rules: [good] });
});
