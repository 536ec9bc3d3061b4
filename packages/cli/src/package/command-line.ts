/** Words that mean the same without a shell. */
const PLAIN = /^[\w./:=@,+%-]+$/;
/** What a shell would have to stay for. */
const SEVERAL = /[;&|]/;

/** A command line as a Dockerfile's CMD, without a shell where none is needed, so that signals reach the program. */
export function cmd(line: string): string {
  const words = line.trim().split(/\s+/);
  if (words.every((word) => PLAIN.test(word)) && !/^\w+=/.test(words[0] as string)) return cmdOf(words);
  return cmdOf(['sh', '-c', SEVERAL.test(line) ? line.trim() : `exec ${line.trim()}`]);
}

/** CMD of these words. */
export const cmdOf = (words: readonly string[]): string => `CMD ${jsonWords(words)}`;

/** `["a", "b"]`, as Dockerfiles are written. */
export const jsonWords = (words: readonly string[]): string =>
  `[${words.map((word) => JSON.stringify(word)).join(', ')}]`;

/** The command of the Procfile's process `web`, else of its first. */
export function procfileCommand(text: string | undefined): string | undefined {
  const lines = (text ?? '').split('\n').flatMap((line) => {
    const match = /^([\w-]+):\s*(\S.*?)\s*$/.exec(line);
    return match === null ? [] : [{ name: match[1], command: match[2] as string }];
  });
  return (lines.find(({ name }) => name === 'web') ?? lines[0])?.command;
}
