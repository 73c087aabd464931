/** Matches within each other and apart, beside a plain reading of what a request meets. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bothMatch, covers, never } from "./combine.ts";
import type { HeaderMatch, QueryMatch, RequestMatch, StringMatch } from "./match.ts";

const texts = ["/", "/a", "/a/b", "/A", "/b"];
const text: fc.Arbitrary<StringMatch> = fc.record({
  kind: fc.constantFrom("exact", "prefix", "regex"),
  value: fc.constantFrom(...texts),
});
const condition = fc.oneof(text, fc.constant({ kind: "present" } as const));
const header: fc.Arbitrary<HeaderMatch> = fc.record({
  name: fc.constantFrom("x", "y"),
  match: condition,
  invert: fc.boolean(),
});
const match: fc.Arbitrary<RequestMatch> = fc.record(
  {
    path: text,
    ignorePathCase: fc.boolean(),
    morePaths: fc.array(text, { maxLength: 1 }),
    headers: fc.array(header, { maxLength: 2 }),
    query: fc.array(fc.record({ name: fc.constantFrom("q", "r"), match: condition }), { maxLength: 1 }),
    port: fc.constantFrom(80, 81),
    sourceNamespace: fc.constantFrom("a", "b"),
    sourceLabels: fc.constantFrom({}, { v: "1" }, { v: "1", w: "2" }),
    origin: fc.constant({ object: "" }),
  },
  {
    requiredKeys: ["ignorePathCase", "morePaths", "headers", "query", "sourceLabels", "origin"],
  },
);

interface Call {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly port: number;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}
const some = fc.option(fc.constantFrom(...texts), { nil: undefined });
const call: fc.Arbitrary<Call> = fc.record({
  path: fc.constantFrom(...texts),
  headers: fc.record({ x: some, y: some }),
  query: fc.record({ q: some, r: some }),
  port: fc.constantFrom(80, 81),
  namespace: fc.constantFrom("a", "b"),
  labels: fc.constantFrom({}, { v: "1" }, { v: "1", w: "2" }),
});

function holds(
  m: HeaderMatch["match"] | QueryMatch["match"],
  value: string | undefined,
  fold = false,
): boolean {
  if (value === undefined) return false;
  if (m.kind === "present") return true;
  if (m.kind === "regex") {
    const any = m.value.startsWith("(?i)");
    return new RegExp(`^(?:${any ? m.value.slice(4) : m.value})$`, any || fold ? "i" : "").test(value);
  }
  const [a, b] = fold ? [value.toLowerCase(), m.value.toLowerCase()] : [value, m.value];
  return m.kind === "exact" ? a === b : a.startsWith(b);
}

function meets(m: RequestMatch, c: Call): boolean {
  const paths = [...(m.path ? [m.path] : []), ...m.morePaths];
  return (
    paths.every((p) => holds(p, c.path, m.ignorePathCase)) &&
    m.headers.every((h) => holds(h.match, c.headers[h.name]) !== h.invert) &&
    m.query.every((q) => holds(q.match, c.query[q.name])) &&
    (m.port ?? c.port) === c.port &&
    (m.sourceNamespace ?? c.namespace) === c.namespace &&
    Object.entries(m.sourceLabels).every(([k, v]) => c.labels[k] === v)
  );
}

describe("a match", () => {
  test("that covers another is met by all that meets the other", () => {
    let covered = 0;
    fc.assert(
      fc.property(match, match, call, (a, b, c) => {
        if (!covers(a, b)) return;
        covered++;
        if (meets(b, c)) expect(meets(a, c)).toBe(true);
      }),
      { numRuns: 20_000, seed: 11 },
    );
    expect(covered).toBeGreaterThan(100);
  });

  test("that none can meet is met by none", () => {
    let empty = 0;
    fc.assert(
      fc.property(match, call, (m, c) => {
        if (never(m) === undefined) return;
        empty++;
        expect(meets(m, c)).toBe(false);
      }),
      { numRuns: 20_000, seed: 12 },
    );
    expect(empty).toBeGreaterThan(100);
  });

  test("and another are met together by just what meets both", () => {
    fc.assert(
      fc.property(match, match, call, (a, b, c) => {
        // Further paths keep their own way with capitals, which the plain reading does not know.
        if (a.ignorePathCase !== b.ignorePathCase) return;
        const both = bothMatch([a], [b]) ?? [];
        expect(both.some((m) => meets(m, c))).toBe(meets(a, c) && meets(b, c));
      }),
      { numRuns: 5000, seed: 13 },
    );
  });

  test("covers itself", () => {
    fc.assert(
      fc.property(match, (m) => expect(covers(m, m)).toBe(true)),
      { seed: 14 },
    );
  });
});
