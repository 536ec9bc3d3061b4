import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import {
  BatchCheckLayerAvailabilityCommand,
  BatchDeleteImageCommand,
  BatchGetImageCommand,
  CompleteLayerUploadCommand,
  CreateRepositoryCommand,
  DeleteLifecyclePolicyCommand,
  DeleteRepositoryCommand,
  DescribeImagesCommand,
  DescribeRepositoriesCommand,
  ECRClient,
  GetAuthorizationTokenCommand,
  GetLifecyclePolicyCommand,
  GetLifecyclePolicyPreviewCommand,
  GetRepositoryPolicyCommand,
  InitiateLayerUploadCommand,
  ListImagesCommand,
  ListTagsForResourceCommand,
  PutImageCommand,
  PutImageTagMutabilityCommand,
  PutLifecyclePolicyCommand,
  SetRepositoryPolicyCommand,
  StartImageScanCommand,
  StartLifecyclePolicyPreviewCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UploadLayerPartCommand,
} from '@aws-sdk/client-ecr';
import { silentLogger, systemClock, systemRandom } from '@slipway/base';
import { awsJsonDialect, serve } from '@slipway/http';
import { openAccounts } from '../accounts/index.ts';
import { ADMIN, descriptorOf, manifestOf, openTestRegistry, pushImage } from '../registry/testing.ts';
import { ecrRoutes, openEcr } from './index.ts';

const KEYS = { accessKeyId: 'any', secretAccessKey: 'thing' };
const repositoryName = 'team/app';

/** ECR as the daemon serves it, and AWS's own client for it. */
async function open(t: TestContext) {
  const { registry, store } = await openTestRegistry(t);
  const parts = { database: store.database, clock: systemClock, logger: silentLogger };
  const accounts = openAccounts({ ...parts, random: systemRandom, settings: { anonymousPull: false } });
  const ecr = openEcr({ ...parts, registry, accounts });
  const server = await serve({
    listen: { host: '127.0.0.1', port: 0 },
    sites: [{ dialect: awsJsonDialect({ version: '1.1', random: systemRandom }), routes: ecrRoutes(ecr) }],
    clock: systemClock,
    logger: silentLogger,
  });
  const clients: ECRClient[] = [];
  const connect = (credentials = KEYS) => {
    const client = new ECRClient({
      endpoint: `http://127.0.0.1:${server.port}`,
      region: 'eu-central-1',
      credentials,
      maxAttempts: 1,
    });
    clients.push(client);
    return client;
  };
  t.after(async () => {
    for (const client of clients) client.destroy();
    await server[Symbol.asyncDispose]();
    await ecr[Symbol.asyncDispose]();
  });
  return { registry, accounts, ecr, connect, client: connect(), host: `127.0.0.1:${server.port}` };
}

const named = (name: string, message?: RegExp) => ({ name, ...(message === undefined ? {} : { message }) });

test('a repository is made with its settings, shown with its URI, and removed', async (t) => {
  const { client, host } = await open(t);
  const { repository } = await client.send(
    new CreateRepositoryCommand({
      repositoryName,
      imageTagMutability: 'IMMUTABLE',
      imageScanningConfiguration: { scanOnPush: true },
      encryptionConfiguration: { encryptionType: 'KMS', kmsKey: 'alias/own' },
      tags: [{ Key: 'owner', Value: 'ada' }],
    }),
  );
  assert.deepEqual(
    { ...repository, createdAt: undefined },
    {
      repositoryArn: 'arn:aws:ecr:eu-central-1:000000000000:repository/team/app',
      registryId: '000000000000',
      repositoryName,
      repositoryUri: `${host}/${repositoryName}`,
      createdAt: undefined,
      imageTagMutability: 'IMMUTABLE',
      imageScanningConfiguration: { scanOnPush: true },
      encryptionConfiguration: { encryptionType: 'KMS', kmsKey: 'alias/own' },
    },
  );
  assert.ok(Math.abs((repository?.createdAt?.getTime() ?? 0) - systemClock.nowMs()) < 60_000);
  const again = new CreateRepositoryCommand({ repositoryName });
  await assert.rejects(client.send(again), named('RepositoryAlreadyExistsException', /team\/app/));
  const shown = await client.send(new DescribeRepositoriesCommand({ repositoryNames: [repositoryName] }));
  assert.deepEqual(shown.repositories, [repository]);
  await client.send(new DeleteRepositoryCommand({ repositoryName }));
  const gone = new DescribeRepositoriesCommand({ repositoryNames: [repositoryName] });
  await assert.rejects(client.send(gone), named('RepositoryNotFoundException', /team\/app.*000000000000/));
});

test('what is not served or not well-formed is refused with AWS’s names', async (t) => {
  const { client } = await open(t);
  await assert.rejects(
    client.send(new CreateRepositoryCommand({ repositoryName: 'Not Good' })),
    named('InvalidParameterException', /at 'repositoryName'.*regular expression/),
  );
  await assert.rejects(
    client.send(new CreateRepositoryCommand({ repositoryName: undefined })),
    named('InvalidParameterException', /'repositoryName'.*must not be null/),
  );
  await assert.rejects(
    client.send(new ListImagesCommand({ repositoryName: 'missing' })),
    named('RepositoryNotFoundException'),
  );
  const elsewhere = new ListImagesCommand({ repositoryName: 'missing', registryId: '111111111111' });
  await assert.rejects(client.send(elsewhere), named('RepositoryNotFoundException', /111111111111/));
  await assert.rejects(
    client.send(new StartImageScanCommand({ repositoryName, imageId: { imageTag: 'x' } })),
    named('UnknownOperationException'),
  );
});

test('repositories and images come in pages, to the last of them', async (t) => {
  const { client, registry } = await open(t);
  for (const name of ['aa', 'bb', 'cc']) await registry.createRepository(name, {});
  const first = await client.send(new DescribeRepositoriesCommand({ maxResults: 2 }));
  const { nextToken } = first;
  const second = await client.send(new DescribeRepositoriesCommand({ maxResults: 2, nextToken }));
  const names = [first, second].map((page) => page.repositories?.map((one) => one.repositoryName));
  assert.deepEqual([names, second.nextToken], [[['aa', 'bb'], ['cc']], undefined]);
  await assert.rejects(
    client.send(new DescribeRepositoriesCommand({ nextToken: 'junk' })),
    named('InvalidParameterException', /nextToken/),
  );
  await pushImage(registry, 'aa', ['one', 'two'], 'layer');
  const tags: (string | undefined)[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListImagesCommand({ repositoryName: 'aa', maxResults: 1, nextToken: token }),
    );
    tags.push(...(page.imageIds ?? []).map(({ imageTag }) => imageTag));
    token = page.nextToken;
  } while (token !== undefined);
  assert.deepEqual(tags, ['one', 'two']);
});

test('images are listed and described by tag and digest, tagged or not', async (t) => {
  const { client, registry } = await open(t);
  const tagged = await pushImage(registry, repositoryName, ['v1', 'latest'], 'one');
  const untagged = await pushImage(registry, repositoryName, [], 'two');
  const list = async (tagStatus: 'TAGGED' | 'UNTAGGED') =>
    (await client.send(new ListImagesCommand({ repositoryName, filter: { tagStatus } }))).imageIds;
  assert.deepEqual(await list('TAGGED'), [
    { imageDigest: tagged.digest, imageTag: 'latest' },
    { imageDigest: tagged.digest, imageTag: 'v1' },
  ]);
  assert.deepEqual(await list('UNTAGGED'), [{ imageDigest: untagged.digest }]);
  const { imageDetails = [] } = await client.send(
    new DescribeImagesCommand({ repositoryName, imageIds: [{ imageTag: 'v1' }] }),
  );
  assert.deepEqual(
    imageDetails.map(({ imageDigest, imageTags, imageManifestMediaType }) => ({
      imageDigest,
      imageTags,
      imageManifestMediaType,
    })),
    [
      {
        imageDigest: tagged.digest,
        imageTags: ['latest', 'v1'],
        imageManifestMediaType: tagged.mediaType,
      },
    ],
  );
  assert.ok((imageDetails[0]?.imageSizeInBytes ?? 0) > tagged.bytes.byteLength);
  await assert.rejects(
    client.send(new DescribeImagesCommand({ repositoryName, imageIds: [{ imageTag: 'v9' }] })),
    named('ImageNotFoundException', /v9.*team\/app/),
  );
  const got = await client.send(
    new BatchGetImageCommand({ repositoryName, imageIds: [{ imageTag: 'v1' }, { imageTag: 'v9' }] }),
  );
  assert.equal(got.images?.[0]?.imageManifest, tagged.bytes.toString());
  assert.deepEqual(
    got.failures?.map(({ failureCode }) => failureCode),
    ['ImageNotFound'],
  );
});

test('a tag is removed alone, the last tag with its image, a digest with its tags; failures say why', async (t) => {
  const { client, registry } = await open(t);
  const one = await pushImage(registry, repositoryName, ['v1', 'v2'], 'one');
  const leaf = await pushImage(registry, repositoryName, ['leaf'], 'leaf');
  const index = manifestOf({
    manifests: [{ mediaType: leaf.mediaType, digest: leaf.digest, size: leaf.bytes.byteLength }],
  });
  await registry.putManifest(repositoryName, index, { tags: ['multi'], visitor: ADMIN });
  const remove = async (...imageIds: { imageTag?: string; imageDigest?: string }[]) => {
    const { imageIds: removed, failures } = await client.send(
      new BatchDeleteImageCommand({ repositoryName, imageIds }),
    );
    return [removed, failures?.map(({ failureCode }) => failureCode)];
  };
  const digests = async () => (await registry.describeManifests(repositoryName)).map(({ digest }) => digest);

  assert.deepEqual(await remove({ imageTag: 'v1' }), [[{ imageDigest: one.digest, imageTag: 'v1' }], []]);
  assert.ok((await digests()).includes(one.digest));
  await remove({ imageTag: 'v2' });
  assert.ok(!(await digests()).includes(one.digest));
  assert.deepEqual(await remove({ imageDigest: leaf.digest }), [[], ['ImageReferencedByManifestList']]);
  assert.deepEqual(await remove({ imageTag: 'leaf' }), [
    [{ imageDigest: leaf.digest, imageTag: 'leaf' }],
    [],
  ]);
  assert.ok((await digests()).includes(leaf.digest), 'the index still needs it');
  assert.deepEqual(
    await remove(
      { imageTag: 'none' },
      {},
      { imageDigest: 'sha256:1' },
      { imageDigest: leaf.digest, imageTag: 'other' },
    ),
    [[], ['ImageNotFound', 'MissingDigestAndTag', 'InvalidImageDigest', 'ImageTagDoesNotMatchDigest']],
  );
  const [removed] = await remove({ imageDigest: leaf.digest }, { imageDigest: index.digest });
  assert.deepEqual(removed, [{ imageDigest: index.digest, imageTag: 'multi' }, { imageDigest: leaf.digest }]);
  assert.deepEqual(await digests(), []);
});

test('a repository with images is removed by force only', async (t) => {
  const { client, registry } = await open(t);
  await pushImage(registry, repositoryName, ['v1'], 'one');
  await assert.rejects(
    client.send(new DeleteRepositoryCommand({ repositoryName })),
    named('RepositoryNotEmptyException'),
  );
  await client.send(new DeleteRepositoryCommand({ repositoryName, force: true }));
  assert.deepEqual(await registry.describeRepositories(ADMIN), []);
});

test('layers and an image are sent through the API alone, and what is wrong with them is told', async (t) => {
  const { client, registry } = await open(t);
  await client.send(new CreateRepositoryCommand({ repositoryName }));
  const upload = async (content: string, digest?: string) => {
    const { uploadId } = await client.send(new InitiateLayerUploadCommand({ repositoryName }));
    const bytes = Buffer.from(content);
    const half = bytes.byteLength >> 1;
    for (const [partFirstByte, end] of [
      [0, half],
      [half, bytes.byteLength],
    ] as const) {
      const layerPartBlob = bytes.subarray(partFirstByte, end);
      const part = { repositoryName, uploadId, partFirstByte, partLastByte: end - 1, layerPartBlob };
      await client.send(new UploadLayerPartCommand(part));
    }
    const layerDigests = [digest ?? `sha256:${createHash('sha256').update(bytes).digest('hex')}`];
    await client.send(new CompleteLayerUploadCommand({ repositoryName, uploadId, layerDigests }));
  };
  const config = JSON.stringify({ architecture: 'amd64', os: 'linux' });
  const manifest = manifestOf({
    config: descriptorOf(config, 'application/vnd.oci.image.config.v1+json'),
    layers: [descriptorOf('layer')],
  });
  const image = { repositoryName, imageManifest: manifest.bytes.toString(), imageTag: 'v1' };
  await assert.rejects(client.send(new PutImageCommand(image)), named('LayersNotFoundException'));
  await upload(config);
  await upload('layer');
  await assert.rejects(upload('layer'), named('LayerAlreadyExistsException'));
  await assert.rejects(upload('other', descriptorOf('another').digest), named('InvalidLayerException'));
  const gone = { repositoryName, uploadId: 'none', layerDigests: [descriptorOf('x').digest] };
  await assert.rejects(client.send(new CompleteLayerUploadCommand(gone)), named('UploadNotFoundException'));
  const put = await client.send(new PutImageCommand(image));
  assert.equal(put.image?.imageId?.imageDigest, manifest.digest);
  await assert.rejects(client.send(new PutImageCommand(image)), named('ImageAlreadyExistsException'));
  const { layers } = await client.send(
    new BatchCheckLayerAvailabilityCommand({
      repositoryName,
      layerDigests: [descriptorOf('layer').digest, descriptorOf('none').digest],
    }),
  );
  assert.deepEqual(
    layers?.map(({ layerAvailability, layerSize }) => [layerAvailability, layerSize]),
    [
      ['AVAILABLE', 5],
      ['UNAVAILABLE', undefined],
    ],
  );
  await client.send(new PutImageTagMutabilityCommand({ repositoryName, imageTagMutability: 'IMMUTABLE' }));
  const other = await pushImage(registry, repositoryName, [], 'other');
  await assert.rejects(
    client.send(new PutImageCommand({ ...image, imageManifest: other.bytes.toString() })),
    named('ImageTagAlreadyExistsException', /v1/),
  );
});

test('a lifecycle policy is kept as it was given, previewed, applied, and forgotten with its repository', async (t) => {
  const { client, registry, ecr } = await open(t);
  const old = await pushImage(registry, repositoryName, ['v1'], 'one');
  await systemClock.sleep(5);
  const kept = await pushImage(registry, repositoryName, ['v2'], 'two');
  const lifecyclePolicyText = JSON.stringify({
    rules: [
      {
        rulePriority: 1,
        selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 1 },
        action: { type: 'expire' },
      },
    ],
  });
  await assert.rejects(
    client.send(new GetLifecyclePolicyCommand({ repositoryName })),
    named('LifecyclePolicyNotFoundException'),
  );
  await assert.rejects(
    client.send(new PutLifecyclePolicyCommand({ repositoryName, lifecyclePolicyText: '{"rules":[]}' })),
    named('InvalidParameterException', /rules/),
  );
  await assert.rejects(
    client.send(new GetLifecyclePolicyPreviewCommand({ repositoryName })),
    named('LifecyclePolicyPreviewNotFoundException'),
  );
  await client.send(new StartLifecyclePolicyPreviewCommand({ repositoryName, lifecyclePolicyText }));
  const preview = await client.send(new GetLifecyclePolicyPreviewCommand({ repositoryName }));
  assert.equal(preview.status, 'COMPLETE');
  assert.deepEqual(
    preview.previewResults?.map((result) => [result.imageDigest, result.appliedRulePriority]),
    [[old.digest, 1]],
  );
  await client.send(new PutLifecyclePolicyCommand({ repositoryName, lifecyclePolicyText }));
  await ecr.context.lifecycle.applyAll();
  const digests = (await registry.describeManifests(repositoryName)).map(({ digest }) => digest);
  assert.deepEqual(digests, [kept.digest]);
  const got = await client.send(new GetLifecyclePolicyCommand({ repositoryName }));
  assert.equal(got.lifecyclePolicyText, lifecyclePolicyText);
  assert.ok(got.lastEvaluatedAt instanceof Date);

  // The registry's own keepers may remove and make it again: that one has no policy.
  await registry.deleteRepository(repositoryName, { force: true });
  await systemClock.sleep(5);
  await pushImage(registry, repositoryName, ['v1'], 'one');
  await pushImage(registry, repositoryName, ['v2'], 'two');
  await ecr.context.lifecycle.applyAll();
  assert.equal((await registry.describeManifests(repositoryName)).length, 2);
  await assert.rejects(
    client.send(new DeleteLifecyclePolicyCommand({ repositoryName })),
    named('LifecyclePolicyNotFoundException'),
  );
});

test('a policy that was put is applied without anybody asking', async (t) => {
  const { client, registry } = await open(t);
  await pushImage(registry, repositoryName, ['v1'], 'one');
  await systemClock.sleep(5);
  await pushImage(registry, repositoryName, ['v2'], 'two');
  const selection = { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 1 };
  const rules = [{ rulePriority: 1, selection, action: { type: 'expire' } }];
  await client.send(
    new PutLifecyclePolicyCommand({ repositoryName, lifecyclePolicyText: JSON.stringify({ rules }) }),
  );
  const deadlineMs = systemClock.monotonicMs() + 20_000;
  while ((await registry.describeManifests(repositoryName)).length > 1) {
    assert.ok(systemClock.monotonicMs() < deadlineMs, 'the policy was not applied');
    await systemClock.sleep(100);
  }
});

test('tags and policies of repositories are kept and told', async (t) => {
  const { client } = await open(t);
  const { repository } = await client.send(
    new CreateRepositoryCommand({ repositoryName, tags: [{ Key: 'a', Value: '1' }] }),
  );
  const resourceArn = repository?.repositoryArn;
  await client.send(new TagResourceCommand({ resourceArn, tags: [{ Key: 'b', Value: '2' }] }));
  await client.send(new UntagResourceCommand({ resourceArn, tagKeys: ['a'] }));
  const { tags } = await client.send(new ListTagsForResourceCommand({ resourceArn }));
  assert.deepEqual(tags, [{ Key: 'b', Value: '2' }]);
  const many = Array.from({ length: 50 }, (_, index) => ({ Key: `k${index}`, Value: '' }));
  await assert.rejects(
    client.send(new TagResourceCommand({ resourceArn, tags: many })),
    named('TooManyTagsException'),
  );
  await assert.rejects(
    client.send(new ListTagsForResourceCommand({ resourceArn: 'arn:aws:s3:::x' })),
    named('InvalidParameterException', /resourceArn/),
  );
  const policy = new GetRepositoryPolicyCommand({ repositoryName });
  await assert.rejects(client.send(policy), named('RepositoryPolicyNotFoundException'));
  const policyText = '{"Version":"2012-10-17","Statement":[]}';
  await client.send(new SetRepositoryPolicyCommand({ repositoryName, policyText }));
  assert.equal((await client.send(policy)).policyText, policyText);
});

test('once there are accounts, a signature by an access key opens what its account may do, and nothing else', async (t) => {
  const { accounts, client, connect, registry } = await open(t);
  await registry.createRepository('private', {});
  await accounts.add({
    name: 'ada',
    password: 'correct horse',
    grants: [{ repositories: 'team/*', actions: ['pull', 'push'] }],
  });
  const list = new DescribeRepositoriesCommand({});
  await assert.rejects(client.send(list), named('UnrecognizedClientException'));
  const { accessKeyId, secretAccessKey } = accounts.addAccessKey('ada');
  await assert.rejects(
    connect({ accessKeyId, secretAccessKey: 'wrong' }).send(list),
    named('InvalidSignatureException'),
  );
  const ada = connect({ accessKeyId, secretAccessKey });
  await ada.send(new CreateRepositoryCommand({ repositoryName }));
  const { repositories } = await ada.send(list);
  assert.deepEqual(
    repositories?.map((one) => one.repositoryName),
    [repositoryName],
  );
  for (const command of [
    new CreateRepositoryCommand({ repositoryName: 'other' }),
    new DeleteRepositoryCommand({ repositoryName }),
    new PutImageTagMutabilityCommand({ repositoryName, imageTagMutability: 'MUTABLE' }),
    new ListImagesCommand({ repositoryName: 'private' }),
  ]) {
    await assert.rejects(ada.send(command as ListImagesCommand), named('AccessDeniedException', /ada/));
  }
  accounts.removeAccessKey(accessKeyId);
  await assert.rejects(ada.send(list), named('UnrecognizedClientException'));
});

test('the token logs in as its account for twelve hours', async (t) => {
  const { accounts, connect, host } = await open(t);
  await accounts.add({
    name: 'ada',
    password: 'correct horse',
    grants: [{ repositories: 'team/*', actions: ['pull'] }],
  });
  const { accessKeyId, secretAccessKey } = accounts.addAccessKey('ada');
  const { authorizationData = [] } = await connect({ accessKeyId, secretAccessKey }).send(
    new GetAuthorizationTokenCommand({}),
  );
  const [{ authorizationToken = '', expiresAt, proxyEndpoint } = {}] = authorizationData;
  assert.equal(proxyEndpoint, `http://${host}`);
  const hours = ((expiresAt?.getTime() ?? 0) - systemClock.nowMs()) / 3_600_000;
  assert.ok(hours > 11.9 && hours <= 12, `it is valid for ${hours} h`);
  const visitor = await accounts.admit({ authorization: `Basic ${authorizationToken}` });
  assert.deepEqual(
    [visitor.name, visitor.may('pull', 'team/x'), visitor.may('push', 'team/x'), visitor.may('pull', 'x')],
    ['ada', true, false, false],
  );
});
