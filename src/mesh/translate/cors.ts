/** Istio's CorsPolicy. */
import type { CorsPolicy, StringMatch } from "../model/index.ts";
import type { Field } from "./field.ts";
import { parseStringMatch } from "./request-match.ts";

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export function parseCors(field: Field): CorsPolicy | undefined {
  if (!field.object().present) return undefined;
  field.rest([
    "allowOrigins",
    "allowOrigin",
    "allowMethods",
    "allowHeaders",
    "exposeHeaders",
    "maxAge",
    "allowCredentials",
    "unmatchedPreflights",
  ]);
  field.pending("cors");
  const origins = [...parseOrigins(field.at("allowOrigins")), ...oldOrigins(field.at("allowOrigin"))];
  const maxAge = field.at("maxAge").durationMs({ zero: true });
  const credentials = field.at("allowCredentials").bool();
  const anybody = origins.some((o) => o.kind !== "regex" && o.value === "*");
  if (credentials === true && anybody)
    field.at("allowCredentials").warn({
      code: "credentials-for-all",
      message: "browsers of every origin may send cookies and credentials",
      fix: "name the origins in allowOrigins",
    });
  if (origins.length === 0)
    field.note({ code: "no-origins", message: "names no origin: no browser is allowed anything" });
  const preflights = field.at("unmatchedPreflights").oneOf(["UNSPECIFIED", "FORWARD", "IGNORE"]);
  return {
    origins,
    methods: tokens(field.at("allowMethods")),
    headers: tokens(field.at("allowHeaders")),
    exposed: tokens(field.at("exposeHeaders")),
    ...(maxAge !== undefined && { maxAgeSeconds: Math.floor(maxAge / 1000) }),
    ...(credentials !== undefined && { credentials }),
    forwardUnmatched: preflights !== "IGNORE",
    origin: field.report.origin(field.path),
  };
}

function parseOrigins(field: Field): readonly StringMatch[] {
  return field.items().flatMap((item) => {
    const match = parseStringMatch(item);
    if (match === undefined || match.kind !== "present") return match ?? [];
    item.error({ code: "required", message: "one of exact, prefix, regex is required" });
    return [];
  });
}

/** Istio's older list of exact origins, `*` for all. */
function oldOrigins(field: Field): readonly StringMatch[] {
  if (field.present)
    field.warn({
      code: "deprecated",
      message: "is Istio's old name for a list of exact origins",
      fix: "use allowOrigins",
    });
  return field.texts().map((value) => ({ kind: "exact", value }));
}

/** Methods or header names; `*` is for all of them. */
function tokens(field: Field): readonly string[] {
  return field.items().flatMap((item) => {
    const text = item.requiredText();
    if (text === undefined || token.test(text)) return text ?? [];
    item.error({ code: "invalid-value", message: `${JSON.stringify(text)} is no method or header name` });
    return [];
  });
}
