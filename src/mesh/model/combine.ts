/** Matches set against each other: both at once, one within another, none at all. */
import type { HeaderMatch, QueryMatch, RequestMatch, StringMatch } from "./match.ts";

type Condition = HeaderMatch["match"];

/** Both conditions; an empty list means every request, undefined none. */
export function bothMatch(
  a: readonly RequestMatch[],
  b: readonly RequestMatch[],
): readonly RequestMatch[] | undefined {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const both = a.flatMap((x) => b.flatMap((y) => conjunction(x, y) ?? []));
  return both.length > 0 ? both : undefined;
}

/** Undefined where they ask for different callers or ports. */
function conjunction(a: RequestMatch, b: RequestMatch): RequestMatch | undefined {
  const port = a.port ?? b.port;
  const sourceNamespace = a.sourceNamespace ?? b.sourceNamespace;
  const differ =
    port !== (b.port ?? port) ||
    sourceNamespace !== (b.sourceNamespace ?? sourceNamespace) ||
    Object.entries(b.sourceLabels).some(([k, v]) => (a.sourceLabels[k] ?? v) !== v);
  if (differ) return undefined;
  const [path, ...morePaths] = [...pathsOf(a, false), ...pathsOf(b, a.path !== undefined)];
  const { path: _, ...rest } = a;
  return {
    ...rest,
    ...(path && { path }),
    ignorePathCase: a.path ? a.ignorePathCase : b.ignorePathCase,
    morePaths,
    headers: [...a.headers, ...b.headers],
    query: [...a.query, ...b.query],
    sourceLabels: { ...a.sourceLabels, ...b.sourceLabels },
    ...(port !== undefined && { port }),
    ...(sourceNamespace !== undefined && { sourceNamespace }),
  };
}

/** `behind`: another path goes first, whose way with capitals is not this one's. */
function pathsOf({ path, morePaths, ignorePathCase }: RequestMatch, behind: boolean): readonly StringMatch[] {
  if (path === undefined) return morePaths;
  return [behind && ignorePathCase ? folded(path) : path, ...morePaths];
}

/** The same without regard to capitals, which only an expression can say of itself. */
function folded({ kind, value }: StringMatch): StringMatch {
  const quoted = value.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");
  if (kind === "regex") return { kind, value: `(?i)(?:${value})` };
  return { kind: "regex", value: kind === "prefix" ? `(?i)${quoted}.*` : `(?i)${quoted}` };
}

/** True where each request that meets `b` surely meets `a`. */
export function covers(a: RequestMatch, b: RequestMatch): boolean {
  return (
    coversPath(a, b) &&
    a.headers.every((h) => b.headers.some((k) => k.name === h.name && coversHeader(h, k))) &&
    a.query.every((q) => b.query.some((k) => k.name === q.name && coversText(q.match, k.match))) &&
    (a.port === undefined || a.port === b.port) &&
    (a.sourceNamespace === undefined || a.sourceNamespace === b.sourceNamespace) &&
    Object.entries(a.sourceLabels).every(([key, value]) => b.sourceLabels[key] === value)
  );
}

function coversPath(a: RequestMatch, b: RequestMatch): boolean {
  const wide = [...(a.path ? [a.path] : []), ...a.morePaths];
  const narrow = [...(b.path ? [b.path] : []), ...b.morePaths];
  if (wide.length === 0) return true;
  if (b.ignorePathCase && !a.ignorePathCase) return wide.every((w) => w.kind === "prefix" && w.value === "/");
  const fold = (m: StringMatch): StringMatch =>
    a.ignorePathCase && m.kind !== "regex" ? { ...m, value: m.value.toLowerCase() } : m;
  return wide.every((w) => narrow.some((n) => coversText(fold(w), fold(n))) || isEveryPath(w));
}

function isEveryPath(m: StringMatch): boolean {
  return m.kind === "prefix"
    ? m.value === "/"
    : m.kind === "regex" && (m.value === ".*" || m.value === "/.*");
}

function coversHeader(a: HeaderMatch, b: HeaderMatch): boolean {
  if (a.invert || b.invert) return a.invert === b.invert && coversText(b.match, a.match);
  return coversText(a.match, b.match);
}

function coversText(a: Condition, b: Condition): boolean {
  if (a.kind === "present") return true;
  if (b.kind === "present") return false;
  if (a.kind === "regex" || b.kind === "regex") return a.kind === b.kind && a.value === b.value;
  if (a.kind === "exact") return b.kind === "exact" && a.value === b.value;
  return b.value.startsWith(a.value);
}

/** Why no request can meet the match; undefined where one may. */
export function never(m: RequestMatch): string | undefined {
  const paths = [...(m.path ? [m.path] : []), ...m.morePaths];
  for (const [i, p] of paths.entries())
    for (const q of paths.slice(i + 1))
      if (!m.ignorePathCase && apart(p, q))
        return `no path has both ${p.kind} ${p.value} and ${q.kind} ${q.value}`;
  for (const [i, h] of m.headers.entries())
    for (const k of m.headers.slice(i + 1)) {
      if (h.name !== k.name) continue;
      const name = h.name.replace(/^:/, "");
      if (h.invert !== k.invert) {
        const [asked, refused] = h.invert ? [k, h] : [h, k];
        if (coversText(refused.match, asked.match)) return `${name} is asked for and refused`;
      } else if (!h.invert && apart(h.match, k.match)) return `${name} has two different values`;
    }
  return undefined;
}

function apart(a: Condition | QueryMatch["match"], b: Condition): boolean {
  if (a.kind === "present" || b.kind === "present" || a.kind === "regex" || b.kind === "regex") return false;
  if (a.kind === "exact" && b.kind === "exact") return a.value !== b.value;
  if (a.kind === "prefix" && b.kind === "prefix")
    return !a.value.startsWith(b.value) && !b.value.startsWith(a.value);
  const [exact, prefix] = a.kind === "exact" ? [a, b] : [b, a];
  return !exact.value.startsWith(prefix.value);
}
