/** A host's rules for one caller: routes, refined by profiles. */
import {
  bothMatch,
  carries,
  entryFor,
  type HostRoutes,
  noHeaderChanges,
  type Origin,
  type RequestMatch,
  type RouteRule,
  type Scopes,
  type SidecarScope,
} from "../model/index.ts";
import type { ProxyNode } from "./types.ts";

export interface RuleIndex {
  readonly routes: Scopes<HostRoutes>;
  readonly profiles: Scopes<HostRoutes>;
}

/** Who calls. */
export interface Caller {
  readonly kind: ProxyNode["kind"];
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Absent: it is told of everything that is exported to its namespace. */
  readonly scope?: SidecarScope;
}

export interface ComposedRule extends RouteRule {
  /** The profile's route that gave limits and retries to a rule of a route object. */
  readonly refinedBy?: Origin;
}

/** Always ends with a rule without a match, unless the host's own object has none. */
export function rulesFor(
  index: RuleIndex,
  host: string,
  caller: Caller,
  service: { readonly origin: Origin } | undefined,
): readonly ComposedRule[] {
  const routes = entryFor(index.routes, host, caller.namespace);
  const profile = entryFor(index.profiles, host, caller.namespace);
  const own: readonly RouteRule[] = routes?.rules ?? (service ? [defaultRule(host, service.origin)] : []);
  const refinements = profile?.rules ?? [];
  const routed = routes !== undefined;
  return own.flatMap((rule) => [
    ...(rule.action.kind === "forward" ? refinements.flatMap((p) => refine(rule, p, routed) ?? []) : []),
    rule,
  ]);
}

function defaultRule(host: string, origin: Origin): RouteRule {
  return {
    name: "default",
    matches: [],
    action: { kind: "forward", destinations: [{ host, weight: 100, origin }] },
    requestHeaders: noHeaderChanges,
    responseHeaders: noHeaderChanges,
    origin,
  };
}

/** Both conditions; the rule's destinations; the profile's limits where the rule is silent. */
function refine(rule: RouteRule, profile: RouteRule, routed: boolean): ComposedRule | undefined {
  const matches = bothMatch(rule.matches, profile.matches);
  if (matches === undefined) return undefined;
  const timeoutMs = rule.timeoutMs ?? profile.timeoutMs;
  const retries = rule.retries ?? profile.retries;
  return {
    ...rule,
    name: routed && rule.name !== "" ? `${rule.name}/${profile.name}` : profile.name,
    matches,
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(retries !== undefined && { retries }),
    origin: routed ? rule.origin : profile.origin,
    ...(routed && { refinedBy: profile.origin }),
  };
}

/** The matches that can hold for this caller on this port; undefined when none can. */
export function applicable(
  rule: RouteRule,
  caller: Caller,
  port: number,
): readonly RequestMatch[] | undefined {
  if (rule.matches.length === 0) return [];
  const left = rule.matches.filter(
    (m) =>
      (m.port === undefined || m.port === port) &&
      (m.sourceNamespace === undefined || m.sourceNamespace === caller.namespace) &&
      carries(caller.labels, m.sourceLabels),
  );
  return left.length === 0 ? undefined : left;
}
