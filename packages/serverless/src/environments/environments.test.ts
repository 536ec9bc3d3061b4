import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { isErrno } from '@slipway/base';
import { ENVIRONMENT_ENDED, type Environment, type Outcome } from './environment.ts';
import { type FunctionsBench, invocation, openFunctionsBench } from './testing-engine.ts';

const signal = new AbortController().signal;

/** The end of a container's first process is that of the others. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

/** The processes of a container. */
const processesOf = (id: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(id);
      } catch {
        return false;
      }
    });
const text = ({ payload }: Outcome): string => Buffer.from(payload).toString();
const json = (outcome: Outcome) => JSON.parse(text(outcome));

describe('environments', () => {
  let bench: FunctionsBench;
  before(async () => {
    bench = await openFunctionsBench('environments', ['nodejs22.x', 'python3.13', 'provided.al2023']);
  });
  after(async () => await bench[Symbol.asyncDispose]());

  type Given = Parameters<FunctionsBench['define']>[1];
  const open = async (files: Record<string, string>, given?: Given): Promise<Environment> =>
    await bench.environments.open(bench.define(files, given), { initialization: 'on-demand', signal });
  /** Opens, invokes once with `{}`, disposes; what became of it and the log. */
  const once = async (files: Record<string, string>, given?: Given, event: unknown = {}) => {
    await using environment = await open(files, given);
    const outcome = await environment.invoke(invocation(event, { isCold: true }), { signal });
    return { outcome, log: bench.log.text(environment.logStream) };
  };
  const node = (body: string): Record<string, string> => ({ 'index.js': body });

  describe('what a function sees', () => {
    it('is isolated as on Lambda: a read-only root, a user of its own, no privilege, limits', async () => {
      const { outcome } = await once(
        node(`const fs = require('fs');
          const tryWrite = (path) => { try { fs.writeFileSync(path, 'x'); return 'ok'; } catch (error) { return error.code; } };
          exports.handler = async () => ({
            uid: process.getuid(), gid: process.getgid(), cwd: process.cwd(),
            root: tryWrite('/x'), code: tryWrite('/var/task/x'), etc: tryWrite('/etc/x'), tmp: tryWrite('/tmp/x'),
            caps: /CapBnd:\\s*(\\w+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1],
            noNewPrivs: /NoNewPrivs:\\s*(\\d)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1],
            seccomp: /Seccomp:\\s*(\\d)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1],
            files: /open files\\s+(\\d+)\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/limits', 'utf8')).slice(1),
            mounts: fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\\n').filter((l) => / \\/var\\/task /.test(l)).map((l) => l.split(' ')[5]),
          });`),
      );
      const seen = json(outcome);
      assert.deepEqual([seen.uid, seen.gid, seen.cwd], [993, 990, '/var/task']);
      assert.deepEqual([seen.root, seen.code, seen.etc, seen.tmp], ['EROFS', 'EROFS', 'EROFS', 'ok']);
      assert.equal(seen.caps, '0000000000000000');
      assert.deepEqual([seen.noNewPrivs, seen.seccomp], ['1', '2']);
      assert.deepEqual(seen.files, ['1024', '1024']);
      for (const options of seen.mounts) assert.match(options, /^ro,nosuid,nodev/);
    });

    it('has the variables of Lambda, its own over them where Lambda allows it, and its context', async () => {
      const files = node(`exports.handler = async (event, context) => ({
        env: process.env, left: context.getRemainingTimeInMillis(),
        context: { ...context, callbackWaitsForEmptyEventLoop: undefined },
      });`);
      const environment = await open(files, {
        variables: { COLOUR: 'red', AWS_REGION: 'mars-1' },
        memoryMb: 192,
      });
      await using _environment = environment;
      const asked = invocation({}, { clientContext: '{"custom":{"ä":"ö"}}', traceId: 'Root=1-2-3' });
      const seen = json(await environment.invoke(asked, { signal }));
      assert.equal(seen.env.COLOUR, 'red');
      assert.equal(seen.env.AWS_REGION, 'eu-central-1');
      assert.equal(seen.env._HANDLER, 'index.handler');
      assert.equal(seen.env.AWS_EXECUTION_ENV, 'AWS_Lambda_nodejs22.x');
      assert.equal(seen.env.AWS_LAMBDA_LOG_STREAM_NAME, environment.logStream);
      assert.equal(seen.env._X_AMZN_TRACE_ID, 'Root=1-2-3');
      assert.equal(seen.env.SLIPWAY_PREPARED, undefined);
      assert.equal(seen.context.awsRequestId, asked.requestId);
      assert.equal(seen.context.memoryLimitInMB, '192');
      assert.deepEqual(seen.context.clientContext, { custom: { ä: 'ö' } });
      assert.ok(seen.left > 0 && seen.left <= 3_000);
    });

    it('reaches nobody without a network, and its own loopback alone leads to the Runtime API', async () => {
      const files = node(`const net = require('net');
        exports.handler = (event) => new Promise((resolve) => {
          const socket = net.connect({ host: event.host, port: event.port, timeout: 1000 });
          socket.on('connect', () => resolve('connected')).on('error', (e) => resolve(e.code)).on('timeout', () => resolve('timeout'));
        });`);
      const { outcome } = await once(files, { network: 'none' }, { host: '192.0.2.1', port: 80 });
      assert.equal(json(outcome), 'ENETUNREACH');
      const own = await once(files, {}, { host: '127.0.0.1', port: 9001 });
      assert.equal(json(own.outcome), 'connected');
    });

    it('lays layers over each other, the later one on top', async () => {
      const layers = [
        bench.folder({ 'a.txt': 'one', 'b.txt': 'one' }),
        bench.folder({ 'b.txt': 'two', 'nodejs/node_modules/dep/index.js': 'module.exports = 42;' }),
      ];
      const { outcome } = await once(
        node(`const fs = require('fs');
          exports.handler = async () => [fs.readFileSync('/opt/a.txt', 'utf8'), fs.readFileSync('/opt/b.txt', 'utf8'), require('dep')];`),
        { layers },
      );
      assert.deepEqual(json(outcome), ['one', 'two', 42]);
    });
  });

  describe('prepared environments', () => {
    const waitFor = async (runtime: string) => {
      bench.environments.setPrepared(runtime, 1);
      while (bench.environments.preparedCount(runtime) === 0)
        await new Promise((resolve) => setTimeout(resolve, 20));
    };

    for (const [runtime, files] of [
      [
        'nodejs22.x',
        node(
          `exports.handler = async () => ({ pid: process.pid, cwd: process.cwd(), color: process.env.COLOR ?? null, opt: require('fs').readFileSync('/opt/l.txt', 'utf8'), prepared: process.env.SLIPWAY_PREPARED ?? null, started: Date.now() - process.uptime() * 1000, tmp: Number(require('child_process').execSync('stat -f -c "%b %S" /tmp').toString().split(' ').reduce((a, b) => a * b)) });`,
        ),
      ],
      [
        'python3.13',
        {
          'index.py': `import os, time\ndef handler(event, context):\n    s = os.statvfs('/tmp')\n    return {'cwd': os.getcwd(), 'color': os.environ.get('COLOR'), 'opt': open('/opt/l.txt').read(), 'prepared': os.environ.get('SLIPWAY_PREPARED'), 'tmp': s.f_blocks * s.f_frsize}\n`,
        },
      ],
    ] as const) {
      it(`become a function's with its code, layers, variables and limits: ${runtime}`, async () => {
        await waitFor(runtime);
        const layers = [bench.folder({ 'l.txt': 'layer' })];
        const before = Date.now();
        await using environment = await open(files, {
          runtime,
          layers,
          variables: { COLOR: 'red' },
          ephemeralStorageMb: 600,
        });
        const seen = json(await environment.invoke(invocation({}), { signal }));
        assert.deepEqual(
          [seen.cwd, seen.color, seen.opt, seen.prepared],
          ['/var/task', 'red', 'layer', null],
        );
        const tmpMb = Number(seen.tmp) / (1024 * 1024);
        assert.ok(tmpMb > 600 && tmpMb < 620, `${tmpMb}`);
        if (seen.started !== undefined) assert.ok(seen.started < before, 'it was started ahead');
        bench.environments.setPrepared(runtime, 0);
      });
    }

    it('are not used where a variable had to be there at the start', async () => {
      await waitFor('nodejs22.x');
      const { outcome } = await once(
        node('exports.handler = async () => require("v8").getHeapStatistics().heap_size_limit;'),
        { variables: { NODE_OPTIONS: '--max-old-space-size=50' } },
      );
      assert.ok(json(outcome) < 120e6);
      assert.equal(bench.environments.preparedCount('nodejs22.x'), 1);
      bench.environments.setPrepared('nodejs22.x', 0);
    });
  });

  describe('logs', () => {
    it('hold START, the lines with their request, END and REPORT, and their tail is answered', async () => {
      const { outcome, log } = await once(
        node(
          `console.log('while loading'); exports.handler = async () => { console.log('a\\nb'); process.stdout.write('half'); };`,
        ),
      );
      const lines = log.split('\n');
      assert.match(lines[0] as string, /^INIT_START Runtime Version: nodejs:22\.v22\./);
      assert.match(lines[1] as string, /\tundefined\tINFO\twhile loading$/);
      assert.match(lines[2] as string, /^START RequestId: \S+ Version: \$LATEST$/);
      assert.match(lines[3] as string, /^\S+Z\t\S+\tINFO\ta$/);
      assert.deepEqual(lines.slice(4, 6), ['b', 'half']);
      assert.match(lines[6] as string, /^END RequestId: /);
      assert.match(
        lines[7] as string,
        /^REPORT RequestId: \S+\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\tMax Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t$/,
      );
      assert.ok(outcome.logTail.startsWith('START') && outcome.logTail.endsWith('\t\n'));
      const { durationMs, billedMs, initMs } = outcome.report;
      assert.equal(billedMs, Math.ceil(durationMs + (initMs as number)));
    });

    it('are JSON when the function asks for it, of the level that it asks for', async () => {
      const logging = { group: 'g', format: 'JSON', applicationLevel: 'WARN', systemLevel: 'INFO' } as const;
      const { log } = await once(
        node(`exports.handler = async () => { console.info('no'); console.warn('yes %d', 1); };`),
        { logging },
      );
      const records = log
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      assert.deepEqual(
        records.map(({ type, message }) => type ?? message),
        ['platform.initStart', 'platform.initReport', 'platform.start', 'yes 1', 'platform.report'],
      );
    });

    it('of 100 MB neither stop the daemon nor outgrow the answered tail', async () => {
      let worstMs = 0;
      let last = performance.now();
      const beat = setInterval(() => {
        worstMs = Math.max(worstMs, performance.now() - last);
        last = performance.now();
      }, 5);
      const line = `const line = 'x'.repeat(999) + '\\n';`;
      const { outcome } = await once(
        node(
          `${line} exports.handler = async () => { for (let i = 0; i < 100_000; i++) process.stdout.write(line); return 'written'; };`,
        ),
        { timeoutMs: 60_000, memoryMb: 1_769 },
      );
      clearInterval(beat);
      assert.equal(json(outcome), 'written');
      assert.ok(Buffer.byteLength(outcome.logTail) <= 4_096);
      assert.ok(worstMs < 500, `the daemon did nothing else for ${worstMs} ms`);
    });
  });

  describe('faults', () => {
    const failure = (outcome: Outcome) => ({
      kind: outcome.kind,
      functionError: outcome.functionError,
      ...json(outcome),
    });

    it('thrown by a handler are its answer, and it can be invoked again', async () => {
      await using environment = await open(
        node(
          `exports.handler = async (event) => { if (event.fail) throw new TypeError('no'); return 'fine'; };`,
        ),
      );
      const failed = failure(await environment.invoke(invocation({ fail: true }), { signal }));
      assert.deepEqual(
        [failed.kind, failed.functionError, failed.errorType, failed.errorMessage],
        ['error', 'Unhandled', 'TypeError', 'no'],
      );
      assert.match(failed.trace[1], /\/var\/task\/index\.js/);
      assert.equal(json(await environment.invoke(invocation({}), { signal })), 'fine');
    });

    it('that end the process say how', async () => {
      const exits = async (code: string) => {
        const { outcome, log } = await once(node(`exports.handler = async () => { ${code} };`));
        return { ...failure(outcome), log };
      };
      const zero = await exits('process.exit(0)');
      assert.equal(zero.errorType, 'Runtime.ExitError');
      assert.match(zero.errorMessage, /^RequestId: \S+ Error: Runtime exited without providing a reason$/);
      const seven = await exits('process.exit(7)');
      assert.match(seven.errorMessage, /Error: Runtime exited with error: exit status 7$/);
      assert.match(seven.log, /REPORT .*\tStatus: error\tError Type: Runtime\.ExitError\n/);
      const killed = await exits(
        `process.kill(process.pid, 'SIGKILL'); await new Promise(() => setTimeout(() => {}, 9999))`,
      );
      assert.match(killed.errorMessage, /Error: Runtime exited with error: signal: killed$/);
    });

    it('of a callback that is never called, and of what is thrown where nobody waits', async () => {
      const never = failure((await once(node('exports.handler = () => new Promise(() => {});'))).outcome);
      assert.equal(never.errorType, 'Runtime.NodeJsExit');
      const thrown = failure(
        (await once(node(`exports.handler = () => { setTimeout(() => { throw new Error('late'); }, 1); };`)))
          .outcome,
      );
      assert.deepEqual([thrown.errorType, thrown.errorMessage], ['Error', 'late']);
      const rejected = failure(
        (
          await once(
            node(
              `exports.handler = async () => { Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 500)); };`,
            ),
          )
        ).outcome,
      );
      assert.equal(rejected.errorType, 'Runtime.UnhandledPromiseRejection');
    });

    it('time out after their time, and the process is gone', async () => {
      const environment = await open(node('exports.handler = async () => { for (;;); };'), {
        timeoutMs: 1_000,
      });
      const outcome = await environment.invoke(invocation({}), { signal });
      const { kind, errorType, errorMessage } = failure(outcome);
      assert.deepEqual([kind, errorType], ['timeout', 'Sandbox.Timedout']);
      assert.match(errorMessage, /^RequestId: \S+ Error: Task timed out after 1\.00 seconds$/);
      assert.equal(outcome.report.durationMs, 1_000);
      assert.match(bench.log.text(environment.logStream), /Z \S+ Task timed out after 1\.00 seconds\n\nEND/);
      await environment.ended;
      await assert.rejects(environment.invoke(invocation({}), { signal }), { reason: ENVIRONMENT_ENDED });
    });

    it('that take more memory than there is are told apart from other exits', async () => {
      const { outcome } = await once(
        node(`exports.handler = async () => { const all = []; for (;;) all.push(Buffer.alloc(8e6, 1)); };`),
        { memoryMb: 128, timeoutMs: 20_000 },
      );
      const { kind, errorType, errorMessage } = failure(outcome);
      assert.deepEqual([kind, errorType], ['exit', 'Runtime.OutOfMemory']);
      assert.match(errorMessage, /signal: killed$/);
      assert.equal(outcome.report.maxMemoryUsedMb, 128);
    });

    it('that use /tmp have a disk, whatever their memory, and ENOSPC when it is full', async () => {
      await using environment = await open(
        node(`const fs = require('fs'); const { createHash } = require('crypto'); exports.handler = async ({ megabytes }) => {
          const fd = fs.openSync('/tmp/x', 'w+'); const part = Buffer.alloc(1 << 20, 'x'); const sum = createHash('sha1'); let written = 0;
          try { for (; written < megabytes; written++) fs.writeSync(fd, part); } catch (error) { return { code: error.code, written }; }
          for (let at = 0; at < written; at++) { fs.readSync(fd, part, 0, part.length, at << 20); sum.update(part); }
          return { written, sum: sum.digest('hex'), names: fs.readdirSync('/tmp'), mode: fs.statSync('/tmp').mode }; };`),
        { memoryMb: 128, timeoutMs: 60_000 },
      );
      const use = async (megabytes: number) =>
        json(await environment.invoke(invocation({ megabytes }), { signal }));
      const sum = createHash('sha1');
      for (let at = 0; at < 500; at++) sum.update(Buffer.alloc(1 << 20, 'x'));
      assert.deepEqual(await use(500), {
        written: 500,
        sum: sum.digest('hex'),
        names: ['x'],
        mode: 0o41777,
      });
      const full = await use(600);
      assert.equal(full.code, 'ENOSPC');
      assert.ok(full.written >= 512 && full.written < 532, `${full.written}`);
      assert.equal((await use(1)).written, 1);
    });

    it('that fork without end are held, and the time-out ends them all', async () => {
      const environment = await open(
        { bootstrap: '#!/bin/bash\nbomb() { bomb | bomb & }\nwhile :; do bomb; done\n' },
        { runtime: 'provided.al2023', timeoutMs: 1_000 },
      );
      const outcome = await environment.invoke(invocation({}), { signal });
      assert.ok(['timeout', 'exit'].includes(outcome.kind));
      await environment[Symbol.asyncDispose]();
    });

    it('that answer more than 6 MB are refused, and can be invoked again', async () => {
      await using environment = await open(node(`exports.handler = async ({ size }) => 'x'.repeat(size);`), {
        timeoutMs: 10_000,
      });
      const { kind, errorType, errorMessage } = failure(
        await environment.invoke(invocation({ size: 6_291_556 }), { signal }),
      );
      assert.deepEqual([kind, errorType], ['error', 'Function.ResponseSizeTooLarge']);
      assert.match(errorMessage, /\(6291556 bytes\)/);
      const fits = await environment.invoke(invocation({ size: 6_291_554 }), { signal });
      assert.equal(fits.payload.byteLength, 6_291_556);
    });

    it('of the code itself have their names', async () => {
      const fails = async (files: Record<string, string>, given?: Given) =>
        failure((await once(files, given)).outcome);
      const missing = await fails({ 'other.js': '' });
      assert.equal(missing.errorType, 'Runtime.ImportModuleError');
      assert.match(missing.errorMessage, /Cannot find module 'index'/);
      assert.equal((await fails(node('exports.handler = ('))).errorType, 'Runtime.UserCodeSyntaxError');
      const absent = await fails(node('exports.other = 1;'));
      assert.deepEqual([absent.kind, absent.errorType], ['exit', 'Runtime.HandlerNotFound']);
      assert.equal(absent.errorMessage, 'index.handler is undefined or not exported');
      const thrown = await fails(node('throw new RangeError("at the top");'));
      assert.deepEqual([thrown.errorType, thrown.errorMessage], ['RangeError', 'at the top']);
      const python = { runtime: 'python3.13' };
      const noModule = await fails({ 'other.py': '' }, python);
      assert.equal(noModule.errorType, 'Runtime.ImportModuleError');
      assert.equal(noModule.errorMessage, "Unable to import module 'index': No module named 'index'");
      assert.equal(
        (await fails({ 'index.py': 'def handler(' }, python)).errorType,
        'Runtime.UserCodeSyntaxError',
      );
      assert.equal((await fails({ 'index.py': 'x = 1' }, python)).errorType, 'Runtime.HandlerNotFound');
    });

    it('of a runtime that cannot be started are an exit, also while it is provisioned', async () => {
      const none = await once({ 'other.txt': '' }, { runtime: 'provided.al2023' });
      assert.equal(failure(none.outcome).errorType, 'Runtime.ExitError');
      const broken = bench.define({ bootstrap: '#!/bin/sh\nexit 3\n' }, { runtime: 'provided.al2023' });
      await assert.rejects(
        bench.environments.open(broken, { initialization: 'provisioned-concurrency', signal }),
        (error: { reason?: string; message: string }) =>
          error.reason === 'FunctionStartError' && /exit status 3/.test(error.message),
      );
    });
  });

  describe('the life of an environment', () => {
    it('counts on from one invocation to the next, and is frozen between them', async () => {
      await using environment = await open(
        node(`let count = 0, ticks = 0; setInterval(() => ticks++, 5);
          exports.handler = async () => ({ count: ++count, ticks });`),
      );
      const first = json(await environment.invoke(invocation({}), { signal }));
      await environment.freeze();
      await new Promise((resolve) => setTimeout(resolve, 300));
      const second = json(await environment.invoke(invocation({}), { signal }));
      assert.deepEqual([first.count, second.count], [1, 2]);
      assert.ok(
        second.ticks - first.ticks < 30,
        `it ticked ${second.ticks - first.ticks} times while it was frozen`,
      );
    });

    it('is frozen as soon as that is asked', async () => {
      await using environment = await open(node('exports.handler = async () => 1;'));
      const durationsMs: number[] = [];
      for (let i = 0; i < 10; i++) {
        await environment.invoke(invocation({}), { signal });
        const startedAtMs = performance.now();
        await environment.freeze();
        durationsMs.push(performance.now() - startedAtMs);
      }
      // On a busy machine the most take longer.
      assert.ok(Math.min(...durationsMs) < 15, `it took ${durationsMs.map(Math.round)} ms`);
    });

    it('runs one invocation at a time', async () => {
      await using environment = await open(
        node(`exports.handler = async () => new Promise((resolve) => setTimeout(resolve, 300));`),
      );
      const running = environment.invoke(invocation({}), { signal });
      await assert.rejects(environment.invoke(invocation({}), { signal }), { code: 'FailedPrecondition' });
      assert.equal((await running).kind, 'response');
    });

    it('says that it has ended, and runs nothing, when its runtime went between two invocations', async () => {
      await using environment = await open(node('exports.handler = async () => 1;'));
      await environment.invoke(invocation({}), { signal });
      const [{ Id = '' } = {}] = await bench.containers.usage();
      for (const pid of processesOf(String(Id))) killIfThere(pid);
      await environment.ended;
      await assert.rejects(environment.invoke(invocation({}), { signal }), { reason: ENVIRONMENT_ENDED });
    });

    it('ends what runs when the invocation is given up', async () => {
      const environment = await open(
        node('exports.handler = () => new Promise(() => setTimeout(() => {}, 9999));'),
      );
      const outcome = await environment.invoke(invocation({}), { signal: AbortSignal.timeout(200) });
      assert.deepEqual([outcome.kind, json(outcome).errorType], ['exit', 'Runtime.ExitError']);
      await environment.ended;
    });

    it('leaves no container behind', async () => {
      const environment = await open(node('exports.handler = async () => 1;'));
      assert.equal(bench.containers.counts().total, 1);
      await environment[Symbol.asyncDispose]();
      await environment[Symbol.asyncDispose]();
      assert.equal(bench.containers.counts().total, 0);
    });
  });

  describe('streamed responses', () => {
    const streaming = node(`exports.handler = awslambda.streamifyResponse(async (event, stream) => {
      if (event.http) stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201 });
      else stream.setContentType('text/plain');
      for (const part of event.parts) { stream.write(part); await new Promise((r) => setTimeout(r, 5)); }
      if (event.fail) throw new Error('in the middle');
      stream.end();
    });`);
    const take = () => {
      const parts: Buffer[] = [];
      let contentType = '';
      return {
        parts,
        type: () => contentType,
        sink: {
          begin: (type: string) => {
            contentType = type;
          },
          write: async (bytes: Uint8Array) => {
            parts.push(Buffer.from(bytes));
          },
        },
      };
    };

    it('go to the sink as they come, or are collected', async () => {
      await using environment = await open(streaming);
      const taker = take();
      const outcome = await environment.invoke(invocation({ parts: ['a', 'b'] }, { sink: taker.sink }), {
        signal,
      });
      assert.deepEqual([outcome.kind, text(outcome), taker.type()], ['response', '', 'text/plain']);
      assert.equal(Buffer.concat(taker.parts).toString(), 'ab');
      assert.ok(taker.parts.length >= 2);
      const collected = await environment.invoke(invocation({ parts: ['c', 'd'] }), { signal });
      assert.equal(text(collected), 'cd');
    });

    it('run to their end also when who takes them is gone', async () => {
      await using environment = await open(streaming);
      const sink = {
        begin: () => {},
        write: async () => {
          throw new Error('the client hung up');
        },
      };
      const outcome = await environment.invoke(invocation({ parts: ['a', 'b'] }, { sink }), { signal });
      assert.equal(outcome.kind, 'response');
      assert.equal(text(await environment.invoke(invocation({ parts: ['c'] }), { signal })), 'c');
    });

    it('have a prelude for HTTP, and trailers for what goes wrong', async () => {
      await using environment = await open(streaming);
      const http = take();
      await environment.invoke(invocation({ parts: ['body'], http: true }, { sink: http.sink }), { signal });
      assert.equal(http.type(), 'application/vnd.awslambda.http-integration-response');
      assert.equal(Buffer.concat(http.parts).toString(), `{"statusCode":201}${'\0'.repeat(8)}body`);
      const failing = take();
      const outcome = await environment.invoke(
        invocation({ parts: ['x'], fail: true }, { sink: failing.sink }),
        { signal },
      );
      assert.deepEqual([outcome.kind, json(outcome).errorMessage], ['error', 'in the middle']);
    });
  });
});
