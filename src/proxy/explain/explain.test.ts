import { expect, test } from "bun:test";
import type { ClusterConfig, EndpointConfig, RouteConfig, RouteTableConfig } from "../config/index.ts";
import { type ExplainRequest, type ExplainTables, explain, tablesOf } from "./index.ts";

const route = (name: string, more: Partial<RouteConfig>): RouteConfig => ({
  name,
  match: { path: { kind: "prefix", value: "/" }, headers: [], query: [] },
  action: { kind: "direct", status: 200, bodyText: "" },
  requestHeadersAdd: [],
  requestHeadersRemove: [],
  responseHeadersAdd: [],
  responseHeadersRemove: [],
  ...more,
});

const to = (clusters: readonly [string, number][]): RouteConfig["action"] => ({
  kind: "route",
  clusters: clusters.map(([cluster, weight]) => ({ cluster, weight })),
  totalWeight: clusters.reduce((n, [, w]) => n + w, 0),
  timeoutMs: 1000,
  retry: {
    retryOn: ["5xx"],
    numRetries: 2,
    perTryTimeoutMs: 300,
    retriableStatusCodes: [],
    retriableRequestHeaders: [{ name: ":method", match: { kind: "exact", value: "GET" } }],
    backoffBaseMs: 25,
    backoffMaxMs: 250,
  },
});

const table: RouteTableConfig = {
  name: "http_proxy",
  virtualHosts: [
    {
      name: "reviews.default.svc.cluster.local:9080",
      domains: ["reviews", "reviews:9080"],
      owner: { object: "Service/default/reviews" },
      routes: [
        route("jason", {
          match: {
            path: { kind: "prefix", value: "/" },
            headers: [{ name: "end-user", match: { kind: "exact", value: "jason" } }],
            query: [],
          },
          action: to([["v2", 1]]),
          owner: { object: "VirtualService/default/reviews-route", field: "spec.http[0]" },
        }),
        route("rest", {
          action: to([
            ["v1", 90],
            ["gone", 10],
            ["none", 0],
          ]),
          owner: { object: "VirtualService/default/reviews-route", field: "spec.http[1]" },
        }),
      ],
    },
    {
      name: "wild",
      domains: ["*.example.com", "api.*"],
      routes: [
        route("only", {
          match: {
            path: { kind: "exact", value: "/x" },
            headers: [],
            query: [{ name: "q", match: { kind: "present" } }],
          },
        }),
      ],
    },
  ],
};

const sans = [{ kind: "exact", value: "spiffe://cluster.local/ns/default/sa/reviews" }] as const;
const cluster: ClusterConfig = {
  name: "v1",
  discovery: "endpoints",
  lb: "round_robin",
  choiceCount: 2,
  connectTimeoutMs: 5000,
  panicThreshold: 0,
  breaker: { maxConnections: 1, maxPendingRequests: 1, maxRequests: 1, maxRetries: 1 },
  transports: [
    null,
    {
      certSecret: "default",
      validation: { caSecret: "ROOTCA", sans, mode: "spiffe" },
      sni: "s",
      alpn: ["http/1.1"],
      minVersion: 771,
      maxVersion: 772,
    },
  ],
  idleTimeoutMs: 0,
  maxRequestsPerConnection: 0,
  slot: 16,
};
const endpoint = (address: string, more: Partial<EndpointConfig>): EndpointConfig => ({
  address,
  host: "127.0.0.1",
  port: 1,
  weight: 1,
  priority: 0,
  healthy: true,
  transport: 1,
  slot: 0,
  ...more,
});
const tables: ExplainTables = {
  routes: new Map([["http_proxy", table]]),
  clusters: new Map([["v1", cluster]]),
  endpoints: new Map([
    [
      "v1",
      {
        cluster: "v1",
        endpoints: [
          endpoint("127.0.0.1:1", { slot: 40 }),
          endpoint("127.0.0.1:2", { slot: 48 }),
          endpoint("127.0.0.1:3", { healthy: false, transport: 0 }),
        ],
      },
    ],
  ]),
  ejected: (slot) => slot === 48,
};
const ask = (more: Partial<ExplainRequest>): ReturnType<typeof explain> =>
  explain(tables, {
    routeTable: "http_proxy",
    method: "GET",
    path: "/",
    authority: "reviews",
    headers: [],
    ...more,
  });

test("explain names the route that matched, why earlier ones did not, and the objects that decided", () => {
  const e = ask({ authority: "Reviews:9080", headers: ["end-user", "bob"] });
  expect(e.host).toEqual({
    name: "reviews.default.svc.cluster.local:9080",
    domain: "reviews:9080",
    owner: { object: "Service/default/reviews" },
  });
  expect(e.skipped).toEqual([
    {
      index: 0,
      name: "jason",
      reasons: ['wants header end-user exactly "jason"; it is "bob"'],
      owner: { object: "VirtualService/default/reviews-route", field: "spec.http[0]" },
    },
  ]);
  expect(e.route).toMatchObject({
    index: 1,
    name: "rest",
    match: ["any path"],
    owner: { field: "spec.http[1]" },
  });
  expect(ask({ headers: ["end-user", "jason"] }).route?.index).toBe(0);
  expect(ask({}).skipped[0]?.reasons).toEqual(['wants header end-user exactly "jason"; it is absent']);
});

test("explain shows clusters with shares, endpoints with state and transport, identities, and missing clusters", () => {
  const { outcome } = ask({});
  if (outcome.kind !== "route") throw new Error(outcome.kind);
  expect(outcome.timeoutMs).toBe(1000);
  expect(outcome.retry).toMatchObject({ numRetries: 2, perTryTimeoutMs: 300, applies: true });
  expect(outcome.clusters.map((c) => [c.name, c.share, c.exists])).toEqual([
    ["v1", 0.9, true],
    ["gone", 0.1, false],
  ]);
  expect(outcome.clusters[0]!.identities).toEqual(["spiffe://cluster.local/ns/default/sa/reviews"]);
  expect(outcome.clusters[0]!.endpoints.map((e) => [e.address, e.state, e.transport])).toEqual([
    ["127.0.0.1:1", "takes requests", "mutual TLS"],
    ["127.0.0.1:2", "ejected", "mutual TLS"],
    ["127.0.0.1:3", "unhealthy", "plaintext"],
  ]);
  const post = ask({ method: "POST" }).outcome;
  expect(post.kind === "route" && post.retry?.applies).toBe(false);
});

test("explain says why nothing matches", () => {
  expect(ask({ authority: "nobody" }).outcome).toEqual({
    kind: "none",
    status: 404,
    flag: "NR",
    reason: "no virtual host has the domain nobody",
  });
  const e = ask({ authority: "a.example.com", path: "/y?z=1" });
  expect(e.host?.domain).toBe("*.example.com");
  expect(e.skipped[0]?.reasons).toEqual([
    'wants path exactly "/x"; it is /y?z=1',
    "wants query parameter q present",
  ]);
  expect(e.outcome.kind).toBe("none");
  expect(ask({ authority: "api.test", path: "/x?q" }).host?.domain).toBe("api.*");
  expect(ask({ routeTable: "other" }).outcome).toMatchObject({ reason: "there is no route table other" });
});

test("tablesOf() joins clusters and their assignments", () => {
  const made = tablesOf([
    {
      type: "cluster",
      name: "c",
      config: cluster,
      edsName: "eds",
      transportMatches: [{ index: 1, match: { tlsMode: "istio" } }],
      secrets: [],
    },
    {
      type: "endpoints",
      name: "eds",
      endpoints: [
        {
          address: "127.0.0.1:1",
          host: "127.0.0.1",
          port: 1,
          weight: 1,
          priority: 0,
          healthy: true,
          transportMatch: { tlsMode: "istio" },
        },
      ],
    },
  ]);
  expect(made.endpoints.get("c")?.endpoints).toMatchObject([
    { address: "127.0.0.1:1", transport: 1, slot: -1 },
  ]);
});
