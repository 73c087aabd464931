/** String, header and query matchers compiled to closures. Regular expressions run in a linear engine. */
import { RE2JS } from "re2js";
import { getAllHeaders, type HeaderList } from "../../wire/http/index.ts";
import type { HeaderMatch, QueryMatch, StringMatch } from "../config/index.ts";

export type StringMatcher = (value: string) => boolean;
/** What a route or a retry rule looks at. */
export interface RequestView {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly scheme: string;
  readonly headers: HeaderList;
}
export type RequestMatcher = (request: RequestView) => boolean;

const metaCharacter = /[\\^$.|?*+()[\]{}]/;

/** Whole-string match of an RE2 expression; throws re2js's error where it does not compile. */
export function compileRegex(source: string, ignoreCase = false): StringMatcher {
  if (!ignoreCase) {
    if (source === ".*") return (value) => !value.includes("\n");
    if (!metaCharacter.test(source)) return (value) => value === source;
    const literal = source.endsWith(".*") ? source.slice(0, -2) : "";
    if (literal !== "" && !metaCharacter.test(literal)) {
      return (value) => value.startsWith(literal) && !value.includes("\n", literal.length);
    }
  }
  const compiled = RE2JS.compile(source, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
  const prefix = ignoreCase ? "" : literalPrefix(source);
  if (prefix === "") return (value) => compiled.matches(value);
  return (value) => value.startsWith(prefix) && compiled.matches(value);
}

/** Characters that every match starts with; "" where that is not plain to see. */
function literalPrefix(source: string): string {
  if (source.includes("|") || source.includes("(?")) return "";
  const body = source.startsWith("^") ? source.slice(1) : source;
  const at = body.search(metaCharacter);
  if (at <= 0) return "";
  // A quantifier makes the character before it optional.
  return /[?*{+]/.test(body[at]!) ? body.slice(0, at - 1) : body.slice(0, at);
}

export function compileString(match: StringMatch): StringMatcher {
  if (match.kind === "regex") return compileRegex(match.value, match.ignoreCase === true);
  const plain = compilePlain(match.kind, match.ignoreCase ? match.value.toLowerCase() : match.value);
  return match.ignoreCase ? (value) => plain(value.toLowerCase()) : plain;
}

function compilePlain(kind: "exact" | "prefix" | "suffix" | "contains", wanted: string): StringMatcher {
  switch (kind) {
    case "exact":
      return (value) => value === wanted;
    case "prefix":
      return (value) => value.startsWith(wanted);
    case "suffix":
      return (value) => value.endsWith(wanted);
    case "contains":
      return (value) => value.includes(wanted);
  }
}

/** Value of a header as matchers see it: repetitions joined by a comma (Envoy), pseudo-headers by name. */
function headerReader(name: string): (request: RequestView) => string | undefined {
  switch (name) {
    case ":method":
      return (r) => r.method;
    case ":path":
      return (r) => r.path;
    case ":authority":
    case "host":
      return (r) => r.authority;
    case ":scheme":
      return (r) => r.scheme;
  }
  return (r) => {
    const list = r.headers;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] !== name) continue;
      for (let j = i + 2; j < list.length; j += 2) {
        if (list[j] === name) return getAllHeaders(list, name).join(",");
      }
      return list[i + 1];
    }
    return undefined;
  };
}

export function compileHeader(header: HeaderMatch): RequestMatcher {
  const read = headerReader(header.name.toLowerCase());
  const invert = header.invert === true;
  if (header.match.kind === "present") return (r) => (read(r) !== undefined) !== invert;
  const matches = compileString(header.match);
  const missingAsEmpty = header.missingAsEmpty === true;
  return (r) => {
    const value = read(r);
    // Envoy: an absent header matches no value rule, inverted ones included, unless treated as empty.
    if (value === undefined && !missingAsEmpty) return invert && header.match.kind !== "present";
    return matches(value ?? "") !== invert;
  };
}

/** First value of a query parameter, undecoded as Envoy compares it; undefined when absent. */
export function queryValue(path: string, name: string): string | undefined {
  let at = path.indexOf("?") + 1;
  if (at === 0) return undefined;
  while (at <= path.length) {
    let end = path.indexOf("&", at);
    if (end === -1) end = path.length;
    const equals = path.indexOf("=", at);
    const nameEnd = equals === -1 || equals > end ? end : equals;
    if (nameEnd - at === name.length && path.startsWith(name, at)) {
      return nameEnd === end ? "" : path.slice(nameEnd + 1, end);
    }
    at = end + 1;
  }
  return undefined;
}

export function compileQuery(query: QueryMatch): RequestMatcher {
  const { name } = query;
  if (query.match.kind === "present") return (r) => queryValue(r.path, name) !== undefined;
  const matches = compileString(query.match);
  return (r) => {
    const value = queryValue(r.path, name);
    return value !== undefined && matches(value);
  };
}
