import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from './command.ts';
import { COMMANDS } from './commands.ts';
import { findCommand } from './find-command.ts';
import { commandHelp } from './help.ts';

async function* leaves(node: Node, path: readonly string[] = []): AsyncGenerator<readonly string[]> {
  if (!('commands' in node)) {
    yield path;
    return;
  }
  for (const [word, below] of Object.entries(node.commands)) yield* leaves(below, [...path, word]);
}

test('every command of the table loads, and says what it does with examples that name a command', async () => {
  for await (const path of leaves(COMMANDS.root)) {
    const { node } = findCommand(COMMANDS, path);
    assert.ok(!('commands' in node), path.join(' '));
    const { default: command } = await node.load();
    assert.doesNotMatch(command.summary, /\.$/, path.join(' '));
    assert.match(commandHelp(path, command, String), /^Usage: {2}slipway /);
    for (const [line] of command.examples) {
      const named = findCommand(COMMANDS, line.split(' '));
      assert.ok(!('commands' in named.node), `slipway ${path.join(' ')} shows 'slipway ${line}'`);
    }
  }
});

test('no command gives one letter to two flags', async () => {
  for await (const path of leaves(COMMANDS.root)) {
    const { node } = findCommand(COMMANDS, path);
    if ('commands' in node) continue;
    const letters = Object.values((await node.load()).default.flags).flatMap(({ short }) => short ?? []);
    assert.equal(new Set(letters).size, letters.length, path.join(' '));
  }
});

test('docker’s other spellings reach the same command', () => {
  const same = (a: string, b: string) =>
    assert.equal(findCommand(COMMANDS, a.split(' ')).node, findCommand(COMMANDS, b.split(' ')).node);
  same('volume list', 'volume ls');
  same('network remove', 'network rm');
  same('container ps', 'ps');
  same('image rm', 'rmi');
  same('image ls', 'images');
});
