/** The parts without sockets: wheel, routes, balancers, formats, metrics. */
import { describe, expect, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { seededRng } from "../../base/index.ts";
import { fakeClock } from "../../testkit/index.ts";
import {
  endpointWord,
  type FromWorker,
  metricRowWords,
  type RouteConfig,
  reservedMetricWords,
  type VirtualHostConfig,
} from "../config/index.ts";
import { defaultFormat } from "./access-log.ts";
import { compileFormat, compileJson, unknownOperators } from "./access-log-format.ts";
import { chooseChain } from "./chain.ts";
import { createPicker, tiers } from "./lb/index.ts";
import { compileHeader, compileRegex, queryValue } from "./match.ts";
import { Metrics } from "./metrics.ts";
import { decodePeerMetadata } from "./peer-metadata.ts";
import { chooseWeighted } from "./plane.ts";
import { RouteTable } from "./route-table.ts";
import { flag, flagText, StreamInfo } from "./stream-info.ts";
import { listener, route } from "./test-support.ts";
import { TimerEntry, TimerWheel, wheelTickMs } from "./timer-wheel.ts";

describe("timer wheel", () => {
  const fired: number[] = [];
  const owner = { onTimer: (t: TimerEntry) => void fired.push(t.kind) };

  test("fires once, never early, at most a tick late, and nothing is left behind", () => {
    const clock = fakeClock();
    const wheel = new TimerWheel(clock);
    for (const ms of [1, 8, 300, 5000, 3_600_000]) {
      fired.length = 0;
      wheel.arm(new TimerEntry(owner, ms), ms);
      clock.advance(ms - 1);
      expect(fired).toEqual([]);
      clock.advance(1 + wheelTickMs);
      expect(fired).toEqual([ms]);
      clock.advance(ms);
      expect(fired).toEqual([ms]);
    }
    expect(clock.pending).toBe(0);
  });

  test("a later deadline replaces an earlier one, and the other way round; disarm and remove hold", () => {
    const clock = fakeClock();
    const wheel = new TimerWheel(clock);
    fired.length = 0;
    const later = new TimerEntry(owner, 1);
    wheel.arm(later, 100);
    wheel.arm(later, 10_000);
    const sooner = new TimerEntry(owner, 2);
    wheel.arm(sooner, 10_000);
    wheel.arm(sooner, 100);
    const off = new TimerEntry(owner, 3);
    wheel.arm(off, 50);
    wheel.disarm(off);
    const out = new TimerEntry(owner, 4);
    wheel.arm(out, 50);
    wheel.remove(out);
    clock.advance(9_990);
    expect(fired).toEqual([2]);
    clock.advance(20);
    expect(fired).toEqual([2, 1]);
  });

  test("an owner that removes other timers while it fires", () => {
    const clock = fakeClock();
    const wheel = new TimerWheel(clock);
    const seen: number[] = [];
    const others: TimerEntry[] = [];
    const killer = { onTimer: () => others.forEach((o) => void wheel.remove(o)) };
    const victim = { onTimer: (t: TimerEntry) => void seen.push(t.kind) };
    for (let i = 0; i < 3; i++) others.push(new TimerEntry(victim, i));
    for (const o of others) wheel.arm(o, 50);
    wheel.arm(new TimerEntry(killer, 9), 50);
    clock.advance(200);
    expect(seen).toEqual([]);
  });
});

describe("route table", () => {
  const named = (name: string, match: Partial<RouteConfig["match"]> = {}): RouteConfig => ({
    ...route("c", {}, match),
    name,
  });
  const vhost = (
    name: string,
    domains: string[],
    routes: RouteConfig[] = [named(name)],
  ): VirtualHostConfig => ({ name, domains, routes });
  const table = new RouteTable({
    name: "t",
    virtualHosts: [
      vhost("any", ["*"]),
      vhost("suffix", ["*.example.com"]),
      vhost("longer", ["*.a.example.com"]),
      vhost("prefix", ["www.*"]),
      vhost("exact", ["www.example.com", "reviews:9080"]),
    ],
  });
  const at = (authority: string): string => table.findHost(authority)?.config.name ?? "none";

  test("hosts: exact, longest suffix, longest prefix, any", () => {
    expect(at("www.example.com")).toBe("exact");
    expect(at("reviews:9080")).toBe("exact");
    expect(at("x.example.com")).toBe("suffix");
    expect(at("x.a.example.com")).toBe("longer");
    expect(at("www.other.org")).toBe("prefix");
    expect(at("example.com")).toBe("any");
    expect(at(".example.com")).toBe("any");
  });

  test("routes in order; path kinds without the query; headers and query", () => {
    const routes = [
      named("jason", { headers: [{ name: "End-User", match: { kind: "exact", value: "jason" } }] }),
      named("exact", { path: { kind: "exact", value: "/users" } }),
      named("regex", { path: { kind: "regex", value: "/users/\\d+" } }),
      named("separated", { path: { kind: "pathSeparatedPrefix", value: "/api" } }),
      named("query", { query: [{ name: "v", match: { kind: "exact", value: "2" } }] }),
      named("insensitive", { path: { kind: "prefix", value: "/Upper" }, ignoreCase: true }),
    ];
    const t = new RouteTable({ name: "t", virtualHosts: [vhost("all", ["*"], routes)] });
    const find = (path: string, headers: string[] = []): string =>
      t.find({ method: "GET", path, authority: "A", scheme: "http", headers })?.config.name ?? "none";
    expect(find("/users?x=1")).toBe("exact");
    expect(find("/users", ["end-user", "jason"])).toBe("jason");
    expect(find("/users", ["end-user", "jason", "end-user", "x"])).toBe("exact");
    expect(find("/users/42?a")).toBe("regex");
    expect(find("/users/42x")).toBe("none");
    expect(find("/api")).toBe("separated");
    expect(find("/api/x")).toBe("separated");
    expect(find("/apix")).toBe("none");
    expect(find("/?w=1&v=2")).toBe("query");
    expect(find("/uPPer/x")).toBe("insensitive");
  });

  test("a regular expression from the network cannot stall the thread", () => {
    const matches = compileRegex("(a+)+$");
    expect(matches(`${"a".repeat(5000)}b`)).toBe(false);
    expect(compileRegex("v\\d+")("v12")).toBe(true);
    expect(compileRegex("/a?b")("/b")).toBe(true);
    expect(compileRegex("/x.*")("/x/y")).toBe(true);
    expect(compileRegex("ab|cd")("cd")).toBe(true);
    expect(() => compileRegex("(")).toThrow();
  });

  test("inverted and missing headers", () => {
    const view = { method: "GET", path: "/", authority: "a", scheme: "http", headers: ["x", "1"] };
    expect(compileHeader({ name: "y", match: { kind: "present" }, invert: true })(view)).toBe(true);
    expect(compileHeader({ name: "x", match: { kind: "exact", value: "2" }, invert: true })(view)).toBe(true);
    expect(
      compileHeader({ name: "y", match: { kind: "exact", value: "" }, missingAsEmpty: true })(view),
    ).toBe(true);
    expect(queryValue("/?ab=1&a=2", "a")).toBe("2");
    expect(queryValue("/?a", "a")).toBe("");
    expect(queryValue("/", "a")).toBeUndefined();
  });
});

describe("balancers", () => {
  const hosts = (weights: number[]): { weight: number; slot: number; priority: number }[] =>
    weights.map((weight, i) => ({ weight, slot: i * 8, priority: 0 }));
  const options = { rng: seededRng(1), table: new Int32Array(64) };
  const share = (lb: "round_robin" | "least_request" | "random", weights: number[], n: number): number[] => {
    const list = hosts(weights);
    const picker = createPicker({ lb, choiceCount: 2 }, list, options);
    const counts = list.map(() => 0);
    for (let i = 0; i < n; i++) counts[list.indexOf(picker.pick())]!++;
    return counts;
  };

  test.each(["round_robin", "least_request", "random"] as const)("%s reaches every host", (lb) => {
    for (const count of share(lb, [1, 1, 1], 300)) expect(count).toBeGreaterThan(50);
  });

  test("round robin is exact, with weights too", () => {
    expect(share("round_robin", [1, 1, 1], 300)).toEqual([100, 100, 100]);
    expect(share("round_robin", [1, 3], 400)).toEqual([100, 300]);
  });

  test("least request avoids the loaded one", () => {
    options.table[0 + endpointWord.active] = 50;
    const [loaded = 0, idle = 0] = share("least_request", [1, 1], 200);
    options.table[0 + endpointWord.active] = 0;
    // It is taken only where both choices fell on it.
    expect(loaded).toBeLessThan(idle / 2);
  });

  test("priorities and panic as Envoy", () => {
    const list = [0, 0, 0, 0, 1].map((priority, i) => ({ priority, i }));
    const usable = (healthy: number[]) => (h: { i: number }) => healthy.includes(h.i);
    expect(tiers(list, usable([0, 1, 2, 3, 4]), 50).map((t) => t.load)).toEqual([100, 0]);
    const half = tiers(list, usable([0, 1, 4]), 50);
    expect(half[0]!.load).toBeCloseTo(70);
    expect(half[1]!.load).toBeCloseTo(30);
    const one = [
      { priority: 0, i: 0 },
      { priority: 0, i: 1 },
      { priority: 0, i: 2 },
    ];
    expect(tiers(one, usable([0]), 50)[0]!.hosts).toHaveLength(3);
    expect(tiers(one, usable([0]), 0)[0]!.hosts).toHaveLength(1);
    expect(tiers(one, usable([]), 0)[0]!.hosts).toHaveLength(0);
  });

  test("weighted clusters", () => {
    const list = [
      { cluster: "a", weight: 90 },
      { cluster: "b", weight: 10 },
    ];
    expect(chooseWeighted(list, 100, 0.899)?.cluster).toBe("a");
    expect(chooseWeighted(list, 100, 0.9)?.cluster).toBe("b");
    expect(
      chooseWeighted(
        [
          { cluster: "a", weight: 0 },
          { cluster: "b", weight: 1 },
        ],
        1,
        0,
      )?.cluster,
    ).toBe("b");
  });
});

describe("filter chains", () => {
  test("server name before transport before nothing", () => {
    const base = listener().filterChains[0]!;
    const chains = [
      { config: { ...base, name: "any" } },
      { config: { ...base, name: "tls", transportProtocol: "tls" as const } },
      { config: { ...base, name: "exact", serverNames: ["a.b"] } },
      { config: { ...base, name: "wild", serverNames: ["*.b"] } },
      { config: { ...base, name: "alpn", transportProtocol: "tls" as const, alpn: ["h2"] } },
    ];
    const choose = (tls: boolean, sni: string, alpn: string[] = []): string =>
      chooseChain(chains, { tls, sni, alpn, localPort: 1 })?.config.name ?? "none";
    expect(choose(false, "")).toBe("any");
    expect(choose(true, "")).toBe("tls");
    expect(choose(true, "a.b")).toBe("exact");
    expect(choose(true, "x.b")).toBe("wild");
    expect(choose(true, "", ["h2"])).toBe("alpn");
  });
});

describe("access log", () => {
  const info = new StreamInfo({
    remoteAddress: "127.0.0.1",
    remotePort: 1,
    localAddress: "::1",
    localPort: 2,
    sni: "",
    principal: "",
    tls: false,
    listener: "l",
  });
  info.reset(0);
  Object.assign(info, {
    startWall: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    method: "GET",
    path: "/a",
    authority: "reviews",
    status: 503,
    flags: flag.upstreamOverflow | flag.retryLimit,
    headers: ["user-agent", 'x"\n', "x-request-id", "id"],
  });

  test("Envoy's default format", () => {
    expect(compileFormat(defaultFormat)(info, 12.7)).toBe(
      '[2026-01-02T03:04:05.006Z] "GET /a HTTP/1.1" 503 UO,URX 0 0 12 - "-" "x\\"\\n" "id" "reviews" "-"\n',
    );
    expect(flagText(0)).toBe("-");
  });

  test("JSON keeps types and cannot be broken out of", () => {
    const line = compileJson({
      code: "%RESPONSE_CODE%",
      agent: "%REQ(USER-AGENT)%",
      up: "%UPSTREAM_HOST%",
      mix: "a %DURATION%",
      t: "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    })(info, 3);
    expect(JSON.parse(line)).toEqual({
      code: 503,
      agent: 'x"\n',
      up: null,
      mix: "a 3",
      t: "2026-01-02T03:04:05.006Z",
    });
  });

  test("unknown operators are named; a header's length is limited", () => {
    expect(unknownOperators("%REQ(A)% %NOPE% %DURATION%")).toEqual(["NOPE"]);
    expect(unknownOperators("100%%NOPE%% %%%NOPE%")).toEqual(["NOPE"]);
    expect(compileFormat("100%% %%RESPONSE_CODE%% %%%RESPONSE_CODE%%%")(info, 0)).toBe(
      "100% %RESPONSE_CODE% %503%",
    );
    expect(compileFormat("%REQ(X-REQUEST-ID):1%")(info, 0)).toBe("i");
  });
});

describe("metrics", () => {
  test("a full row counts in word 0 and writes to the sink", () => {
    const posted: FromWorker[] = [];
    const metrics = new Metrics(new Float64Array(reservedMetricWords + 1), (m) => posted.push(m));
    expect(metrics.series("envoy_cluster_upstream_rq_total", ["a", "b"])).toBe(reservedMetricWords);
    expect(metrics.series("envoy_cluster_upstream_rq_total", ["a", "b"])).toBe(reservedMetricWords);
    expect(metrics.series("envoy_cluster_upstream_rq_total", ["a", "c"])).toBe(1);
    expect(metrics.row[0]).toBe(1);
    expect(posted).toHaveLength(1);
    expect(metricRowWords).toBeGreaterThan(reservedMetricWords);
  });
});

describe("peer metadata", () => {
  const encode = (value: Record<string, unknown>): string => {
    const toValue = (v: unknown): object =>
      typeof v === "string"
        ? { kind: { case: "stringValue", value: v } }
        : { kind: { case: "structValue", value: toStruct(v as Record<string, unknown>) } };
    const toStruct = (o: Record<string, unknown>): object => ({
      fields: Object.fromEntries(Object.entries(o).map(([k, v]) => [k, toValue(v)])),
    });
    return Buffer.from(toBinary(StructSchema, create(StructSchema, toStruct(value)))).toString("base64");
  };

  test("reads what Istio writes", () => {
    const text = encode({
      WORKLOAD_NAME: "reviews-v1",
      NAMESPACE: "default",
      CLUSTER_ID: "Kubernetes",
      LABELS: { app: "reviews", version: "v1", "service.istio.io/canonical-name": "reviews" },
    });
    expect(decodePeerMetadata(text)).toEqual({
      workload: "reviews-v1",
      namespace: "default",
      app: "reviews",
      version: "v1",
      service: "reviews",
      revision: "v1",
      cluster: "Kubernetes",
    });
  });

  test("never throws on damaged bytes", () => {
    const good = Buffer.from(encode({ WORKLOAD_NAME: "w", LABELS: { app: "a" } }), "base64");
    const rng = seededRng(7);
    for (let i = 0; i < 2000; i++) {
      const bad = Buffer.from(good);
      bad[rng.int(bad.length)] = rng.int(256);
      decodePeerMetadata(bad.subarray(0, 1 + rng.int(bad.length)).toString("base64"));
    }
    expect(decodePeerMetadata("A".repeat(20_000))).toBeUndefined();
  });
});
