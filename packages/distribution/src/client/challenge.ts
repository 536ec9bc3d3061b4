/** One way to be let in that a `WWW-Authenticate` header offers. */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const UNQUOTED = /[^\s,"]+/y;
const EQUALS = /[ \t]*=[ \t]*/y;
const GAP = /[ \t]*/y;
const SEPARATORS = /[ \t,]*/y;

/**
 * Reads a `WWW-Authenticate` header with any number of challenges. What is malformed ends the reading; the challenges
 * before it count. (`http-auth-utils` refuses the parameter `service`, which every registry sends, and joins several
 * challenges into one.)
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  let parameters: Record<string, string> | undefined;
  for (take(SEPARATORS); at < header.length; take(SEPARATORS)) {
    const name = take(TOKEN)?.[0].toLowerCase();
    if (name === undefined) break;
    if (take(EQUALS) === null) {
      parameters = Object.create(null) as Record<string, string>;
      challenges.push({ scheme: name, parameters });
      take(GAP);
      continue;
    }
    const value = take(QUOTED)?.[1]?.replace(/\\(.)/g, '$1') ?? take(UNQUOTED)?.[0];
    if (parameters === undefined || value === undefined) break;
    parameters[name] ??= value;
  }
  return challenges;
}
