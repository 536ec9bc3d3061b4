import { SlipwayError } from '@slipway/base';
import createRouter, { type HTTPMethod } from 'find-my-way';
import type { ApiVersion, Route } from './route.ts';
import { compareVersions } from './version.ts';

export interface RouteMatch {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** Paths below one `*` of the same method and prefix: the router finds the prefix, the suffix decides. */
interface WildcardGroup {
  /** Longest suffix first, so that the bare `*` comes last. */
  readonly routes: { readonly suffix: string; readonly route: Route }[];
}

/** Archive paths and image names are long, and the URL as a whole is bounded by the server. */
const MAX_PARAM_LENGTH = 65_536;

/**
 * Finds the route of a request. Patterns are find-my-way's, and a `*` may also stand in the middle
 * (`/images/* /json` without the blank), where it takes slashes too, as image names need it.
 */
export class Router {
  readonly #router = createRouter({ maxParamLength: MAX_PARAM_LENGTH });
  readonly #groups = new Map<string, WildcardGroup>();

  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#add(route);
  }

  /** The route for this path that `version` already had. */
  find(method: string, path: string, version: ApiVersion): RouteMatch | undefined {
    const match = this.#match(method, path);
    const since = match?.route.since;
    return since !== undefined && compareVersions(version, since) < 0 ? undefined : match;
  }

  #match(method: string, path: string): RouteMatch | undefined {
    const found = this.#router.find(method as HTTPMethod, path);
    if (found === null) return undefined;
    const params = found.params as Record<string, string>;
    if (!isGroup(found.store)) return { route: found.store as Route, params };
    const wildcard = params['*'] ?? '';
    for (const { suffix, route } of found.store.routes) {
      if (wildcard.length > suffix.length && wildcard.endsWith(suffix)) {
        return {
          route,
          params: { ...params, '*': suffix === '' ? wildcard : wildcard.slice(0, -suffix.length) },
        };
      }
    }
    return undefined;
  }

  #add(route: Route): void {
    const star = route.path.indexOf('*');
    if (star === -1) {
      this.#router.on(route.method, route.path, unused, route);
      return;
    }
    const prefix = route.path.slice(0, star + 1);
    const key = `${route.method} ${prefix}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { routes: [] };
      this.#groups.set(key, group);
      this.#router.on(route.method, prefix, unused, group);
    }
    const suffix = route.path.slice(star + 1);
    if (group.routes.some((other) => other.suffix === suffix)) {
      throw new SlipwayError('AlreadyExists', `route ${route.method} ${route.path} is declared twice`);
    }
    group.routes.push({ suffix, route });
    group.routes.sort((a, b) => b.suffix.length - a.suffix.length);
  }
}

const isGroup = (store: unknown): store is WildcardGroup =>
  typeof store === 'object' && store !== null && 'routes' in store;

const unused = () => {};
