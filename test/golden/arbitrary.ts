/** Manifests right and wrong, for properties. */
import fc from "fast-check";
import type { KubeObject } from "../../src/mesh/translate/index.ts";

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
const percentage = fc.record({ value: fc.constantFrom(0, 0.0001, 33.3, 100, 101) }, { requiredKeys: [] });
const fault = fc.record(
  {
    delay: fc.record({ fixedDelay: word, percentage }, { requiredKeys: [] }),
    abort: fc.record(
      { httpStatus: number, grpcStatus: fc.oneof(word, fc.constant("UNAVAILABLE")), percentage },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);
const cors = fc.record(
  {
    allowOrigins: fc.array(stringMatch, { maxLength: 2 }),
    allowMethods: fc.array(word, { maxLength: 2 }),
    allowHeaders: fc.array(word, { maxLength: 2 }),
    exposeHeaders: fc.array(word, { maxLength: 1 }),
    maxAge: word,
    allowCredentials: fc.boolean(),
    unmatchedPreflights: fc.constantFrom("FORWARD", "IGNORE"),
  },
  { requiredKeys: [] },
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
    rewrite: fc.oneof(
      fc.record({ uri: word, authority: word }, { requiredKeys: [] }),
      fc.record({
        uriRegexRewrite: fc.record({
          match: word,
          rewrite: fc.oneof(word, fc.constantFrom("\\1", "\\2", "\\", "/x\\0")),
        }),
      }),
    ),
    fault: rarely(fault),
    corsPolicy: rarely(cors),
    mirror: rarely(fc.record({ host: fc.constantFrom("web-api", "nobody") })),
    mirrorPercentage: rarely(percentage),
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
const ring = fc.record({ minimumRingSize: number });
const hashing = fc.record(
  {
    httpHeaderName: rarely(word),
    useSourceIp: rarely(fc.boolean()),
    httpCookie: rarely(fc.record({ name: word, ttl: word, path: word }, { requiredKeys: ["name"] })),
    httpQueryParameterName: rarely(word),
    ringHash: rarely(ring),
    maglev: rarely(fc.record({ tableSize: fc.constantFrom(1, 4, 251, 65_537, 2 ** 31) })),
  },
  { requiredKeys: [] },
);
const policy = fc.record(
  {
    loadBalancer: fc.oneof(
      fc.record(
        {
          simple: fc.constantFrom("RANDOM", "ROUND_ROBIN", "PASSTHROUGH", "LEAST_CONN"),
          warmup: rarely(fc.record({ duration: word, minimumPercent: number, aggression: number })),
        },
        { requiredKeys: ["simple"] },
      ),
      hashing.map((consistentHash) => ({ consistentHash })),
      fc.record({
        localityLbSetting: fc.record(
          {
            distribute: fc.constant([{ from: "*", to: { "a/*": 60, b: 40 } }]),
            failoverPriority: fc.array(word, { maxLength: 2 }),
            enabled: fc.boolean(),
          },
          { requiredKeys: [] },
        ),
      }),
    ),
    retryBudget: rarely(fc.record({ percent: number, minRetryConcurrency: number }, { requiredKeys: [] })),
    connectionPool: fc.record(
      {
        tcp: fc.record(
          {
            maxConnections: number,
            connectTimeout: word,
            maxConnectionDuration: word,
            tcpKeepalive: fc.record({ probes: number, time: word, interval: word }, { requiredKeys: [] }),
          },
          { requiredKeys: [] },
        ),
        http: fc.record(
          {
            http2MaxRequests: number,
            maxRetries: number,
            maxRequestsPerConnection: number,
            idleTimeout: word,
            useClientProtocol: fc.boolean(),
            maxConcurrentStreams: number,
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
        mode: fc.constantFrom("DISABLE", "SIMPLE", "ISTIO_MUTUAL", "MUTUAL"),
        caCertificates: word,
        insecureSkipVerify: fc.boolean(),
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

export const object = (apiVersion: string, kind: string, name: string, more: object): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, namespace: kind === "ConfigMap" ? "weft-system" : "default" },
  ...more,
});

/** One object of each kind that users write, all about the same services. */
export const manifests: fc.Arbitrary<readonly KubeObject[]> = fc
  .tuple(virtualService, policy, profile, entry, settings)
  .map(([vs, trafficPolicy, sp, we, mesh]) => [
    object("networking.istio.io/v1", "VirtualService", "vs", { spec: vs }),
    object("networking.istio.io/v1", "DestinationRule", "dr", { spec: { host: "reviews", trafficPolicy } }),
    object("linkerd.io/v1alpha2", "ServiceProfile", "web-api.default.svc.cluster.local", { spec: sp }),
    object("networking.istio.io/v1", "WorkloadEntry", "we", { spec: we }),
    object("v1", "ConfigMap", "istio", { data: { mesh: JSON.stringify(mesh) } }),
  ]);
