/** Istio's Headers: request and response, each set, add, remove. */
import { type HeaderChange, type HeaderChanges, pendingInProxy } from "../model/index.ts";
import { knownOperators } from "./access-log-format.ts";
import type { Field } from "./field.ts";
import { authorityText } from "./rewrite.ts";

const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Envoy fills in such words; anything else with a percent sign is meant as it is. */
const operator = /%[A-Z_0-9]+(?:\([^)%]*\))?(?::\d+)?%/;
/** Visible ASCII, spaces and tabs: nothing that would end the line or change on its way. */
const headerValue = /^[\t\x20-\x7e]*$/;
/** Written by the proxy alone: changing them would break framing or routing. */
const untouchable = [
  ":authority",
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

export interface ParsedChanges {
  readonly request: HeaderChanges;
  readonly response: HeaderChanges;
  /** What the request's Host is set to. */
  readonly authority?: string;
}

export function parseHeaderChanges(field: Field): ParsedChanges {
  field.object().rest(["request", "response"]);
  const set = field.at("request").at("set");
  const authority = readAuthority(set);
  return {
    request: changes(field.at("request"), authority !== undefined),
    response: changes(field.at("response"), false),
    ...(authority !== undefined && { authority }),
  };
}

const hostNames = ["host", ":authority"];

/** Istio takes setting the request's Host for a rewrite of the authority. */
function readAuthority(set: Field): string | undefined {
  const found = set.entries().find(([key]) => hostNames.includes(key.toLowerCase()));
  const value = found?.[1].text();
  if (found === undefined || value === undefined) return undefined;
  if (authorityText.test(value)) return value;
  found[1].expected("a host name, with a port or without");
  return undefined;
}

function changes(field: Field, hostTaken: boolean): HeaderChanges {
  field.object().rest(["set", "add", "remove"]);
  const remove = field
    .at("remove")
    .items()
    .flatMap((item) => checkName(item, item.requiredText()) ?? []);
  return { set: pairs(field.at("set"), hostTaken), add: pairs(field.at("add"), false), remove };
}

function pairs(field: Field, hostTaken: boolean): readonly HeaderChange[] {
  return field.entries().flatMap(([key, value]) => {
    if (hostTaken && hostNames.includes(key.toLowerCase())) return [];
    const name = checkName(value, key);
    const text = value.text();
    if (name === undefined || text === undefined) return [];
    if (!headerValue.test(text)) {
      value.error({ code: "invalid-value", message: "a header's value is of visible ASCII characters" });
      return [];
    }
    if (!operator.test(text)) return [{ name, value: text.replaceAll("%%", "%").replaceAll("%", "%%") }];
    if (!knownOperators(value, text, "this entry is not in effect")) return [];
    value.pending("header-operators");
    return pendingInProxy.has("header-operators") ? [] : [{ name, value: text }];
  });
}

function checkName(field: Field, name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const lower = name.toLowerCase();
  if (!headerName.test(name) && !untouchable.includes(lower)) {
    field.error({ code: "invalid-value", message: `${JSON.stringify(name)} is no header name` });
    return undefined;
  }
  if (!untouchable.includes(lower)) return lower;
  const instead = lower === "host" || lower === ":authority" ? "; use rewrite.authority" : "";
  field.ignored(`${lower} is the proxy's own: this entry is not in effect${instead}`);
  return undefined;
}
