import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CommandResult, eventually } from './harness/command.ts';
import { peers, without } from './harness/peers.ts';
import { useEngine } from './harness/suite.ts';

const REGION = 'eu-central-1';
const REPOSITORY = 'team/app';

interface AccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The aws CLI itself, and docker, for an engine without accounts and for one with them. */
for (const guarded of [false, true]) {
  const engine = await useEngine({ port: 'free' });
  const registry = `localhost:${engine.port}`;
  const key: { current: AccessKey } = { current: { accessKeyId: 'any', secretAccessKey: 'thing' } };

  const run = (...args: readonly string[]): Promise<CommandResult> =>
    engine.run([peers.aws ?? 'aws', 'ecr', ...args, '--endpoint-url', `http://${registry}`], {
      env: {
        AWS_ACCESS_KEY_ID: key.current.accessKeyId,
        AWS_SECRET_ACCESS_KEY: key.current.secretAccessKey,
        AWS_DEFAULT_REGION: REGION,
        AWS_MAX_ATTEMPTS: '1',
        AWS_PAGER: '',
        HOME: engine.root,
      },
    });
  /** What the CLI printed; fails when it does. */
  const aws = async (...args: readonly string[]): Promise<string> => {
    const { code, text, stdout, stderr } = await run(...args);
    if (code === 0) return text;
    throw new Error(`aws ecr ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  };
  const named = ['--repository-name', REPOSITORY] as const;
  const query = async (expression: string, ...args: readonly string[]) =>
    await aws(...args, '--output', 'text', '--query', expression);

  describe(`the aws CLI ${guarded ? 'with' : 'without'} accounts`, { skip: without('aws') }, () => {
    if (guarded) {
      test('a key that is not ours is refused, and one of an account is not', async () => {
        const account = { name: 'ada', password: 'correct horse', isAdmin: true };
        const added = await engine.api({ method: 'POST', path: '/slipway/accounts', body: account });
        assert.equal(added.status, 201, added.text);
        const refused = await run('describe-repositories');
        assert.match(refused.stderr, /UnrecognizedClientException/);
        const made = await engine.api({ method: 'POST', path: '/slipway/accounts/ada/keys', body: {} });
        key.current = made.json as AccessKey;
        await aws('describe-repositories');
      });
    }

    test('it makes a repository, logs docker in, and docker pushes there and pulls again', async () => {
      const uri = await query('repository.repositoryUri', 'create-repository', ...named);
      assert.equal(uri, `${registry}/${REPOSITORY}`);
      const password = await aws('get-login-password');
      const login = ['login', '--username', 'AWS', '--password-stdin', registry];
      const done = await engine.dockerWith({ input: password }, ...login);
      assert.match(done.stdout, /Login Succeeded/, done.stderr);
      for (const tag of ['v1', 'v2']) {
        const name = `${uri}:${tag}`;
        const container = (await engine.mustDocker('create', 'busybox', 'echo', tag)).trim();
        await engine.mustDocker('export', '-o', `${engine.root}/${tag}.tar`, container);
        await engine.mustDocker('rm', container);
        await engine.mustDocker('import', '-m', tag, `${engine.root}/${tag}.tar`, name);
        await engine.mustDocker('push', '-q', name);
        await engine.mustDocker('rmi', name);
        await engine.mustDocker('pull', '-q', name);
      }
    });

    test('it lists and describes what docker pushed', async () => {
      const tags = await query('imageIds[].imageTag', 'list-images', ...named);
      assert.deepEqual(tags.split('\t').sort(), ['v1', 'v2']);
      const described = await aws('describe-images', ...named, '--image-ids', 'imageTag=v1');
      const [image] = (JSON.parse(described) as { imageDetails: Record<string, unknown>[] }).imageDetails;
      assert.match(String(image?.imageDigest), /^sha256:[0-9a-f]{64}$/);
      assert.deepEqual(image?.imageTags, ['v1']);
      assert.ok(Number(image?.imageSizeInBytes) > 100_000, `${image?.imageSizeInBytes} bytes`);
      assert.ok(Math.abs(Date.parse(String(image?.imagePushedAt)) - Date.now()) < 600_000);
      // Two at a time, as the CLI itself asks for page after page.
      const paged = await query(
        'imageDetails[].imageDigest',
        'describe-images',
        ...named,
        '--page-size',
        '1',
      );
      assert.equal(paged.split(/\s+/).length, 2);
      const missing = await run('describe-images', ...named, '--image-ids', 'imageTag=v9');
      assert.match(missing.stderr, /ImageNotFoundException.*v9/);
    });

    test('it previews a lifecycle policy, waits for it, and puts it; the older image goes', async () => {
      const selection = { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 1 };
      const policy = JSON.stringify({
        rules: [{ rulePriority: 1, selection, action: { type: 'expire' } }],
      });
      await aws('start-lifecycle-policy-preview', ...named, '--lifecycle-policy-text', policy);
      await aws('wait', 'lifecycle-policy-preview-complete', ...named);
      const doomed = await query('previewResults[].imageTags[]', 'get-lifecycle-policy-preview', ...named);
      assert.equal(doomed, 'v1');
      await aws('put-lifecycle-policy', ...named, '--lifecycle-policy-text', policy);
      await eventually('the policy is applied', async () => {
        return (await query('imageIds[].imageTag', 'list-images', ...named)) === 'v2';
      });
      const gone = await engine.docker('pull', `${registry}/${REPOSITORY}:v1`);
      assert.match(gone.stderr, /not found|unknown/);
    });

    test('it removes an image and the repository', async () => {
      const full = await run('delete-repository', ...named);
      assert.match(full.stderr, /RepositoryNotEmptyException/);
      await aws('batch-delete-image', ...named, '--image-ids', 'imageTag=v2');
      assert.equal(await query('imageIds', 'list-images', ...named), '');
      await aws('delete-repository', ...named);
      const gone = await run('describe-repositories', '--repository-names', REPOSITORY);
      assert.match(gone.stderr, /RepositoryNotFoundException/);
    });
  });
}
