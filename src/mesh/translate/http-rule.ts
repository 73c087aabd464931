/** One entry of VirtualService spec.http -> rules. */
import {
  type HeaderChanges,
  noHeaderChanges,
  type RequestMatch,
  type RouteAction,
  type RouteRule,
} from "../model/index.ts";
import { parseDestinations } from "./destination.ts";
import type { Draft } from "./draft.ts";
import type { Field } from "./field.ts";
import { parseHeaderChanges } from "./header-changes.ts";
import { maxResponseBytes } from "./limits.ts";
import { parseRequestMatch } from "./request-match.ts";
import { parseRetries } from "./retry.ts";
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
];
const actions = ["route", "redirect", "directResponse", "delegate"] as const;
/** What may stand in a request line or a Location header without ending it. */
const pathText = /^\/[\x21-\x7e]*$/;
const authorityText = /^[A-Za-z0-9_.-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/;
const redirectCodes = [301, 302, 303, 307, 308];

export interface HttpRules {
  /** In place. Absent: wrong, or only for gateways. */
  readonly rule?: RouteRule;
  /** What the list `route` held beyond its rule: goes last. */
  readonly otherwise?: RouteRule;
}

export function parseHttpRule(draft: Draft, field: Field, namespace: string): HttpRules {
  field.object().rest(read);
  const given = actions.filter((a) => field.at(a).present);
  if (given.length !== 1) {
    field.error({
      code: given.length === 0 ? "required" : "one-of",
      message:
        given.length === 0
          ? "one of route, redirect, directResponse is required"
          : `${given.join(" and ")} exclude each other`,
    });
    return {};
  }
  const matches = parseMatches(field.at("match"));
  const common = parseCommon(field);
  const name = field.at("name").text() ?? "";
  const origin = field.report.origin(field.path);
  const base = { name, matches: matches ?? [], origin };
  if (given[0] !== "route") {
    const action = fixedAction(field, given[0]!);
    return matches === undefined || action === undefined ? {} : { rule: { ...base, ...common, action } };
  }
  const { own, otherwise } = splitRoute(field.at("route"));
  const rules: { rule?: RouteRule; otherwise?: RouteRule } = {};
  if (matches !== undefined) rules.rule = { ...base, ...forward(draft, own, field, namespace, common) };
  if (otherwise.length > 0) {
    const place = field.report.origin(otherwise[0]!.path);
    const rest = forward(draft, otherwise, field, namespace, plain);
    rules.otherwise = { name: "", matches: [], origin: place, ...rest };
  }
  if (field.at("route").items().length === 0)
    field.at("route").error({ code: "required", message: "at least one destination is required" });
  return rules;
}

type Common = Pick<RouteRule, "timeoutMs" | "retries" | "rewrite" | "requestHeaders" | "responseHeaders">;
const plain: Common = { requestHeaders: noHeaderChanges, responseHeaders: noHeaderChanges };

function forward(
  draft: Draft,
  entries: readonly Field[],
  field: Field,
  namespace: string,
  common: Common,
): Common & { readonly action: RouteAction } {
  const to = parseDestinations(draft, entries, field.at("route"), namespace);
  if (common.timeoutMs === undefined && (common === plain || !field.at("timeout").present))
    (entries[0] !== undefined && common === plain ? entries[0] : field).note({
      code: "no-timeout",
      message: "has no limit for the whole request",
      fix: "set timeout",
    });
  return {
    ...common,
    requestHeaders: joinChanges(common.requestHeaders, to.requestHeaders),
    responseHeaders: joinChanges(common.responseHeaders, to.responseHeaders),
    action: { kind: "forward", destinations: to.destinations },
  };
}

function joinChanges(a: HeaderChanges, b: HeaderChanges): HeaderChanges {
  return { set: [...a.set, ...b.set], add: [...a.add, ...b.add], remove: [...a.remove, ...b.remove] };
}

/** Undefined: all of the matches are for gateways only. */
function parseMatches(field: Field): readonly RequestMatch[] | undefined {
  const items = field.items();
  const matches = items.flatMap((item) => parseRequestMatch(item) ?? []);
  return items.length > 0 && matches.length === 0 ? undefined : matches;
}

function parseCommon(field: Field): Common {
  const timeout = field.at("timeout").durationMs({ zero: true });
  const headers = parseHeaderChanges(field.at("headers"));
  const rewrite = field.at("rewrite").object();
  rewrite.rest(["uri", "authority"]);
  const path = rewrite.at("uri").text();
  const authority = rewrite.at("authority").text();
  if (path !== undefined && !pathText.test(path)) rewrite.at("uri").expected("a path that begins with /");
  if (authority !== undefined && !authorityText.test(authority))
    rewrite.at("authority").expected("a host name, with a port or without");
  return {
    ...(timeout !== undefined && timeout > 0 && { timeoutMs: timeout }),
    ...(field.at("retries").present && { retries: parseRetries(field.at("retries")) }),
    ...((path || authority) && { rewrite: { ...(path && { path }), ...(authority && { authority }) } }),
    requestHeaders: headers.request,
    responseHeaders: headers.response,
  };
}

function fixedAction(field: Field, kind: (typeof actions)[number]): RouteAction | undefined {
  if (kind === "redirect") return redirect(field.at("redirect"));
  if (kind === "directResponse") return respond(field.at("directResponse"));
  const message = "delegate is not supported yet: the requests of this rule get 503";
  field.at("delegate").unresolved({ code: "not-supported", message });
  return { kind: "respond", status: 503, body: message };
}

function redirect(field: Field): RouteAction | undefined {
  field.object().rest(["uri", "authority", "port", "scheme", "redirectCode", "derivePort"]);
  const code = field.at("redirectCode").integer(300, 399) ?? 301;
  if (!redirectCodes.includes(code)) field.at("redirectCode").expected(`one of ${redirectCodes.join(", ")}`);
  const host = field.at("authority").text();
  const path = field.at("uri").text();
  if (host !== undefined && !authorityText.test(host))
    field.at("authority").expected("a host name, with a port or without");
  if (path !== undefined && !pathText.test(path)) field.at("uri").expected("a path that begins with /");
  const scheme = field.at("scheme").oneOf(["http", "https"]);
  const port = field.at("port").integer(1, 65535);
  if (field.at("derivePort").oneOf(["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"]) === "FROM_REQUEST_PORT")
    field.at("derivePort").ignored();
  return {
    kind: "redirect",
    code,
    ...(host && { host }),
    ...(path && { path }),
    ...(scheme && { scheme }),
    ...(port !== undefined && { port }),
  };
}

function respond(field: Field): RouteAction | undefined {
  field.object().rest(["status", "body"]);
  const status = field.at("status").integer(200, 599);
  if (!field.at("status").present) field.at("status").error({ code: "required", message: "is required" });
  const body = field.at("body").object();
  body.rest(["string", "bytes"]);
  const bytes = body.at("bytes").text();
  const text = bytes === undefined ? body.at("string").text() : Buffer.from(bytes, "base64").toString("utf8");
  if (Buffer.byteLength(text ?? "") > maxResponseBytes)
    body.error({ code: "body-too-long", message: `is above ${maxResponseBytes} bytes` });
  return status === undefined ? undefined : { kind: "respond", status, body: text ?? "" };
}
