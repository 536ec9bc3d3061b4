import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type FunctionsBench, invocation, openFunctionsBench } from './testing-engine.ts';

const signal = new AbortController().signal;
type Given = Parameters<FunctionsBench['define']>[1];

describe('runtime clients', () => {
  let bench: FunctionsBench;
  before(async () => {
    bench = await openFunctionsBench('clients', ['nodejs22.x', 'python3.13']);
  });
  after(async () => await bench[Symbol.asyncDispose]());

  const run = async (files: Record<string, string>, given?: Given, event: unknown = {}) => {
    await using environment = await bench.environments.open(bench.define(files, given), {
      initialization: 'on-demand',
      signal,
    });
    const asked = invocation(event, { clientContext: '{"client":{"app_title":"t"},"custom":{"k":"v"}}' });
    const outcome = await environment.invoke(asked, { signal });
    return {
      kind: outcome.kind,
      answer: JSON.parse(Buffer.from(outcome.payload).toString()),
      log: bench.log.text(environment.logStream),
      requestId: asked.requestId,
    };
  };

  describe('of Node', () => {
    const answers = async (files: Record<string, string>, given?: Given) => (await run(files, given)).answer;

    it('takes modules of both kinds, in folders, with exports of exports', async () => {
      assert.equal(
        await answers({ 'index.mjs': `await null; export const handler = async () => 'mjs';` }),
        'mjs',
      );
      assert.equal(
        await answers({
          'package.json': '{"type":"module"}',
          'index.js': `export const handler = async () => 'type';`,
        }),
        'type',
      );
      assert.equal(await answers({ 'index.cjs': `exports.handler = async () => 'cjs';` }), 'cjs');
      assert.equal(
        await answers(
          { 'src/app.js': `exports.api = { v1: { run: async () => 'nested' } };` },
          { handler: 'src/app.api.v1.run' },
        ),
        'nested',
      );
      assert.equal(
        await answers({
          'node_modules/dep/index.js': `module.exports = (x) => x * 2;`,
          'index.js': `const dep = require('dep'); exports.handler = async () => dep(21);`,
        }),
        42,
      );
    });

    it('takes handlers with a callback, which wait for what they began unless they say otherwise', async () => {
      assert.equal(
        await answers({
          'index.js': `exports.handler = (event, context, callback) => callback(null, 'called');`,
        }),
        'called',
      );
      const waits = await run({
        'index.js': `exports.handler = (event, context, callback) => { setTimeout(() => console.log('later'), 150); callback(null, 1); };`,
      });
      assert.match(waits.log, /later\nEND/);
      const hurries = await run({
        'index.js': `exports.handler = (event, context, callback) => {
          context.callbackWaitsForEmptyEventLoop = false; setTimeout(() => console.log('later'), 2000); callback(null, 1); };`,
      });
      assert.doesNotMatch(hurries.log, /later\nEND/);
      const failed = await run({
        'index.js': `exports.handler = (event, context, callback) => callback('text');`,
      });
      assert.deepEqual(
        [failed.kind, failed.answer.errorType, failed.answer.errorMessage],
        ['error', 'string', 'text'],
      );
      assert.equal(
        await answers({ 'index.js': `exports.handler = (event, context) => context.succeed('old');` }),
        'old',
      );
    });

    it('answers null for nothing, and an error for what JSON cannot hold', async () => {
      assert.equal(await answers({ 'index.js': `exports.handler = async () => {};` }), null);
      const circular = await run({
        'index.js': `exports.handler = async () => { const a = {}; a.a = a; return a; };`,
      });
      assert.deepEqual([circular.kind, circular.answer.errorType], ['error', 'TypeError']);
    });
  });

  describe('of Python', () => {
    const python = { runtime: 'python3.13' };

    it('gives handlers their event and a context', async () => {
      const { answer, requestId } = await run(
        {
          'app/main.py': `def run(event, context):
    return {'event': event, 'id': context.aws_request_id, 'left': context.get_remaining_time_in_millis(),
            'memory': context.memory_limit_in_mb, 'arn': context.invoked_function_arn, 'group': context.log_group_name,
            'title': context.client_context.client.app_title, 'custom': context.client_context.custom,
            'identity': context.identity.cognito_identity_id}
`,
        },
        { ...python, handler: 'app/main.run' },
        { text: 'ü' },
      );
      assert.deepEqual([answer.event, answer.id, answer.memory], [{ text: 'ü' }, requestId, '256']);
      assert.ok(answer.left > 0 && answer.left <= 3_000);
      assert.deepEqual([answer.title, answer.custom, answer.identity], ['t', { k: 'v' }, null]);
    });

    it('sets logging up as Lambda does, and tells of errors with their own frames', async () => {
      const { kind, answer, log, requestId } = await run(
        {
          'index.py': `import logging
logging.getLogger().setLevel(logging.INFO)
def handler(event, context):
    logging.info('two\\nlines')
    print('printed')
    raise ValueError('no')
`,
        },
        python,
      );
      assert.equal(kind, 'error');
      assert.deepEqual(
        [answer.errorType, answer.errorMessage, answer.requestId],
        ['ValueError', 'no', requestId],
      );
      assert.deepEqual(answer.stackTrace, [
        `  File "/var/task/index.py", line 6, in handler\n    raise ValueError('no')\n`,
      ]);
      assert.match(
        log,
        new RegExp(
          `\\[INFO\\]\\t\\S+Z\\t${requestId}\\ttwo\nlines\nprinted\n\\[ERROR\\] ValueError: no\nTraceback`,
        ),
      );
    });

    it('finds modules of layers, and logs JSON when the function asks for it', async () => {
      const layers = [bench.folder({ 'python/dep.py': 'VALUE = 7\n' })];
      const logging = { group: 'g', format: 'JSON', applicationLevel: 'INFO', systemLevel: 'WARN' } as const;
      const { answer, log } = await run(
        {
          'index.py': `import dep, logging\ndef handler(event, context):\n    logging.warning('w %d', dep.VALUE, extra={'more': 1})\n    return dep.VALUE\n`,
        },
        { ...python, layers, logging },
      );
      assert.equal(answer, 7);
      const record = JSON.parse(log.trim());
      assert.deepEqual([record.level, record.message, record.more], ['WARNING', 'w 7', 1]);
    });
  });
});
