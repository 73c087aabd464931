/** Each limit holds at its value and not one beyond. */
import { expect, test } from "bun:test";
import { buildSnapshot, type KubeObject, translate } from "./index.ts";
import {
  maxConditionAlternatives,
  maxConditionDepth,
  maxDurationMs,
  maxProfileRegexLength,
  maxResponseBytes,
  maxRetryAttempts,
  maxWeight,
  maxWorkloadWeight,
} from "./limits.ts";

/** True where the object is refused. */
function refused(apiVersion: string, kind: string, spec: unknown): boolean {
  const object = { apiVersion, kind, metadata: { name: "x", namespace: "default" }, spec } as KubeObject;
  const { statuses } = translate(buildSnapshot([object]));
  const status = statuses.find((s) => s.ref.name === "x")!;
  return status.conditions.find((c) => c.type === "Accepted")!.status === "False";
}

const istio = "networking.istio.io/v1";
const rule = (more: object): unknown => ({
  hosts: ["a"],
  http: [{ route: [{ destination: { host: "a" } }], ...more }],
});
const profile = (condition: unknown): unknown => ({ routes: [{ name: "r", condition }] });
const list = (n: number, value: unknown): unknown[] => Array.from({ length: n }, () => value);

/** `n` levels, the innermost being `value`. */
const nested = (n: number, value: unknown): unknown => (n <= 1 ? value : { not: nested(n - 1, value) });

const limits: readonly [string, number, (n: number) => boolean][] = [
  [
    "retries of a request",
    maxRetryAttempts,
    (attempts) => refused(istio, "VirtualService", rule({ retries: { attempts } })),
  ],
  ["a duration", maxDurationMs, (ms) => refused(istio, "VirtualService", rule({ timeout: `${ms}ms` }))],
  [
    "a response's body",
    maxResponseBytes,
    (n) =>
      refused(istio, "VirtualService", {
        hosts: ["a"],
        http: [{ directResponse: { status: 200, body: { string: "x".repeat(n) } } }],
      }),
  ],
  [
    "a weight",
    maxWeight,
    (weight) => refused(istio, "VirtualService", rule({ route: [{ destination: { host: "a" }, weight }] })),
  ],
  [
    "a workload's weight",
    maxWorkloadWeight,
    (weight) => refused(istio, "WorkloadEntry", { address: "127.66.0.1", weight }),
  ],
  [
    "a profile's regular expression",
    maxProfileRegexLength,
    (n) => refused("linkerd.io/v1alpha2", "ServiceProfile", profile({ pathRegex: "a".repeat(n) })),
  ],
  [
    "alternatives of a profile's condition",
    maxConditionAlternatives,
    (n) => refused("linkerd.io/v1alpha2", "ServiceProfile", profile({ any: list(n, { method: "GET" }) })),
  ],
  [
    "depth of a condition",
    maxConditionDepth,
    (n) => refused("linkerd.io/v1alpha2", "ServiceProfile", profile(nested(n, { method: "GET" }))),
  ],
  [
    "depth of a response class",
    maxConditionDepth,
    (n) =>
      refused("linkerd.io/v1alpha2", "ServiceProfile", {
        routes: [
          {
            name: "r",
            condition: { method: "GET" },
            responseClasses: [{ isFailure: true, condition: nested(n, { status: { min: 500 } }) }],
          },
        ],
      }),
  ],
];

for (const [name, limit, refuses] of limits)
  test(`${name}: ${limit}`, () => {
    expect(refuses(limit)).toBe(false);
    expect(refuses(limit + 1)).toBe(true);
  });

test("a tower of conditions is an error, not an overflow", () => {
  let tower: unknown = { method: "GET" };
  for (let i = 0; i < 5000; i++) tower = { not: tower };
  expect(refused("linkerd.io/v1alpha2", "ServiceProfile", profile(tower))).toBe(true);
});

test("conditions that multiply are cut off before they are unfolded", () => {
  const any = { any: list(10, { method: "GET" }) };
  const all = { all: list(30, any) };
  expect(refused("linkerd.io/v1alpha2", "ServiceProfile", profile(all))).toBe(true);
});
