/**
 * Joins scopes: one for each resource, with all the actions that were named for it, in the order they came.
 * @see https://distribution.github.io/distribution/spec/auth/scope/
 */
export function mergeScopes(...sets: readonly (readonly string[])[]): string[] {
  const actionsOf = new Map<string, Set<string>>();
  for (const scope of sets.flat()) {
    const colon = scope.lastIndexOf(':');
    if (colon <= 0) continue;
    const resource = scope.slice(0, colon);
    const actions = actionsOf.get(resource) ?? new Set<string>();
    for (const action of scope.slice(colon + 1).split(',')) if (action !== '') actions.add(action);
    actionsOf.set(resource, actions);
  }
  return [...actionsOf].map(([resource, actions]) => `${resource}:${[...actions].join(',')}`);
}

/** The scopes of a challenge: parted by blanks. */
export const parseScopes = (text: string | undefined): readonly string[] =>
  text === undefined ? [] : text.split(/\s+/).filter((scope) => scope !== '');

/** Whether everything in `wanted` is in `given`. */
export function coversScopes(given: readonly string[], wanted: readonly string[]): boolean {
  return mergeScopes(given, wanted).join(' ') === mergeScopes(given).join(' ');
}
