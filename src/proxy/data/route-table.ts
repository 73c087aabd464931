/** A route configuration compiled: hosts by exact map, then wildcards longest first; routes in order. */
import type { RetryPolicy, RouteConfig, RouteTableConfig, VirtualHostConfig } from "../config/index.ts";
import {
  compileHeader,
  compileQuery,
  compileRegex,
  compileString,
  type RequestMatcher,
  type RequestView,
} from "./match.ts";
import { type CompiledRetry, compileRetry } from "./retry-policy.ts";
import { compileRewrite, type PathRewrite } from "./rewrite.ts";

export interface CompiledRoute {
  readonly config: RouteConfig;
  readonly virtualHost: CompiledVirtualHost;
  readonly retry: CompiledRetry | null;
  readonly matches: RequestMatcher;
  readonly rewritePath: PathRewrite | null;
}

export interface CompiledVirtualHost {
  readonly config: VirtualHostConfig;
  readonly routes: readonly CompiledRoute[];
}

interface WildcardDomain {
  readonly text: string;
  readonly host: CompiledVirtualHost;
}

/** Immutable once built; requests keep the table they began with. */
export class RouteTable {
  readonly name: string;
  private readonly exact: ReadonlyMap<string, CompiledVirtualHost>;
  private readonly suffixes: readonly WildcardDomain[];
  private readonly prefixes: readonly WildcardDomain[];
  private readonly any: CompiledVirtualHost | null;

  constructor(config: RouteTableConfig, previousRetries?: Map<string, CompiledRetry>) {
    this.name = config.name;
    const exact = new Map<string, CompiledVirtualHost>();
    const suffixes: WildcardDomain[] = [];
    const prefixes: WildcardDomain[] = [];
    let any: CompiledVirtualHost | null = null;
    for (const vhost of config.virtualHosts) {
      const host = compileVirtualHost(vhost, previousRetries);
      for (const domain of vhost.domains) {
        if (domain === "*") any = host;
        else if (domain.startsWith("*")) suffixes.push({ text: domain.slice(1), host });
        else if (domain.endsWith("*")) prefixes.push({ text: domain.slice(0, -1), host });
        else exact.set(domain, host);
      }
    }
    const longest = (a: WildcardDomain, b: WildcardDomain): number => b.text.length - a.text.length;
    this.exact = exact;
    this.suffixes = suffixes.sort(longest);
    this.prefixes = prefixes.sort(longest);
    this.any = any;
  }

  /** Envoy's order: exact, longest suffix wildcard, longest prefix wildcard, `*`. `authority` in lower case, with its port. */
  findHost(authority: string): CompiledVirtualHost | null {
    const found = this.exact.get(authority);
    if (found) return found;
    // A wildcard stands for at least one character.
    for (const { text, host } of this.suffixes) {
      if (authority.length > text.length && authority.endsWith(text)) return host;
    }
    for (const { text, host } of this.prefixes) {
      if (authority.length > text.length && authority.startsWith(text)) return host;
    }
    return this.any;
  }

  find(request: RequestView): CompiledRoute | null {
    const host = this.findHost(request.authority.toLowerCase());
    return host ? findRoute(host, request) : null;
  }
}

export function findRoute(host: CompiledVirtualHost, request: RequestView): CompiledRoute | null {
  const { routes } = host;
  for (let i = 0; i < routes.length; i++) {
    const route = routes[i]!;
    if (route.matches(request)) return route;
  }
  return null;
}

function compileVirtualHost(
  config: VirtualHostConfig,
  retries: Map<string, CompiledRetry> | undefined,
): CompiledVirtualHost {
  const routes: CompiledRoute[] = [];
  const host: CompiledVirtualHost = { config, routes };
  for (const route of config.routes) {
    const policy = route.action.kind === "route" ? route.action.retry : undefined;
    routes.push(
      Object.freeze({
        config: route,
        virtualHost: host,
        retry: policy ? sharedRetry(policy, retries) : null,
        matches: compileMatch(route),
        rewritePath: compileRewrite(route),
      }),
    );
  }
  return host;
}

/** Routes with one and the same policy share its compiled form. */
function sharedRetry(policy: RetryPolicy, cache: Map<string, CompiledRetry> | undefined): CompiledRetry {
  if (!cache) return compileRetry(policy);
  const key = JSON.stringify(policy);
  let found = cache.get(key);
  if (!found) {
    found = compileRetry(policy);
    cache.set(key, found);
  }
  return found;
}

function compileMatch(route: RouteConfig): RequestMatcher {
  const path = compilePath(route);
  const rest = [...route.match.headers.map(compileHeader), ...route.match.query.map(compileQuery)];
  if (rest.length === 0) return path;
  if (rest.length === 1) {
    const only = rest[0]!;
    return (r) => path(r) && only(r);
  }
  return (r) => {
    if (!path(r)) return false;
    for (let i = 0; i < rest.length; i++) if (!rest[i]!(r)) return false;
    return true;
  };
}

function pathOnly(path: string): string {
  const at = path.indexOf("?");
  return at === -1 ? path : path.slice(0, at);
}

/** Paths match without their query (Envoy). */
function compilePath(route: RouteConfig): RequestMatcher {
  const { path, ignoreCase } = route.match;
  switch (path.kind) {
    case "connect":
      return (r) => r.method === "CONNECT";
    case "regex": {
      const matches = compileRegex(path.value, ignoreCase === true);
      return (r) => matches(pathOnly(r.path));
    }
    case "exact": {
      const matches = compileString({ kind: "exact", value: path.value, ignoreCase: ignoreCase === true });
      return (r) => matches(pathOnly(r.path));
    }
    case "prefix": {
      if (path.value === "/" || path.value === "") return (r) => r.path !== "";
      const matches = compileString({ kind: "prefix", value: path.value, ignoreCase: ignoreCase === true });
      return (r) => matches(pathOnly(r.path));
    }
    case "pathSeparatedPrefix": {
      const value = path.value.endsWith("/") ? path.value.slice(0, -1) : path.value;
      const wanted = ignoreCase ? value.toLowerCase() : value;
      return (r) => {
        const plain = ignoreCase ? pathOnly(r.path).toLowerCase() : pathOnly(r.path);
        return plain.startsWith(wanted) && (plain.length === wanted.length || plain[wanted.length] === "/");
      };
    }
  }
}
