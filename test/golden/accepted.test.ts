/** Whatever manifests say, the resources that come of them are ones that Weft's proxy takes: no user can block the rest. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { renderFor } from "../../src/mesh/render/index.ts";
import { buildSnapshot, type KubeObject, translate } from "../../src/mesh/translate/index.ts";
import { compileMessage } from "../../src/proxy/compile/index.ts";
import { decode, nodeOf, parseObjects } from "./harness.ts";

const base = parseObjects(readFileSync(join(import.meta.dir, "bookinfo.yaml"), "utf8"));

function refusals(objects: readonly KubeObject[]): readonly string[] {
  const { mesh } = translate(buildSnapshot([...base, ...objects]), { defaultMtls: "strict" });
  return decode(renderFor(mesh, nodeOf(mesh, "default/reviews-v1-a1")))
    .flatMap((r) => compileMessage(r.message).errors)
    .map((e) => `${e.path}: ${e.message}`);
}

const word = fc.oneof(
  fc.constantFrom(
    "",
    "/",
    "/a",
    "reviews",
    "v1",
    "GET",
    "x-a",
    "Host",
    "%",
    "%REQ(x)%",
    "*",
    "a b",
    "é€",
    "\r\n",
  ),
  fc.constantFrom(
    "(a|b)+",
    "[",
    "a{1,1000}",
    "(?i)x",
    "x".repeat(1000),
    "x".repeat(1025),
    "1s",
    "0s",
    "5xx,503",
  ),
  fc.string({ maxLength: 12 }),
);
const number = fc.constantFrom(0, 1, 2, 100, 418, 9080, 65_535, 2 ** 31, 2 ** 32, -1, 1.5);
const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
const stringMatch = fc.oneof(
  word.map((exact) => ({ exact })),
  word.map((prefix) => ({ prefix })),
  word.map((regex) => ({ regex })),
  fc.constant({}),
);
const changes = fc.record(
  {
    set: fc.dictionary(word, word, { maxKeys: 2 }),
    add: fc.dictionary(word, word, { maxKeys: 2 }),
    remove: fc.array(word, { maxLength: 2 }),
  },
  { requiredKeys: [] },
);
const destination = fc.record(
  {
    destination: fc.record(
      {
        host: fc.oneof(fc.constantFrom("reviews", "web-api", "nobody"), word),
        subset: word,
        port: fc.record({ number }),
      },
      { requiredKeys: ["host"] },
    ),
    weight: number,
    headers: fc.record({ request: changes, response: changes }, { requiredKeys: [] }),
  },
  { requiredKeys: ["destination"] },
);
const rule = fc.record(
  {
    name: word,
    match: fc.array(
      fc.record(
        {
          uri: stringMatch,
          method: stringMatch,
          authority: stringMatch,
          headers: fc.dictionary(word, stringMatch, { maxKeys: 2 }),
          withoutHeaders: fc.dictionary(word, stringMatch, { maxKeys: 1 }),
          queryParams: fc.dictionary(word, stringMatch, { maxKeys: 2 }),
          ignoreUriCase: fc.boolean(),
        },
        { requiredKeys: [] },
      ),
      { maxLength: 2 },
    ),
    route: fc.array(destination, { minLength: 1, maxLength: 3 }),
    timeout: word,
    retries: fc.record(
      { attempts: number, perTryTimeout: word, retryOn: word, backoff: word },
      { requiredKeys: [] },
    ),
    rewrite: fc.record({ uri: word, authority: word }, { requiredKeys: [] }),
    headers: fc.record({ request: changes, response: changes }, { requiredKeys: [] }),
  },
  { requiredKeys: ["route"] },
);
const fixed = fc.oneof(
  fc.record({
    redirect: fc.record(
      { uri: word, authority: word, redirectCode: number, port: number },
      { requiredKeys: [] },
    ),
  }),
  fc.record({
    directResponse: fc.record(
      { status: number, body: fc.record({ string: fc.oneof(word, fc.constant("x".repeat(5000))) }) },
      { requiredKeys: ["status"] },
    ),
  }),
);
const virtualService = fc.record({
  hosts: fc.array(
    fc.oneof(fc.constantFrom("reviews", "web-api", "a.example", "*.a.example", "Reviews"), word),
    { maxLength: 2 },
  ),
  http: fc.array(fc.oneof(rule, fixed), { minLength: 1, maxLength: 2 }),
});
const policy = fc.record(
  {
    loadBalancer: fc.record({
      simple: fc.constantFrom("RANDOM", "ROUND_ROBIN", "PASSTHROUGH", "LEAST_CONN"),
    }),
    connectionPool: fc.record(
      {
        tcp: fc.record({ maxConnections: number, connectTimeout: word }, { requiredKeys: [] }),
        http: fc.record(
          {
            http2MaxRequests: number,
            maxRetries: number,
            maxRequestsPerConnection: number,
            idleTimeout: word,
            h2UpgradePolicy: fc.constantFrom("UPGRADE", "DEFAULT"),
          },
          { requiredKeys: [] },
        ),
      },
      { requiredKeys: [] },
    ),
    outlierDetection: fc.record(
      {
        consecutive5xxErrors: number,
        consecutiveGatewayErrors: number,
        interval: word,
        maxEjectionPercent: number,
        minHealthPercent: number,
        splitExternalLocalOriginErrors: fc.boolean(),
        consecutiveLocalOriginFailures: number,
      },
      { requiredKeys: [] },
    ),
    tls: fc.record(
      {
        mode: fc.constantFrom("DISABLE", "SIMPLE", "ISTIO_MUTUAL"),
        sni: word,
        subjectAltNames: fc.array(word, { maxLength: 1 }),
      },
      { requiredKeys: ["mode"] },
    ),
  },
  { requiredKeys: [] },
);
const condition = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    word.map((method) => ({ method })),
    word.map((pathRegex) => ({ pathRegex })),
    fc.array(tie("node"), { maxLength: 3 }).map((all) => ({ all })),
    fc.array(tie("node"), { maxLength: 3 }).map((any) => ({ any })),
    tie("node").map((not) => ({ not })),
  ),
})).node;
const profile = fc.record({
  routes: fc.array(
    fc.record(
      { name: word, condition, isRetryable: fc.boolean(), timeout: word, requestTimeout: word },
      { requiredKeys: ["name", "condition"] },
    ),
    { maxLength: 2 },
  ),
});
const entry = fc.record({
  address: fc.oneof(fc.constantFrom("127.66.0.77", "::1", "db.example", "unix:///x"), word),
  labels: fc.constant({ app: "reviews" }),
  weight: rarely(number),
  serviceAccount: rarely(word),
});
const settings = fc.record(
  {
    trustDomain: word,
    accessLogFile: fc.constantFrom("/dev/stdout", "/tmp/x", ""),
    accessLogEncoding: fc.constantFrom("TEXT", "JSON"),
    accessLogFormat: fc.oneof(
      word,
      fc.constantFrom("%NOPE%", "50%", '{"a": "%NOPE%"}', '{"a": 1}', "%PROTOCOL% %%"),
    ),
    defaultHttpRetryPolicy: fc.record({ attempts: number, retryOn: word }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
);

const object = (apiVersion: string, kind: string, name: string, more: object): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, namespace: kind === "ConfigMap" ? "weft-system" : "default" },
  ...more,
});

test("no manifest makes a resource that the proxy refuses", () => {
  let took = 0;
  fc.assert(
    fc.property(virtualService, policy, profile, entry, settings, (vs, trafficPolicy, sp, we, mesh) => {
      const objects = [
        object("networking.istio.io/v1", "VirtualService", "vs", { spec: vs }),
        object("networking.istio.io/v1", "DestinationRule", "dr", {
          spec: { host: "reviews", trafficPolicy },
        }),
        object("linkerd.io/v1alpha2", "ServiceProfile", "web-api.default.svc.cluster.local", { spec: sp }),
        object("networking.istio.io/v1", "WorkloadEntry", "we", { spec: we }),
        object("v1", "ConfigMap", "istio", { data: { mesh: JSON.stringify(mesh) } }),
      ];
      const { mesh: made } = translate(buildSnapshot([...base, ...objects]));
      took += made.routes.length + made.policies.length + made.profiles.length;
      expect(refusals(objects)).toEqual([]);
    }),
    { numRuns: 1500, seed: 3 },
  );
  // The property would say nothing if all of them were left out.
  expect(took).toBeGreaterThan(500);
}, 60_000);

test("the default JSON access log is one that the proxy takes", () => {
  const mesh = "accessLogFile: /dev/stdout\naccessLogEncoding: JSON\n";
  expect(refusals([object("v1", "ConfigMap", "istio", { data: { mesh } })])).toEqual([]);
});
