import { defineCommand, ExitError } from '../command.ts';

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_slipway() {
  local IFS=$'\\n'
  COMPREPLY=($(slipway __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  __ltrim_colon_completions "\${COMP_WORDS[COMP_CWORD]}" 2>/dev/null || true
}
complete -o default -F _slipway slipway
`,
  zsh: `#compdef slipway
_slipway() {
  local -a found
  found=("\${(@f)$(slipway __complete -- "\${words[@]:1:$((CURRENT - 1))}" 2>/dev/null)}")
  found=("\${(@)found:#}")
  if (( \${#found} )); then compadd -a found; else _files; fi
}
compdef _slipway slipway
`,
  fish: `complete -c slipway -a '(slipway __complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
};

export default defineCommand({
  summary: 'Print a script that completes command lines in a shell',
  arguments: { usage: 'bash|zsh|fish', min: 1, max: 1, complete: ['bash', 'zsh', 'fish'] },
  flags: {},
  examples: [['completion bash > /etc/bash_completion.d/slipway', 'for every new bash']],
  async run({ stdout }, { args }) {
    const script = SCRIPTS[args[0] as string];
    if (script === undefined)
      throw new ExitError(1, `no completion for "${args[0]}": bash, zsh and fish have one`);
    stdout.write(script);
  },
});
