/** One entry of VirtualService spec.http -> rules. */
import {
  bothMatch,
  type HeaderChanges,
  noHeaderChanges,
  type RequestMatch,
  type RouteAction,
  type RouteRule,
} from "../model/index.ts";
import { parseCors } from "./cors.ts";
import { findDelegate } from "./delegate.ts";
import { parseDestinations } from "./destination.ts";
import type { Draft } from "./draft.ts";
import { parseFault } from "./fault.ts";
import type { Field } from "./field.ts";
import { parseRedirect, parseResponse } from "./fixed-action.ts";
import { parseHeaderChanges } from "./header-changes.ts";
import { parseMirrors } from "./mirror.ts";
import { parseRequestMatch } from "./request-match.ts";
import { parseRetries } from "./retry.ts";
import { parseRewrite } from "./rewrite.ts";
import { splitRoute } from "./route-list.ts";

const read = [
  "name",
  "match",
  "route",
  "redirect",
  "directResponse",
  "delegate",
  "rewrite",
  "timeout",
  "retries",
  "headers",
  "fault",
  "corsPolicy",
  "mirror",
  "mirrors",
  "mirrorPercentage",
  "mirrorPercent",
  "mirror_percent",
];
const actions = ["route", "redirect", "directResponse", "delegate"] as const;

export interface HttpRules {
  /** In place. Empty: wrong, or only for gateways. */
  readonly rules: readonly RouteRule[];
  /** What the list `route` held beyond its rule: goes last. */
  readonly otherwise?: RouteRule;
}

type Common = Omit<RouteRule, "name" | "matches" | "action" | "origin">;
const plain: Common = { requestHeaders: noHeaderChanges, responseHeaders: noHeaderChanges };

interface Context {
  readonly draft: Draft;
  readonly namespace: string;
  /** The rules are a delegate's: they may not delegate further. */
  readonly delegated: boolean;
}

export function parseHttpRule(draft: Draft, field: Field, namespace: string, delegated = false): HttpRules {
  field.object().rest(read);
  const given = actions.filter((a) => field.at(a).present);
  if (given.length !== 1) {
    const message =
      given.length === 0
        ? `one of ${actions.join(", ")} is required`
        : `${given.join(" and ")} exclude each other`;
    field.error({ code: given.length === 0 ? "required" : "one-of", message });
    return { rules: [] };
  }
  const context = { draft, namespace, delegated };
  const matches = parseMatches(field.at("match"));
  const common = parseCommon(context, field);
  if (given[0] === "delegate") return { rules: delegate(context, field, matches, common) };
  const base = { name: field.at("name").text() ?? "", origin: field.report.origin(field.path) };
  if (given[0] === "route") return routed(context, field, base, { matches, common });
  const action =
    given[0] === "redirect" ? parseRedirect(field.at("redirect")) : parseResponse(field.at("directResponse"));
  if (given[0] === "redirect" && field.at("rewrite").present)
    field.at("rewrite").error({ code: "one-of", message: "a redirect has its own uri and authority" });
  return {
    rules: matches === undefined || action === undefined ? [] : [{ ...base, matches, ...common, action }],
  };
}

interface Parts {
  readonly matches: readonly RequestMatch[] | undefined;
  readonly common: Common;
}

function routed(
  context: Context,
  field: Field,
  base: Pick<RouteRule, "name" | "origin">,
  { matches, common }: Parts,
): HttpRules {
  const { own, otherwise } = splitRoute(field.at("route"));
  const rules = matches === undefined ? [] : [{ ...base, matches, ...forward(context, own, field, common) }];
  if (field.at("route").items().length === 0)
    field.at("route").error({ code: "required", message: "at least one destination is required" });
  if (otherwise.length === 0) return { rules };
  const origin = field.report.origin(otherwise[0]!.path);
  const rest = forward(context, otherwise, field, plain);
  return { rules, otherwise: { name: "", matches: [], origin, ...rest } };
}

function forward(
  { draft, namespace }: Context,
  entries: readonly Field[],
  field: Field,
  common: Common,
): Common & { readonly action: RouteAction } {
  const to = parseDestinations(draft, entries, field.at("route"), namespace);
  if (common.timeoutMs === undefined && (common === plain || !field.at("timeout").present))
    (entries[0] !== undefined && common === plain ? entries[0] : field).note({
      code: "no-timeout",
      message: "has no limit for the whole request",
      fix: "set timeout",
    });
  const authority = common.rewrite?.authority ?? to.authority;
  return {
    ...common,
    ...(authority !== undefined && { rewrite: { ...common.rewrite, authority } }),
    requestHeaders: joinChanges(common.requestHeaders, to.requestHeaders),
    responseHeaders: joinChanges(common.responseHeaders, to.responseHeaders),
    action: { kind: "forward", destinations: to.destinations },
  };
}

export function joinChanges(a: HeaderChanges, b: HeaderChanges): HeaderChanges {
  return { set: [...a.set, ...b.set], add: [...a.add, ...b.add], remove: [...a.remove, ...b.remove] };
}

/** Undefined: all of the matches are for gateways only. */
function parseMatches(field: Field): readonly RequestMatch[] | undefined {
  const items = field.items();
  const matches = items.flatMap((item) => parseRequestMatch(item) ?? []);
  return items.length > 0 && matches.length === 0 ? undefined : matches;
}

function parseCommon({ draft, namespace }: Context, field: Field): Common {
  const timeout = field.at("timeout").durationMs({ zero: true });
  const headers = parseHeaderChanges(field.at("headers"));
  const rewrite = parseRewrite(field.at("rewrite"), headers.authority);
  const mirrors = parseMirrors(draft, field, namespace);
  const fault = parseFault(field.at("fault"));
  const cors = parseCors(field.at("corsPolicy"));
  return {
    ...(timeout !== undefined && timeout > 0 && { timeoutMs: timeout }),
    ...(field.at("retries").present && { retries: parseRetries(field.at("retries")) }),
    ...(rewrite && { rewrite }),
    ...(mirrors.length > 0 && { mirrors }),
    ...(fault && { fault }),
    ...(cors && { cors }),
    requestHeaders: headers.request,
    responseHeaders: headers.response,
  };
}

/** Fields of a rule that a delegate takes over where it does not say anything itself (Istio). */
const inherited = [
  ["timeout", "timeoutMs"],
  ["retries", "retries"],
  ["rewrite", "rewrite"],
  ["mirror", "mirrors"],
  ["fault", "fault"],
  ["corsPolicy", "cors"],
  ["headers", "requestHeaders"],
  ["headers", "responseHeaders"],
] as const satisfies readonly (readonly [string, keyof Common])[];

/** The rules of another VirtualService in place of this one, each with both conditions. */
function delegate(
  context: Context,
  field: Field,
  matches: readonly RequestMatch[] | undefined,
  common: Common,
): readonly RouteRule[] {
  const place = field.at("delegate");
  if (context.delegated) {
    place.error({
      code: "nested-delegate",
      message: "a VirtualService that is delegated to cannot delegate further",
      fix: "write the rule here, or delegate from the VirtualService that names the hosts",
    });
    return [];
  }
  const target = findDelegate(context.draft, place, context.namespace);
  if (matches === undefined || target === undefined) return [];
  const name = field.at("name").text() ?? "";
  const origin = field.report.origin(`${field.path}.delegate`);
  if ("missing" in target) {
    const action = { kind: "respond", status: 503, body: target.missing } as const;
    return [{ name, matches, ...common, action, origin }];
  }
  return target.items.flatMap((item) => {
    const { rules } = parseHttpRule(context.draft, item, target.namespace, true);
    return rules.flatMap((rule) => {
      const both = bothMatch(matches, rule.matches);
      if (both === undefined) {
        place.warn({
          code: "never-matches",
          message: `no request meets both this rule and ${rule.origin.object} ${rule.origin.field}`,
        });
        return [];
      }
      const taken = inherited.filter(([key]) => !item.at(key).present && !item.at(`${key}s`).present);
      return {
        ...rule,
        ...Object.fromEntries(taken.flatMap(([, k]) => (common[k] === undefined ? [] : [[k, common[k]]]))),
        name: rule.name === "" ? name : name === "" ? rule.name : `${name}-${rule.name}`,
        matches: both,
      };
    });
  });
}
