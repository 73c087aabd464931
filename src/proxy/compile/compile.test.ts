import { describe, expect, test } from "bun:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { ClusterSchema } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import { ClusterLoadAssignmentSchema } from "../../proto/gen/envoy/config/endpoint/v3/endpoint_pb.js";
import { RouteConfigurationSchema } from "../../proto/gen/envoy/config/route/v3/route_pb.js";
import type { ClusterConfig, RouteConfig, VirtualHostConfig } from "../config/index.ts";
import {
  type CompiledCluster,
  type CompiledEndpoints,
  type CompiledRoute,
  type Outcome,
  resolveEndpoints,
} from "./index.ts";
import { maxDirectResponseBytes, maxRegexLength } from "./limits.ts";
import { compile, ext, good, said } from "./test-support.ts";

describe("clusters", () => {
  const cluster = (more: JsonObject = {}): Outcome => compile(ClusterSchema, { name: "c", ...more });
  const config = (more: JsonObject = {}): ClusterConfig => good<CompiledCluster>(cluster(more)).config;

  test("have Envoy's defaults", () => {
    expect(config({ outlierDetection: { enforcingSuccessRate: 0 } })).toEqual({
      name: "c",
      discovery: "empty",
      lb: "round_robin",
      choiceCount: 2,
      connectTimeoutMs: 5000,
      panicThreshold: 50,
      breaker: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 },
      outlier: {
        consecutive5xx: 5,
        consecutiveGatewayFailure: 5,
        consecutiveLocalOriginFailure: 5,
        splitExternalLocalOrigin: false,
        intervalMs: 10_000,
        baseEjectionMs: 30_000,
        maxEjectionMs: 300_000,
        maxEjectionPercent: 10,
        enforcing5xx: 100,
        enforcingGatewayFailure: 0,
        enforcingLocalOrigin: 100,
      },
      transports: [null],
      idleTimeoutMs: 3_600_000,
      maxRequestsPerConnection: 0,
      slot: -1,
    });
  });

  test("warn where Envoy would detect by success rate", () => {
    const { errors, warnings } = cluster({ outlierDetection: {} });
    expect(errors).toEqual([]);
    expect(warnings.map((w) => w.path)).toEqual(["cluster.outlier_detection.enforcing_success_rate"]);
  });

  test("take breakers, balancers, panic threshold and HTTP options", () => {
    const made = config({
      lbPolicy: "LEAST_REQUEST",
      leastRequestLbConfig: { choiceCount: 3 },
      commonLbConfig: { healthyPanicThreshold: { value: 0 } },
      circuitBreakers: {
        thresholds: [
          { priority: "HIGH", maxConnections: 1 },
          { maxConnections: 100, maxPendingRequests: 50, retryBudget: { budgetPercent: { value: 25 } } },
        ],
      },
      typedExtensionProtocolOptions: {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
          "@type": `${ext}upstreams.http.v3.HttpProtocolOptions`,
          commonHttpProtocolOptions: { idleTimeout: "30s", maxRequestsPerConnection: 10 },
          explicitHttpConfig: { httpProtocolOptions: {} },
        },
      },
    });
    expect(made).toMatchObject({
      lb: "least_request",
      choiceCount: 3,
      panicThreshold: 0,
      idleTimeoutMs: 30_000,
      maxRequestsPerConnection: 10,
      breaker: {
        maxConnections: 100,
        maxPendingRequests: 50,
        maxRequests: 1024,
        retryBudget: { percent: 25, minConcurrency: 3 },
      },
    });
  });

  test("refuse what is not supported, each by its path", () => {
    const http2 = {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": `${ext}upstreams.http.v3.HttpProtocolOptions`,
        explicitHttpConfig: { http2ProtocolOptions: {} },
      },
    };
    const one = (more: JsonObject): string => said(cluster(more))[0] ?? "";
    expect(one({ typedExtensionProtocolOptions: http2 })).toContain(
      'cluster.typed_extension_protocol_options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"].' +
        "explicit_http_config.http2_protocol_options: there is no HTTP/2 yet",
    );
    expect(one({ healthChecks: [{}] })).toBe(
      "cluster.health_checks: active health checks are not supported; outlier_detection is",
    );
    expect(one({ outlierDetection: { enforcingSuccessRate: 50 } })).toContain(
      "success-rate detection is not",
    );
    expect(one({ commonLbConfig: { zoneAwareLbConfig: {} } })).toBe(
      "cluster.common_lb_config.zone_aware_lb_config: this field is not supported",
    );
    expect(one({ type: "ORIGINAL_DST", loadAssignment: { clusterName: "c" } })).toBe(
      "cluster.load_assignment: an ORIGINAL_DST cluster has none",
    );
    expect(one({ upstreamBindConfig: { sourceAddress: { address: "here", portValue: 1 } } })).toBe(
      "cluster.upstream_bind_config.source_address.port_value: connections take a port of their own each: leave it 0",
    );
    expect(one({ upstreamBindConfig: { sourceAddress: { address: "here" } } })).toBe(
      "cluster.upstream_bind_config.source_address.address: is not an IP address",
    );
    expect(one({ connectTimeout: "0s" })).toBe("cluster.connect_timeout: must be above 0s");
    expect(one({ type: "EDS" })).toBe("cluster.eds_cluster_config: is required for type EDS");
    expect(one({ perConnectionBufferLimitBytes: 32_767 })).toContain(
      "cluster.per_connection_buffer_limit_bytes:",
    );
    expect(one({ perConnectionBufferLimitBytes: 32_768 })).toBe("");
  });

  test("choose each endpoint's transport by its metadata, the first match first", () => {
    const tls = {
      "@type": `${ext}transport_sockets.tls.v3.UpstreamTlsContext`,
      sni: "outbound_.9080_._.b",
      commonTlsContext: {
        alpnProtocols: ["http/1.1"],
        tlsCertificateSdsSecretConfigs: [{ name: "default", sdsConfig: { ads: {} } }],
        combinedValidationContext: {
          defaultValidationContext: {
            matchTypedSubjectAltNames: [
              { sanType: "URI", matcher: { exact: "spiffe://cluster.local/ns/d/sa/b" } },
            ],
          },
          validationContextSdsSecretConfig: { name: "ROOTCA", sdsConfig: { ads: {} } },
        },
      },
    };
    const compiled = good<CompiledCluster>(
      cluster({
        transportSocketMatches: [
          {
            name: "tlsMode-istio",
            match: { tlsMode: "istio" },
            transportSocket: { name: "envoy.transport_sockets.tls", typedConfig: tls },
          },
          {
            name: "tlsMode-disabled",
            match: {},
            transportSocket: { name: "envoy.transport_sockets.raw_buffer" },
          },
        ],
      }),
    );
    expect(compiled.config.transports).toEqual([
      null,
      {
        certSecret: "default",
        validation: {
          caSecret: "ROOTCA",
          sans: [{ kind: "exact", value: "spiffe://cluster.local/ns/d/sa/b" }],
          mode: "spiffe",
        },
        sni: "outbound_.9080_._.b",
        alpn: ["http/1.1"],
        minVersion: 771,
        maxVersion: 772,
      },
      null,
    ]);
    const endpoint = (portValue: number, more: JsonObject): JsonObject => ({
      endpoint: { address: { socketAddress: { address: "127.0.0.1", portValue } } },
      ...more,
    });
    const meta = { filterMetadata: { "envoy.transport_socket_match": { tlsMode: "istio" } } };
    const assignment = good<CompiledEndpoints>(
      compile(ClusterLoadAssignmentSchema, {
        clusterName: "c",
        endpoints: [{ lbEndpoints: [endpoint(1, { metadata: meta }), endpoint(2, {}), endpoint(2, {})] }],
      }),
    );
    const resolved = resolveEndpoints(compiled, assignment, (a) => (a.endsWith(":1") ? 40 : 48));
    expect(resolved.endpoints.map((e) => [e.address, e.transport, e.slot])).toEqual([
      ["127.0.0.1:1", 1, 40],
      ["127.0.0.1:2", 2, 48],
    ]);
  });

  test("refuse TLS to a server that nothing verifies, and identities that are no URIs", () => {
    const socket = (commonTlsContext: JsonObject): JsonObject => ({
      transportSocket: {
        name: "tls",
        typedConfig: { "@type": `${ext}transport_sockets.tls.v3.UpstreamTlsContext`, commonTlsContext },
      },
    });
    const at = "cluster.transport_socket.upstream_tls_context.common_tls_context";
    expect(said(cluster(socket({})))).toEqual([
      `${at}: a validation context is required: a server that cannot be verified is never used`,
    ]);
    expect(said(cluster(socket({ validationContext: {} })))[0]).toContain(
      `${at}.validation_context.trusted_ca`,
    );
    const dns = {
      trustedCa: { filename: "ca.pem" },
      matchTypedSubjectAltNames: [{ sanType: "DNS", matcher: { exact: "a" } }],
    };
    expect(said(cluster(socket({ validationContext: dns })))).toEqual([
      `${at}.validation_context.match_typed_subject_alt_names[0].san_type: only URI is supported`,
    ]);
  });
});

describe("routes", () => {
  const table = (route: JsonObject, host: JsonObject = {}, more: JsonObject = {}): Outcome =>
    compile(RouteConfigurationSchema, {
      name: "t",
      virtualHosts: [{ name: "v", domains: ["*"], routes: [{ match: { prefix: "/" }, ...route }], ...host }],
      ...more,
    });
  const first = (route: JsonObject, host: JsonObject = {}, more: JsonObject = {}): RouteConfig =>
    good<CompiledRoute>(table(route, host, more)).config.virtualHosts[0]!.routes[0]!;
  const one = (route: JsonObject, host: JsonObject = {}): string => said(table(route, host))[0] ?? "";
  const at = "route_configuration.virtual_hosts[0].routes[0]";

  test("have a time-out of 15 s, one retry and Envoy's backoff where they are silent", () => {
    expect(first({ route: { cluster: "c", retryPolicy: { retryOn: "5xx, reset" } } }).action).toEqual({
      kind: "route",
      clusters: [{ cluster: "c", weight: 1 }],
      totalWeight: 1,
      timeoutMs: 15_000,
      retry: {
        retryOn: ["5xx", "reset"],
        numRetries: 1,
        perTryTimeoutMs: 0,
        retriableStatusCodes: [],
        retriableRequestHeaders: [],
        backoffBaseMs: 25,
        backoffMaxMs: 250,
      },
    });
    expect(first({ route: { cluster: "c", timeout: "0s" } }).action).toMatchObject({ timeoutMs: 0 });
  });

  test("take the virtual host's retry policy, metadata's owner and budget", () => {
    const metadata = {
      filterMetadata: {
        weft: {
          owner: "VirtualService/default/v",
          field: "spec.http[0]",
          retry_budget: { key: "k", ratio: 0.5, min_per_second: 1, ttl: "5s" },
        },
      },
    };
    const made = first(
      { route: { cluster: "c" }, metadata },
      { retryPolicy: { retryOn: "5xx", numRetries: 3 } },
    );
    expect(made.owner).toEqual({ object: "VirtualService/default/v", field: "spec.http[0]" });
    expect(made.action).toMatchObject({
      retry: { numRetries: 3, budget: { key: "k", ratio: 0.5, minPerSecond: 1, ttlMs: 5000 } },
    });
  });

  test("take the virtual host's wish to count tries, towards the upstream and in the answer", () => {
    const host = (more: JsonObject): VirtualHostConfig =>
      good<CompiledRoute>(table({ route: { cluster: "c" } }, more)).config.virtualHosts[0]!;
    expect(host({ includeRequestAttemptCount: true })).toMatchObject({ requestAttemptCount: true });
    expect(host({ includeAttemptCountInResponse: true })).toMatchObject({ responseAttemptCount: true });
    expect(Object.keys(host({}))).not.toContain("requestAttemptCount");
  });

  test("run header operations from the route outwards, as Envoy does", () => {
    const add = (key: string, value: string): JsonObject => ({ header: { key, value } });
    const made = first(
      { route: { cluster: "c" }, requestHeadersToAdd: [add("x-a", "route"), add("x-b", "100%%")] },
      { requestHeadersToRemove: ["x-a"], requestHeadersToAdd: [add("X-C", "host")] },
      { requestHeadersToAdd: [add("x-d", "table")] },
    );
    expect(made.requestHeadersRemove).toEqual(["x-a"]);
    expect(made.requestHeadersAdd).toEqual([
      { name: "x-b", value: "100%", action: "append" },
      { name: "x-c", value: "host", action: "append" },
      { name: "x-d", value: "table", action: "append" },
    ]);
  });

  test("match by path, header and query", () => {
    const made = first({
      match: {
        safeRegex: { regex: "/a/[0-9]+" },
        caseSensitive: false,
        headers: [
          { name: ":method", stringMatch: { exact: "GET" } },
          { name: "X-User", presentMatch: false },
          { name: "x-old", prefixMatch: "p", invertMatch: true },
        ],
        queryParameters: [{ name: "q", stringMatch: { contains: "Z", ignoreCase: true } }],
      },
      directResponse: { status: 204 },
    });
    expect(made.match).toEqual({
      path: { kind: "regex", value: "/a/[0-9]+" },
      ignoreCase: true,
      headers: [
        { name: ":method", match: { kind: "exact", value: "GET" } },
        { name: "x-user", match: { kind: "present" }, invert: true },
        { name: "x-old", match: { kind: "prefix", value: "p" }, invert: true },
      ],
      query: [{ name: "q", match: { kind: "contains", value: "z", ignoreCase: true } }],
    });
  });

  test("refuse what is not supported or makes no sense, each by its path", () => {
    const c = { cluster: "c" };
    const rewriting = (regex: string, substitution: string, more = {}) =>
      one({ route: { ...c, regexRewrite: { pattern: { regex }, substitution }, ...more } });
    expect(rewriting("^/(a)/(b)", "\\2\\\\\\0")).toBe("");
    expect(rewriting("^/(a)", "/\\2")).toBe(
      `${at}.route.regex_rewrite.substitution: \\2: the pattern has 1 groups`,
    );
    expect(rewriting("a", "\\n")).toContain(`${at}.route.regex_rewrite.substitution: \\n is neither`);
    expect(rewriting("(", "")).toContain(`${at}.route.regex_rewrite.pattern.regex: not a`);
    expect(rewriting("a", "b", { prefixRewrite: "/" })).toContain(
      `${at}.route.regex_rewrite: prefix_rewrite`,
    );
    const own = { header: { key: "Host", value: "x" } };
    const shares = { clusters: [{ name: "a", weight: 1, responseHeadersToAdd: [own] }] };
    expect(one({ route: { weightedClusters: shares } })).toContain(
      `${at}.route.weighted_clusters.clusters[0].response_headers_to_add[0].header.key: host cannot be set`,
    );
    expect(one({ route: { ...c, hashPolicy: [{ header: { headerName: "x" } }] } })).toBe("");
    expect(one({ route: { ...c, requestMirrorPolicies: [{ cluster: "d" }] } })).toBe(
      `${at}.route.request_mirror_policies: this field is not supported`,
    );
    expect(one({ route: { ...c, retryPolicy: { retryOn: "sometimes" } } })).toContain(
      `${at}.route.retry_policy.retry_on: "sometimes" is not supported; known: 5xx`,
    );
    expect(one({ route: { weightedClusters: { clusters: [{ name: "a", weight: 0 }] } } })).toBe(
      `${at}.route.weighted_clusters: the sum of the weights must be above 0`,
    );
    expect(one({ match: { safeRegex: { regex: "(" } }, route: c })).toContain(
      `${at}.match.safe_regex.regex: not a`,
    );
    expect(one({ match: { grpc: {}, prefix: "/" }, route: c })).toBe(
      `${at}.match.grpc: this field is not supported`,
    );
    expect(one({ route: c, requestHeadersToAdd: [{ header: { key: "x", value: "%PROTOCOL%" } }] })).toContain(
      `${at}.request_headers_to_add[0].header.value: command operators are not supported`,
    );
    expect(one({ route: c, requestHeadersToRemove: ["Host"] })).toContain("host cannot be removed");
    expect(one({ route: c }, { domains: ["a", "A"] })).toContain("A is a domain of virtual host v already");
    expect(one({})).toBe(`${at}: route, redirect or direct_response is required`);
  });

  test("bound regular expressions and direct bodies: at the limit and above", () => {
    const regex = (n: number): string =>
      one({ match: { safeRegex: { regex: "a".repeat(n) } }, directResponse: { status: 200 } });
    expect(regex(maxRegexLength)).toBe("");
    expect(regex(maxRegexLength + 1)).toContain("at most 1024 are allowed");
    const body = (n: number): string =>
      one({ directResponse: { status: 200, body: { inlineString: "a".repeat(n) } } });
    expect(body(maxDirectResponseBytes)).toBe("");
    expect(body(maxDirectResponseBytes + 1)).toContain("is above 4096 bytes");
  });
});
