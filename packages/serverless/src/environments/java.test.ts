import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { HostPath } from '@slipway/base';
import { invocation, openFunctionsBench } from './testing-engine.ts';

const signal = new AbortController().signal;
/** The functions of these tests are compiled here; a host that has it not passes over them, unless it is to test all. */
const isMissing = !existsSync('/usr/bin/javac') && process.env.CI === undefined;
const INTERFACES = join(import.meta.dirname, '../../runtimes/java');

const SOURCE = `package example;
import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.util.*;
public class Hello implements RequestHandler<Map<String, Object>, Map<String, Object>> {
  public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
    context.getLogger().log("two\\nlines");
    return Map.of("event", event, "id", context.getAwsRequestId(), "memory", context.getMemoryLimitInMB());
  }
  public record Item(String name, List<Double> prices) {}
  public static class Order {
    private int count; private Item item;
    public int getCount() { return count; } public void setCount(int count) { this.count = count; }
    public Item getItem() { return item; } public void setItem(Item item) { this.item = item; }
  }
  public Order add(Order order) {
    if (order.count < 0) throw new IllegalArgumentException("negative", new RuntimeException("cause"));
    order.count++;
    return order;
  }
  public static class Streams implements RequestStreamHandler {
    public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException { out.write(in.readAllBytes()); }
  }
}
`;

describe('the runtime client of Java', { skip: isMissing }, () => {
  it('takes handlers of maps, of their own classes and of streams, and tells of what they throw', async () => {
    await using bench = await openFunctionsBench('java', ['java17']);
    const source = bench.folder({ 'example/Hello.java': SOURCE });
    const code = bench.folder({ 'empty.txt': '' });
    const sources = [INTERFACES, source].join(':');
    execFileSync('javac', [
      '-proc:none',
      '--release',
      '17',
      '-sourcepath',
      sources,
      '-d',
      code,
      join(source, 'example/Hello.java'),
    ]);
    const run = async (handler: string, event: unknown) => {
      const version = bench.define({}, { runtime: 'java17', handler, memoryMb: 512, timeoutMs: 10_000 });
      const withCode = { ...version, code: { ...version.code, folder: code as HostPath } } as typeof version;
      await using environment = await bench.environments.open(withCode, {
        initialization: 'on-demand',
        signal,
      });
      const outcome = await environment.invoke(invocation(event), { signal });
      return {
        kind: outcome.kind,
        answer: JSON.parse(Buffer.from(outcome.payload).toString()),
        log: bench.log.text(environment.logStream),
      };
    };
    const maps = await run('example.Hello', { text: 'ü', list: [1, 2.5, null, true] });
    assert.deepEqual(maps.answer.event, { text: 'ü', list: [1, 2.5, null, true] });
    assert.equal(maps.answer.memory, 512);
    assert.match(maps.log, /START .*\ntwo\nlines\nEND/);
    const own = await run('example.Hello::add', { count: 1, item: { name: 'x', prices: [1, 2.5] } });
    assert.deepEqual(own.answer, { count: 2, item: { name: 'x', prices: [1, 2.5] } });
    const thrown = await run('example.Hello::add', { count: -1 });
    assert.equal(thrown.kind, 'error');
    assert.deepEqual(
      [thrown.answer.errorType, thrown.answer.errorMessage, thrown.answer.cause.errorMessage],
      ['java.lang.IllegalArgumentException', 'negative', 'cause'],
    );
    assert.deepEqual(thrown.answer.stackTrace, ['example.Hello.add(Hello.java:17)']);
    assert.deepEqual((await run('example.Hello$Streams', { as: 'is' })).answer, { as: 'is' });
    const absent = await run('example.Nope', {});
    assert.deepEqual([absent.kind, absent.answer.errorType], ['exit', 'Runtime.ImportModuleError']);
    assert.equal((await run('example.Hello::nope', {})).answer.errorType, 'Runtime.HandlerNotFound');
  });
});
