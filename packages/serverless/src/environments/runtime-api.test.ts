import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Environment } from './environment.ts';
import { type FunctionsBench, invocation, openFunctionsBench } from './testing-engine.ts';

const signal = new AbortController().signal;

/** A client of the APIs for functions and extensions of these tests. */
const HTTP = `
  const http = require('http');
  const call = (method, path, headers = {}, body) => new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port: 9001, method, path, headers }, (response) => {
      let text = ''; response.on('data', (c) => text += c).on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
    });
    request.on('error', reject); request.end(body);
  });
`;

describe('the Runtime, Extensions and Telemetry APIs', () => {
  let bench: FunctionsBench;
  before(async () => {
    bench = await openFunctionsBench('runtime-api', ['nodejs22.x']);
  });
  after(async () => await bench[Symbol.asyncDispose]());

  const open = async (
    files: Record<string, string>,
    given?: Parameters<FunctionsBench['define']>[1],
  ): Promise<Environment> =>
    await bench.environments.open(bench.define(files, given), { initialization: 'on-demand', signal });
  const ask = async (environment: Environment, event: unknown) => {
    const outcome = await environment.invoke(invocation(event), { signal });
    return JSON.parse(Buffer.from(outcome.payload).toString());
  };

  it('refuse what is not in place, as Lambda does: another request, a second answer, an unknown path', async () => {
    await using environment = await open({
      'index.js': `${HTTP}
        exports.handler = async (event, context) => {
          if (event.late) return call('POST', '/2018-06-01/runtime/invocation/' + event.late + '/response', {}, '1');
          const other = await call('POST', '/2018-06-01/runtime/invocation/other/response', {}, '1');
          const unknown = await call('GET', '/nowhere');
          const init = await call('POST', '/2018-06-01/runtime/init/error', {}, '{}');
          return [other, unknown, init].map(({ status, body }) => [status, JSON.parse(body).errorType]);
        };`,
    });
    assert.deepEqual(await ask(environment, {}), [
      [400, 'InvalidRequestID'],
      [404, 'PageNotFound'],
      [403, 'InvalidStateTransition'],
    ]);
    const twice = await open({
      'index.js': `${HTTP}
        exports.handler = async (event, context) => {
          const path = '/2018-06-01/runtime/invocation/' + context.awsRequestId + '/response';
          await call('POST', path, {}, '"first"');
          const second = await call('POST', path, {}, '"second"');
          console.log('second', second.status, second.body);
          return 'third';
        };`,
    });
    assert.equal(await ask(twice, {}), 'first');
    await assert.doesNotReject(twice.invoke(invocation({}), { signal }));
    assert.match(bench.log.text(twice.logStream), /second 403 .*InvalidStateTransition/);
    await twice[Symbol.asyncDispose]();
  });

  const extension = (body: string): string => `#!/var/lang/bin/node\n${HTTP}\n(async () => { ${body} })();`;
  const NEXT_LOOP = `
    const { headers } = await call('POST', '/2020-01-01/extension/register', { 'Lambda-Extension-Name': 'watcher' }, JSON.stringify({ events: ['INVOKE', 'SHUTDOWN'] }));
    const id = headers['lambda-extension-identifier'];
    console.log('registered', id.length);
    for (;;) {
      const event = JSON.parse((await call('GET', '/2020-01-01/extension/event/next', { 'Lambda-Extension-Identifier': id })).body);
      console.log('event', event.eventType, event.requestId ?? event.shutdownReason);
      if (event.eventType === 'SHUTDOWN') process.exit(0);
    }`;

  it('start extensions before the runtime, tell them of each invocation, and of the end', async () => {
    const layers = [bench.folder({ 'extensions/watcher': extension(NEXT_LOOP) })];
    const environment = await open(
      { 'index.js': `console.log('runtime starts'); exports.handler = async () => 'done';` },
      { layers },
    );
    const asked = invocation({});
    assert.equal((await environment.invoke(asked, { signal })).kind, 'response');
    assert.equal((await environment.invoke(invocation({}), { signal })).kind, 'response');
    await environment[Symbol.asyncDispose]();
    const log = bench.log.text(environment.logStream);
    assert.ok(log.indexOf('registered 36') < log.indexOf('runtime starts'), log);
    assert.match(log, new RegExp(`event INVOKE ${asked.requestId}`));
    assert.match(log, /event SHUTDOWN spindown/);
  });

  it('hold nobody longer than the time-out of the function when an extension does not come back', async () => {
    const register = `
      const { headers } = await call('POST', '/2020-01-01/extension/register', { 'Lambda-Extension-Name': 'watcher' }, JSON.stringify({ events: ['INVOKE'] }));
      await call('GET', '/2020-01-01/extension/event/next', { 'Lambda-Extension-Identifier': headers['lambda-extension-identifier'] });
      setInterval(() => {}, 1000);`;
    await using environment = await open(
      { 'index.js': 'exports.handler = async () => 1;' },
      { layers: [bench.folder({ 'extensions/watcher': extension(register) })], timeoutMs: 1_000 },
    );
    assert.equal((await environment.invoke(invocation({}), { signal })).kind, 'response');
    const freezing = environment.freeze();
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal((await environment.invoke(invocation({}), { signal })).kind, 'timeout');
    await freezing;
  });

  it('fail an initialisation whose extension fails', async () => {
    const layers = [bench.folder({ 'extensions/watcher': extension('process.exit(4);') })];
    await using environment = await open({ 'index.js': `exports.handler = async () => 1;` }, { layers });
    const outcome = await environment.invoke(invocation({}), { signal });
    assert.equal(outcome.kind, 'exit');
    assert.equal(JSON.parse(Buffer.from(outcome.payload).toString()).errorType, 'Extension.Crash');
  });

  it('deliver platform events and lines to who subscribed, over HTTP into the sandbox', async () => {
    const listener = `
      const { headers } = await call('POST', '/2020-01-01/extension/register', { 'Lambda-Extension-Name': 'telemetry' }, JSON.stringify({ events: ['INVOKE'] }));
      const id = headers['lambda-extension-identifier'];
      http.createServer((request, response) => {
        let text = ''; request.on('data', (c) => text += c).on('end', () => {
          for (const record of JSON.parse(text)) process.stdout.write('GOT ' + record.type + '\\n');
          response.end();
        });
      }).listen(8080);
      const subscribed = await call('PUT', '/2022-07-01/telemetry', { 'Lambda-Extension-Identifier': id }, JSON.stringify({
        schemaVersion: '2022-12-13', types: ['platform', 'function'], buffering: { maxItems: 1000, maxBytes: 262144, timeoutMs: 25 },
        destination: { protocol: 'HTTP', URI: 'http://sandbox.localdomain:8080' } }));
      console.log('subscribed', subscribed.status, subscribed.body);
      for (;;) await call('GET', '/2020-01-01/extension/event/next', { 'Lambda-Extension-Identifier': id });`;
    const layers = [bench.folder({ 'extensions/telemetry': extension(listener) })];
    await using environment = await open(
      { 'index.js': `exports.handler = async () => { console.log('a line'); return 1; };` },
      { layers },
    );
    await environment.invoke(invocation({}), { signal });
    const log = () => bench.log.text(environment.logStream);
    for (let tries = 0; tries < 100 && !log().includes('GOT platform.report'); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.match(log(), /subscribed 200 OK/);
    for (const type of ['platform.start', 'function', 'platform.runtimeDone', 'platform.report']) {
      assert.ok(log().includes(`GOT ${type}\n`), `no ${type} in ${log()}`);
    }
  });

  it('wait for a debugger of the host, and are led by it', async () => {
    const port = 20_000 + (process.pid % 20_000);
    const opening = bench.environments.open(
      bench.define({ 'index.js': `exports.handler = async () => 'looked at';` }),
      { initialization: 'on-demand', debug: { port }, signal },
    );
    let isOpen = false;
    void opening.then(() => {
      isOpen = true;
    });
    let target: { readonly Browser?: string; readonly webSocketDebuggerUrl?: string } | undefined;
    while (target === undefined) {
      target = await fetch(`http://127.0.0.1:${port}/json/list`).then(
        async (response) => ((await response.json()) as object[])[0],
        () => undefined,
      );
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(isOpen, false, 'nothing runs before somebody looks');
    const debug = new WebSocket(target.webSocketDebuggerUrl ?? '');
    await new Promise((resolve) => debug.addEventListener('open', resolve));
    for (const [id, method] of ['Runtime.enable', 'Runtime.runIfWaitingForDebugger'].entries()) {
      debug.send(JSON.stringify({ id, method }));
    }
    await using environment = await opening;
    assert.equal(await ask(environment, {}), 'looked at');
    debug.close();
  });

  it('are swept away, with their environments, by the next daemon', async () => {
    const environment = await open({ 'index.js': `exports.handler = async () => 1;` });
    await bench.compute.removeLeftOvers();
    await environment.ended;
    assert.equal(bench.containers.counts().total, 0);
    await environment[Symbol.asyncDispose]();
  });
});
