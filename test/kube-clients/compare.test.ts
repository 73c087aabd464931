import { expect, test } from "bun:test";
import { differences, judge, type Known, prune } from "./compare.ts";
import known from "./differences.json";
import { normalise } from "./normalise.ts";

const names = { namespace: "mine", server: "https://127.0.0.1:1" };
const entry = (row: string, ...at: string[]): Known => ({ row, at, reason: "because" });

test("differences are the innermost places", () => {
  expect(differences("r", [{ a: 1, b: { c: 2 } }], [{ a: 1, b: { c: 3, d: 4 } }])).toEqual([
    { row: "r", at: "/0/b/c", embedded: 2, real: 3 },
    { row: "r", at: "/0/b/d", embedded: undefined, real: 4 },
  ]);
});

test("what is not explained is found, what is explained no longer differs is stale", () => {
  const found = differences("r", [1, { x: 1 }], [2, { x: 2 }]);
  expect(judge(found, [entry("r", "/0")], new Set(["r"])).unknown.map((d) => d.at)).toEqual(["/1/x"]);
  expect(judge(found, [entry("r", "/0", "/*/x")], new Set(["r"]))).toEqual({ unknown: [], stale: [] });
  const stale = [entry("r", "/0", "/1", "/7"), entry("gone", "/0"), entry("not-done", "/0")];
  expect(judge(found, stale, new Set(["r", "gone"])).stale).toEqual(["r /7 (because)", "gone /0 (because)"]);
  expect(prune(found, stale, new Set(["r", "gone"]))).toEqual([
    entry("r", "/0", "/1"),
    entry("not-done", "/0"),
  ]);
});

test("normalised: names, times, versions, addresses; nothing else", () => {
  const text = "mine at https://127.0.0.1:1 since 2026-11-24T00:00:00Z, 10.96.3.4, resourceVersion: 17";
  expect(normalise({ text, resourceVersion: "17", count: 17 }, names)).toEqual({
    text: "<ns> at <server> since <time>, <cluster-ip>, resourceVersion: <rv>",
    resourceVersion: "<rv>",
    count: 17,
  });
});

/** Places that may differ: lower it when the list shrinks, never raise it. */
const mostPlaces = 20;

test("the list of differences does not grow", () => {
  const places = (known as Known[]).reduce((sum, { at }) => sum + at.length, 0);
  expect(places).toBeLessThanOrEqual(mostPlaces);
});

test("every known difference has a reason", () => {
  for (const { row, at, reason } of known as Known[])
    expect([row, at.length > 0 && reason.length > 10]).toEqual([row, true]);
});
