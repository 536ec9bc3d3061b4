import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { checkoutRoot } from '../architecture/source-files.ts';
import { without } from './harness/peers.ts';
import { useEngine } from './harness/suite.ts';
import { Terminal } from './harness/terminal.ts';

const engine = await useEngine();
const PATH = `${join(checkoutRoot, 'script')}:${process.env.PATH}`;

/** What the shell's own completion makes of a line whose end is being typed. */
const LINES: readonly (readonly [line: string, expected: readonly string[]])[] = [
  ['slipway imag', ['image', 'images']],
  ['slipway volume i', ['inspect']],
  ['slipway ps --no-t', ['--no-trunc']],
  ['slipway rm compl', ['completed']],
  ['slipway run --network ho', ['host']],
  ['slipway run --pull=al', ['--pull=always']],
  ['slipway image inspect busybox:la', ['busybox:latest']],
];

before(async () => {
  await engine.mustDocker('create', '--name', 'completed', 'busybox');
});

test('bash completes commands, flags, values and names', async () => {
  // As readline does: words end at the characters of COMP_WORDBREAKS, and only the last one is replaced.
  const script = `
    source <(slipway completion bash)
    complete -p slipway >&2 || exit 1
    while IFS= read -r line; do
      COMP_LINE=$line; spaced=\${line//:/ : }; spaced=\${spaced//=/ = }
      read -ra COMP_WORDS <<< "$spaced"; COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
      _slipway
      kept=\${COMP_WORDS[COMP_CWORD]}
      echo "\${line% *} -> \${COMPREPLY[*]/#/\${line%"$kept"}}"
    done`;
  const input = LINES.map(([line]) => `${line}\n`).join('');
  const result = await engine.run(['bash', '-c', script], { env: { PATH }, input });
  assert.equal(result.code, 0, result.stderr);
  const expected = LINES.map(([line, words]) => {
    const start = line.slice(0, line.lastIndexOf(' ') + 1);
    return `${start.trimEnd()} -> ${words.map((word) => start + word).join(' ')}`;
  });
  assert.deepEqual(result.text.split('\n'), expected);
});

test('fish completes the same', { skip: without('fish') }, async () => {
  // A file is offered only where nothing else is.
  writeFileSync(join(engine.root, 'inspect-me'), '');
  const lines = [...LINES, ['slipway load -i ins', ['inspect-me']]] as const;
  for (const [line, expected] of lines) {
    const script = `slipway completion fish | source; complete -C '${line}'`;
    const result = await engine.run(['fish', '--no-config', '-c', script], {
      env: { PATH },
      cwd: engine.root,
    });
    assert.deepEqual(result.text.split('\n').sort(), expected, `${line}\n${result.stderr}`);
  }
});

test('zsh completes at its prompt', { skip: without('zsh') }, async () => {
  const rc = join(engine.root, 'zshrc');
  writeFileSync(rc, 'PS1="ready "; autoload -U compinit; compinit -u -D; source <(slipway completion zsh)\n');
  await using zsh = new Terminal(['zsh', '-f'], { ...engine.env, PATH });
  zsh.type(`source ${rc}\r`);
  await zsh.waitFor(/ready .*$/);
  zsh.type('echo slipway-is-$((1+1)); : slipway\r');
  await zsh.waitFor('slipway-is-2');
  zsh.type('slipway rm compl\t');
  await zsh.waitFor(/rm compl\S*eted/);
  zsh.type('\u0015slipway volume insp\t');
  await zsh.waitFor(/volume inspect/);
});
