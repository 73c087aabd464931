/** Istio's HTTPMatchRequest. */
import type { HeaderMatch, QueryMatch, RequestMatch, StringMatch } from "../model/index.ts";
import type { Field } from "./field.ts";

const kinds = ["exact", "prefix", "regex"] as const;
/** Names that Istio leaves to their own fields. */
const notHeaders = ["uri", "scheme", "method", "authority"];

const pseudoHeaders = [":method", ":path", ":authority", ":scheme"];

/** exact, prefix or regex; `{}` asks for presence. Undefined after a complaint. */
export function parseStringMatch(field: Field): StringMatch | { readonly kind: "present" } | undefined {
  field.object().rest([...kinds]);
  const given = kinds.filter((kind) => field.at(kind).present);
  if (given.length > 1) {
    field.error({ code: "one-of", message: `${given.join(" and ")} exclude each other` });
    return undefined;
  }
  const kind = given[0];
  if (kind === undefined) return { kind: "present" };
  const value = kind === "regex" ? field.at(kind).regex() : field.at(kind).text();
  // Everything begins with nothing.
  if (kind === "prefix" && value === "") return { kind: "present" };
  return value === undefined ? undefined : { kind, value };
}

/** A match that has to say something. */
function required(field: Field): StringMatch | undefined {
  if (!field.present) return undefined;
  const match = parseStringMatch(field);
  if (match === undefined || match.kind !== "present") return match;
  if (field.at("prefix").present) return undefined;
  field.error({ code: "required", message: `one of ${kinds.join(", ")} is required` });
  return undefined;
}

const read = [
  "name",
  "uri",
  "ignoreUriCase",
  "scheme",
  "method",
  "authority",
  "headers",
  "withoutHeaders",
  "queryParams",
  "port",
  "sourceLabels",
  "sourceNamespace",
  "gateways",
  "statPrefix",
];

/** Undefined: it does not concern the mesh (only gateways). */
export function parseRequestMatch(field: Field): RequestMatch | undefined {
  field.object().rest(read);
  const headers: HeaderMatch[] = [];
  for (const name of ["method", "scheme", "authority"] as const) {
    const match = required(field.at(name));
    if (match) headers.push({ name: `:${name}`, match, invert: false });
  }
  headers.push(
    ...parseHeaders(field.at("headers"), false),
    ...parseHeaders(field.at("withoutHeaders"), true),
  );
  const path = required(field.at("uri"));
  if (path !== undefined && path.kind !== "regex" && !path.value.startsWith("/") && path.value !== "*")
    field.at("uri").warn({
      code: "never-matches",
      message: `a path begins with /: ${JSON.stringify(path.value)} is never met`,
    });
  const port = field.at("port").integer(1, 65535);
  const sourceNamespace = field.at("sourceNamespace").text();
  const sourceLabels: Record<string, string> = {};
  for (const [key, value] of field.at("sourceLabels").entries()) sourceLabels[key] = value.text() ?? "";
  const name = field.at("name").text();
  const statPrefix = field.at("statPrefix").text();
  if (field.at("ignoreUriCase").value === true && path?.kind === "regex")
    field.at("ignoreUriCase").warn({
      code: "meaningless",
      message: "has no effect on a regular expression",
      fix: "begin the expression with (?i)",
    });
  sayMethodCase(field.at("method"));
  const gateways = field.at("gateways").texts();
  if (gateways.length > 0 && !gateways.includes("mesh")) {
    field.at("gateways").ignored("gateways are not built yet: this match is not in effect");
    return undefined;
  }
  return {
    ...(path && { path }),
    ignorePathCase: (field.at("ignoreUriCase").bool() ?? false) && path?.kind !== "regex",
    morePaths: [],
    headers,
    query: parseQuery(field.at("queryParams")),
    ...(port !== undefined && { port }),
    sourceLabels,
    ...(sourceNamespace && { sourceNamespace }),
    ...(name && { name }),
    ...(statPrefix && { statPrefix }),
    origin: field.report.origin(field.path),
  };
}

/** Methods are case-sensitive (RFC 9110 9.1), and nobody sends `get`. */
function sayMethodCase(field: Field): void {
  const exact = field.at("exact").value;
  if (typeof exact === "string" && exact !== exact.toUpperCase() && exact === exact.toLowerCase())
    field.warn({
      code: "never-matches",
      message: `methods are written in capitals: ${JSON.stringify(exact)} is not met by ${exact.toUpperCase()}`,
    });
}

function parseHeaders(field: Field, invert: boolean): HeaderMatch[] {
  return field.entries().flatMap(([key, value]) => {
    const name = key.toLowerCase();
    if (name === "upgrade")
      value.ignored("WebSocket upgrades are not in effect yet: the request goes on as plain HTTP");
    if (notHeaders.includes(name)) {
      value.ignored(`${name} is matched by its own field: this entry is not in effect`);
      return [];
    }
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name) && !pseudoHeaders.includes(name)) {
      value.error({ code: "invalid-value", message: `${JSON.stringify(key)} is no header name` });
      return [];
    }
    const match = parseStringMatch(value);
    return match === undefined ? [] : [{ name, match, invert }];
  });
}

function parseQuery(field: Field): QueryMatch[] {
  return field.entries().flatMap(([name, value]) => {
    if (name === "") value.error({ code: "required", message: "a parameter has a name" });
    const match = parseStringMatch(value);
    return match === undefined ? [] : [{ name, match }];
  });
}
