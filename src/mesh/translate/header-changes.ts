/** Istio's Headers: request and response, each set, add, remove. */
import type { HeaderChange, HeaderChanges } from "../model/index.ts";
import type { Field } from "./field.ts";

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

export function parseHeaderChanges(field: Field): { request: HeaderChanges; response: HeaderChanges } {
  field.object().rest(["request", "response"]);
  return { request: changes(field.at("request")), response: changes(field.at("response")) };
}

function changes(field: Field): HeaderChanges {
  field.object().rest(["set", "add", "remove"]);
  const remove = field
    .at("remove")
    .items()
    .flatMap((item) => checkName(item, item.requiredText()) ?? []);
  return { set: pairs(field.at("set")), add: pairs(field.at("add")), remove };
}

function pairs(field: Field): readonly HeaderChange[] {
  return field.entries().flatMap(([key, value]) => {
    const name = checkName(value, key);
    const text = value.text();
    if (name === undefined || text === undefined) return [];
    if (!headerValue.test(text)) {
      value.error({ code: "invalid-value", message: "a header's value is of visible ASCII characters" });
      return [];
    }
    if (operator.test(text)) {
      value.ignored("a value with a command operator such as %RESPONSE_CODE% is not in effect yet");
      return [];
    }
    return [{ name, value: text.replaceAll("%%", "%").replaceAll("%", "%%") }];
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
