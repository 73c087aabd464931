/** Each limit holds at its value and not one beyond. */
import { expect, test } from "bun:test";
import { buildSnapshot, type KubeObject, translate } from "./index.ts";
import {
  maxConditionAlternatives,
  maxConditionDepth,
  maxDurationMs,
  maxMaglevSize,
  maxProfileRegexLength,
  maxRateLimitTokens,
  maxResponseBytes,
  maxRetryAttempts,
  maxRingSize,
  maxWeight,
  maxWorkloadWeight,
  minRateLimitMs,
} from "./limits.ts";
import { maxRulesCompared } from "./reach.ts";

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

const hashed = (more: object): unknown => ({
  host: "a",
  trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: true, ...more } } },
});
const limited = (more: object): unknown => ({ host: "a", limits: [{ requests: 1, per: "1s", ...more }] });
const weft = "weft.dev/v1alpha1";

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
    "a hash ring",
    maxRingSize,
    (n) => refused(istio, "DestinationRule", hashed({ ringHash: { minimumRingSize: n } })),
  ],
  [
    "a Maglev table",
    maxMaglevSize,
    (n) => refused(istio, "DestinationRule", hashed({ maglev: { tableSize: n } })),
  ],
  ["a rate's requests", maxRateLimitTokens, (requests) => refused(weft, "RateLimit", limited({ requests }))],
  ["a rate's burst", maxRateLimitTokens, (burst) => refused(weft, "RateLimit", limited({ burst }))],
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

test(`a rate's time: ${minRateLimitMs} ms`, () => {
  expect(refused(weft, "RateLimit", limited({ per: `${minRateLimitMs}ms` }))).toBe(false);
  expect(refused(weft, "RateLimit", limited({ per: `${minRateLimitMs - 1}ms` }))).toBe(true);
});

test(`rules are held against the first ${maxRulesCompared} before them`, () => {
  const to = { route: [{ destination: { host: "a" } }], timeout: "1s" };
  const at = (path: string): object => ({ match: [{ uri: { prefix: path } }], ...to });
  /** Whether the last of `n` other rules and a wide one is said to be out of reach. */
  const said = (n: number): boolean => {
    const others = Array.from({ length: n }, (_, i) => at(`/${i}/`));
    const spec = { hosts: ["a"], http: [...others, at("/wide"), at("/wide/x")] };
    const metadata = { name: "x", namespace: "default" };
    const object = { apiVersion: istio, kind: "VirtualService", metadata, spec } as KubeObject;
    const status = translate(buildSnapshot([object])).statuses.find((s) => s.ref.name === "x")!;
    return status.messages.some((m) => m.code === "unreachable");
  };
  expect(said(maxRulesCompared - 1)).toBe(true);
  expect(said(maxRulesCompared)).toBe(false);
});
