import { defineCommand, ExitError } from '../command.ts';

const SCRIPTS: Readonly<Record<string, string>> = {
  // bash takes : and = as words of their own, and replaces only what follows them.
  bash: `_slipway() {
  local IFS=$'\\n' words=() word glue= at
  for ((at = 1; at <= COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    if ((\${#words[@]})) && [[ $glue || $word == [:=]* ]]; then words[-1]+=$word; else words+=("$word"); fi
    [[ $word == *[:=] ]] && glue=1 || glue=
  done
  COMPREPLY=($(slipway __complete -- "\${words[@]}" 2>/dev/null))
  local current=\${words[-1]}
  [[ $COMP_WORDBREAKS == *:* ]] && COMPREPLY=("\${COMPREPLY[@]#"\${current%"\${current##*[:=]}"}"}")
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
  fish: `function __slipway_find
  set -g __slipway_found (slipway __complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)
  test -n "$__slipway_found"
end
complete -c slipway -f -n __slipway_find -a '$__slipway_found'
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
