import { hexValue, unreservedChar } from "./chars.ts";

/** How paths are made canonical; Envoy's HttpConnectionManager fields in brackets. */
export interface PathOptions {
  /** RFC 3986 section 6: dot segments, unreserved escapes, "\" as "/" [normalize_path]. */
  readonly normalize: boolean;
  /** "//" is "/" [merge_slashes]. */
  readonly mergeSlashes: boolean;
  /** What %2F and %5C mean [path_with_escaped_slashes_action]. */
  readonly escapedSlashes: "keep" | "reject" | "unescape";
}

/** Safe where nothing is configured: dot segments resolved, slashes merged, escaped slashes kept. */
export const defaultPathOptions: PathOptions = {
  normalize: true,
  mergeSlashes: true,
  escapedSlashes: "keep",
};

const slash = 47;
const backslash = 92;
const dot = 46;
const percent = 37;
const question = 63;
const semicolon = 59;

/**
 * The canonical form of a path with query: what router, policies, metrics and access log see and what is
 * forwarded. Order as Istio has it: escaped slashes, dot segments, merged slashes; the query stays as it is.
 * Undefined means: refuse with 400 (an escaped NUL, a refused escaped slash, or a dot segment that carries
 * path parameters, `..;x`, which servers resolve in different ways).
 */
export function normalizePath(path: string, options: PathOptions = defaultPathOptions): string | undefined {
  if (isCanonical(path)) return path;
  const at = path.indexOf("?");
  const query = at === -1 ? "" : path.slice(at);
  const unescaped = unescapePath(at === -1 ? path : path.slice(0, at), options);
  if (unescaped === undefined) return undefined;
  let out: string | undefined = unescaped;
  if (options.normalize) out = resolveDots(out);
  if (out === undefined) return undefined;
  if (options.mergeSlashes) out = out.replace(/\/{2,}/g, "/");
  return out + query;
}

/** Fast check: no escape, no backslash, no "//", no segment that starts with a dot, no "*" form. */
function isCanonical(path: string): boolean {
  let before = 0;
  for (let i = 0; i < path.length; i++) {
    const c = path.charCodeAt(i);
    if (c === question) return true;
    if (c === percent || c === backslash) return false;
    if (before === slash && (c === slash || c === dot)) return false;
    before = c;
  }
  return true;
}

/** Decodes what may be decoded without changing what the path means; undefined to refuse. */
function unescapePath(path: string, options: PathOptions): string | undefined {
  let out = "";
  for (let i = 0; i < path.length; i++) {
    const c = path.charCodeAt(i);
    if (c !== percent) {
      out += c === backslash && options.normalize ? "/" : path[i];
      continue;
    }
    const high = hexValue[path.charCodeAt(i + 1)] ?? 255;
    const low = hexValue[path.charCodeAt(i + 2)] ?? 255;
    if (high === 255 || low === 255) {
      // A lone "%" is escaped, else decoding what follows could make a new escape of it.
      out += options.normalize ? "%25" : "%";
      continue;
    }
    const byte = high * 16 + low;
    if (byte === 0) return undefined;
    if (byte === slash || byte === backslash) {
      if (options.escapedSlashes === "reject") return undefined;
      out += options.escapedSlashes === "unescape" ? "/" : path.slice(i, i + 3);
    } else if (options.normalize && unreservedChar[byte] === 1) {
      out += String.fromCharCode(byte);
    } else {
      out += path.slice(i, i + 3);
    }
    i += 2;
  }
  return out;
}

/** RFC 3986 section 5.2.4 by segments; ".." above the root stays at the root. */
function resolveDots(path: string): string | undefined {
  const segments = path.split("/");
  const out: string[] = [];
  const last = segments.length - 1;
  for (let i = 1; i <= last; i++) {
    const segment = segments[i]!;
    if (isDotWithParameters(segment)) return undefined;
    if (segment === "..") out.pop();
    if (segment !== "." && segment !== "..") out.push(segment);
    else if (i === last) out.push("");
  }
  return `${segments[0]}/${out.join("/")}`;
}

function isDotWithParameters(segment: string): boolean {
  const at = segment.charCodeAt(1) === dot ? 2 : 1;
  return segment.charCodeAt(0) === dot && segment.charCodeAt(at) === semicolon;
}
