import { expect, test } from "bun:test";
import { type DescMessage, fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { createLogger, seededRng } from "../../base/index.ts";
import { ClusterSchema } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import { ClusterLoadAssignmentSchema } from "../../proto/gen/envoy/config/endpoint/v3/endpoint_pb.js";
import { ListenerSchema } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import { RouteConfigurationSchema } from "../../proto/gen/envoy/config/route/v3/route_pb.js";
import { createTestCa, type FakeClock, fakeClock } from "../../testkit/index.ts";
import { extensionRegistry } from "../compile/index.ts";
import {
  type ClusterConfig,
  clusterWord,
  type EndpointsConfig,
  endpointWord,
  type ListenerConfig,
} from "../config/index.ts";
import { createAgent } from "./agent.ts";
import { appliedMs, restartMaxMs, warmingMs } from "./limits.ts";
import { ScriptedThread } from "./scripted-thread.ts";
import type { Agent, AgentEvent, AgentOptions } from "./types.ts";

interface Bench {
  readonly agent: Agent;
  readonly clock: FakeClock;
  readonly threads: ScriptedThread[];
  readonly events: AgentEvent[];
  words(): Int32Array;
}

const nobody = { workload: "", namespace: "", app: "", version: "", service: "", revision: "", cluster: "" };

function bench(options: Partial<AgentOptions> = {}): Bench {
  const clock = fakeClock();
  const threads: ScriptedThread[] = [];
  const agent = createAgent({
    concurrency: 2,
    createWorker: () => {
      const thread = new ScriptedThread();
      threads.push(thread);
      return thread;
    },
    node: { id: "n", peer: nobody },
    clock,
    rng: seededRng(1),
    log: createLogger({ sink: () => {} }),
    lockAddress: async () => ({ release: () => {} }),
    ...options,
  });
  const events: AgentEvent[] = [];
  agent.on((e) => events.push(e));
  return { agent, clock, threads, events, words: () => new Int32Array(threads[0]!.init!.shared) };
}

const any = (schema: DescMessage, json: JsonValue): Any =>
  anyPack(schema, fromJson(schema, json, { registry: extensionRegistry }));
const prefix = "type.googleapis.com/";

async function put(
  agent: Agent,
  schema: DescMessage,
  list: readonly JsonValue[],
  removed: readonly string[] = [],
) {
  const added = list.map((json) => {
    const { name, clusterName } = json as { name?: string; clusterName?: string };
    return { name: name ?? clusterName ?? "", version: "1", any: any(schema, json) };
  });
  return await agent.apply({ typeUrl: `${prefix}${schema.typeName}`, added, removed });
}

const cluster = (name: string, more: Record<string, JsonValue> = {}): JsonValue => ({
  name,
  type: "EDS",
  edsClusterConfig: { edsConfig: { ads: {}, resourceApiVersion: "V3" }, serviceName: name },
  ...more,
});
const assignment = (clusterName: string, ports: readonly number[]): JsonValue => ({
  clusterName,
  endpoints: [
    {
      lbEndpoints: ports.map((portValue) => ({
        endpoint: { address: { socketAddress: { address: "127.0.0.1", portValue } } },
      })),
    },
  ],
});
const routes = (name: string, to: string): JsonValue => ({
  name,
  virtualHosts: [{ name: "v", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: to } }] }],
});
const listener = (name: string, table: string, port = 15001, source: JsonObject = {}): JsonValue => ({
  name,
  address: { socketAddress: { address: "127.0.0.1", portValue: port } },
  filterChains: [
    {
      filters: [
        {
          name: "http",
          typedConfig: {
            "@type": `${prefix}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
            statPrefix: "s",
            rds: { routeConfigName: table, configSource: { ads: {}, ...source } },
            httpFilters: [
              {
                name: "r",
                typedConfig: { "@type": `${prefix}envoy.extensions.filters.http.router.v3.Router` },
              },
            ],
          },
        },
      ],
    },
  ],
});

test("agent runs what arrives on every thread, clusters before listeners", async () => {
  const { agent, threads } = bench();
  await agent.started;
  expect(agent.ready()).toBe(false);
  await put(agent, ClusterSchema, [cluster("a")]);
  await put(agent, ClusterLoadAssignmentSchema, [assignment("a", [1001])]);
  await put(agent, RouteConfigurationSchema, [routes("t", "a")]);
  expect((await put(agent, ListenerSchema, [listener("l", "t")])).errors).toEqual([]);
  for (const t of threads) {
    expect([...t.running.keys()]).toEqual(["cluster a", "endpoints a", "route t", "listener l"]);
    expect((t.running.get("listener l") as ListenerConfig).port).toBe(15001);
  }
  expect(threads.length).toBe(2);
  expect(agent.unready()).toEqual([]);
  await agent.stop();
  expect(threads.every((t) => t.terminated)).toBe(true);
});

test("agent keeps the last good version of a resource that is refused, and takes the rest", async () => {
  const { agent, threads } = bench();
  await put(agent, ClusterSchema, [cluster("a", { connectTimeout: "1s" })]);
  const { errors } = await put(agent, ClusterSchema, [cluster("a", { lbPolicy: "MAGLEV" }), cluster("b")]);
  expect(errors).toEqual([
    {
      name: "a",
      message: "cluster.lb_policy: MAGLEV is not supported: ROUND_ROBIN, LEAST_REQUEST or RANDOM",
    },
  ]);
  expect((threads[0]!.running.get("cluster a") as ClusterConfig).connectTimeoutMs).toBe(1000);
  expect(threads[0]!.running.has("cluster b")).toBe(true);
  expect(agent.refusals().map((r) => r.name)).toEqual(["a"]);
  await put(agent, ClusterSchema, [cluster("a", { connectTimeout: "2s" })]);
  expect(agent.refusals()).toEqual([]);
  await agent.stop();
});

test("agent takes back a listener that one thread cannot bind", async () => {
  let refuse = false;
  const { agent, threads, events } = bench();
  threads[1]!.fail = (c) => (refuse && c.type === "listener" ? "address in use" : undefined);
  await put(agent, RouteConfigurationSchema, [routes("t", "a")]);
  refuse = true;
  const { errors } = await put(agent, ListenerSchema, [listener("l", "t")]);
  expect(errors).toEqual([{ name: "l", message: "address in use" }]);
  expect(threads[0]!.running.has("listener l")).toBe(false);
  expect(events).toContainEqual({ kind: "failed", type: "listener", name: "l", message: "address in use" });
  refuse = false;
  await put(agent, ListenerSchema, [listener("l", "t", 15002)]);
  refuse = true;
  expect((await put(agent, ListenerSchema, [listener("l", "t", 15003)])).errors.length).toBe(1);
  expect((threads[0]!.running.get("listener l") as ListenerConfig).port).toBe(15002);
  await agent.stop();
});

test("agent refuses a listener whose address another proxy holds, and frees the address with the listener", async () => {
  const held = new Set<number>();
  const { agent, threads } = bench({
    lockAddress: async (host, port) => {
      if (port === 15009) throw new Error(`${host}:${port} is held by weft run other (pid 7)`);
      held.add(port);
      return { release: () => void held.delete(port) };
    },
  });
  await put(agent, RouteConfigurationSchema, [routes("t", "a")]);
  const { errors } = await put(agent, ListenerSchema, [listener("l", "t", 15009), listener("m", "t", 15010)]);
  expect(errors).toEqual([{ name: "l", message: "127.0.0.1:15009 is held by weft run other (pid 7)" }]);
  expect([...threads[0]!.running.keys()]).toEqual(["route t", "listener m"]);
  expect([...held]).toEqual([15010]);
  await put(agent, ListenerSchema, [], ["m"]);
  expect([...held]).toEqual([]);
  await agent.stop();
});

test("a listener waits for its routes and its clusters' endpoints, but not for ever", async () => {
  const { agent, threads, clock } = bench();
  await put(agent, ClusterSchema, [cluster("a")]);
  await put(agent, ListenerSchema, [listener("l", "t"), listener("m", "never", 15002)]);
  expect(threads[0]!.running.has("listener l")).toBe(false);
  expect(agent.warming()).toEqual([
    { name: "l", lacking: ["route t", "endpoints a"] },
    { name: "m", lacking: ["route never", "endpoints a"] },
  ]);
  await put(agent, ClusterLoadAssignmentSchema, [assignment("a", [1001])]);
  expect(threads[0]!.running.has("listener l")).toBe(false);
  await put(agent, RouteConfigurationSchema, [routes("t", "a")]);
  expect(threads[0]!.running.has("listener l")).toBe(true);
  expect(agent.ready()).toBe(false);
  clock.advance(warmingMs - 1);
  expect(threads[0]!.running.has("listener m")).toBe(false);
  clock.advance(1);
  // Queued behind the activation that the timer began.
  await put(agent, ClusterSchema, []);
  expect(threads[0]!.running.has("listener m")).toBe(true);
  expect(agent.ready()).toBe(true);
  await agent.stop();
});

test("each thing is waited for as long as its source says; 0 is for ever", async () => {
  const { agent, threads, clock } = bench();
  const within = (text: string): JsonObject => ({ initialFetchTimeout: text });
  const patient = cluster("a") as { edsClusterConfig: { edsConfig: JsonObject } };
  Object.assign(patient.edsClusterConfig.edsConfig, within("3s"));
  const runs = (name: string): boolean => threads[0]!.running.has(`listener ${name}`);
  /** Queued behind what a timer began. */
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await put(agent, ClusterSchema, []);
  };
  await put(agent, ClusterSchema, [patient]);
  await put(agent, ListenerSchema, [
    listener("short", "never", 15001, within("1s")),
    listener("ever", "never", 15002, within("0s")),
    listener("silent", "never", 15003),
  ]);
  await pass(1_000);
  // Its route was waited for long enough, the endpoints not yet.
  expect(runs("short")).toBe(false);
  await pass(999);
  await put(agent, ClusterLoadAssignmentSchema, [assignment("a", [1001])]);
  expect([runs("short"), runs("ever"), runs("silent")]).toEqual([true, false, false]);
  await pass(warmingMs - 1_999);
  expect([runs("ever"), runs("silent")]).toEqual([false, true]);
  await pass(1_000_000);
  expect(agent.warming()).toEqual([{ name: "ever", lacking: ["route never"] }]);
  await agent.stop();
});

test("endpoints keep their blocks through updates; a freed block is given away only when nothing is in flight", async () => {
  const { agent, threads, words } = bench();
  const slots = (): Map<string, number> =>
    new Map(
      (threads[0]!.running.get("endpoints a") as EndpointsConfig).endpoints.map((e) => [e.address, e.slot]),
    );
  await put(agent, ClusterSchema, [cluster("a")]);
  await put(agent, ClusterLoadAssignmentSchema, [assignment("a", [1, 2])]);
  const first = slots();
  Atomics.add(words(), first.get("127.0.0.1:1")! + endpointWord.active, 1);
  await put(agent, ClusterLoadAssignmentSchema, [assignment("a", [2, 3])]);
  const second = slots();
  expect(second.get("127.0.0.1:2")).toBe(first.get("127.0.0.1:2")!);
  expect([...first.values()]).not.toContain(second.get("127.0.0.1:3")!);
  await put(agent, ClusterLoadAssignmentSchema, [assignment("a", [2, 3, 4])]);
  expect(slots().get("127.0.0.1:4")).not.toBe(first.get("127.0.0.1:1")!);
  Atomics.sub(words(), first.get("127.0.0.1:1")! + endpointWord.active, 1);
  await put(agent, ClusterLoadAssignmentSchema, [assignment("a", [2, 3, 4, 5])]);
  expect(slots().get("127.0.0.1:5")).toBe(first.get("127.0.0.1:1")!);
  await agent.stop();
});

test("a data thread that dies is started again with the full state, unready meanwhile, its counts taken back", async () => {
  const { agent, threads, clock, events, words } = bench();
  await put(agent, ClusterSchema, [cluster("a")]);
  await put(agent, ClusterLoadAssignmentSchema, [assignment("a", [1])]);
  await put(agent, RouteConfigurationSchema, [routes("t", "a")]);
  await put(agent, ListenerSchema, [listener("l", "t")]);
  await agent.setSecret({ name: "ROOTCA", caPem: (await createTestCa()).caPem });
  const labels = ["envoy_cluster_name", "a"];
  const dying = threads[1]!;
  dying.say({ kind: "series", slot: 300, name: "envoy_cluster_upstream_cx_active", labels });
  const ledger = new Int32Array(dying.init!.ledger);
  dying.say({ kind: "series", slot: 301, name: "envoy_cluster_upstream_rq_total", labels });
  const row = new Float64Array(dying.init!.metrics);
  row[300] = 3;
  row[301] = 7;
  const slot = (threads[0]!.running.get("cluster a") as ClusterConfig).slot;
  const host = (threads[0]!.running.get("endpoints a") as EndpointsConfig).endpoints[0]!.slot;
  const counts = [slot + clusterWord.connections, slot + clusterWord.retries, host + endpointWord.active];
  for (const word of counts) {
    Atomics.store(words(), word, 5);
    ledger[word] = 3;
  }
  dying.die();
  expect(agent.ready()).toBe(false);
  for (const word of counts) expect(Atomics.load(words(), word)).toBe(2);
  expect(events.at(-1)).toEqual({ kind: "thread-died", thread: 1, reason: "exit" });
  clock.advance(restartMaxMs);
  await put(agent, ClusterSchema, []);
  expect(threads.length).toBe(3);
  expect(agent.restarts).toBe(1);
  const again = threads[2]!;
  expect(new Int32Array(again.init!.ledger).some((held) => held !== 0)).toBe(false);
  expect([...again.running.keys()]).toEqual(["cluster a", "endpoints a", "route t", "listener l"]);
  expect([...again.secrets.keys()]).toEqual(["ROOTCA"]);
  expect(agent.ready()).toBe(true);
  expect(agent.prometheus()).toContain('envoy_cluster_upstream_rq_total{envoy_cluster_name="a"} 7\n');
  expect(agent.prometheus()).toContain('envoy_cluster_upstream_cx_active{envoy_cluster_name="a"} 0\n');
  expect(agent.prometheus()).toContain("weft_data_thread_restarts_total 1\n");
  await agent.stop();
});

test("a data thread that dies before it runs fails the start at once, with its cause, also in unready", async () => {
  const threads: ScriptedThread[] = [];
  const { agent } = bench({
    createWorker: () => {
      const thread = new ScriptedThread();
      threads.push(thread);
      thread.answers = threads.length !== 2;
      return thread;
    },
  });
  expect(agent.unready()[0]).toBe("data threads are starting or taking over configuration");
  threads[1]!.fault("out of memory");
  const failure = await agent.started.catch((e: Error) => e.message);
  expect(failure).toBe("data thread 1 cannot start: out of memory");
  expect(agent.unready()[0]).toBe("data thread 1 died (out of memory) and is started again");
  await agent.stop();
});

test("data threads are told which log lines are wanted, at their start and at each change", async () => {
  const { agent, threads } = bench({ log: createLogger({ scope: "levels", sink: () => {} }) });
  expect(threads[0]!.init!.logLevel).toBe("info");
  agent.setLogLevel("levels.data", "debug");
  expect(threads[1]!.messages.at(-1)).toEqual({ kind: "log-level", level: "debug" });
  agent.setLogLevel("levels", "error");
  expect(threads[1]!.messages.at(-1)).toEqual({ kind: "log-level", level: "debug" });
  agent.setLogLevel("levels.data", "off");
  expect(threads[1]!.messages.at(-1)).toEqual({ kind: "log-level", level: "off" });
  await agent.stop();
});

test("a data thread that does not answer an update is replaced and the update goes on", async () => {
  const { agent, threads, clock } = bench();
  await agent.started;
  threads[0]!.answers = false;
  const applied = put(agent, ClusterSchema, [cluster("a")]);
  for (let i = 0; i < 100 && !threads[1]!.running.has("cluster a"); i++) await Promise.resolve();
  clock.advance(appliedMs);
  expect((await applied).errors).toEqual([]);
  expect(threads[0]!.terminated).toBe(true);
  await agent.stop();
});

test("ejected endpoints return at the first sweep after their time, and when they leave or the detector does", async () => {
  const { agent, threads, clock, events, words } = bench();
  const outlierDetection = { interval: "10s", baseEjectionTime: "30s", enforcingSuccessRate: 0 };
  await put(agent, ClusterSchema, [cluster("a", { outlierDetection })]);
  await put(agent, ClusterLoadAssignmentSchema, [assignment("a", [1, 2])]);
  const clusterSlot = (threads[0]!.running.get("cluster a") as ClusterConfig).slot;
  const endpoints = (threads[0]!.running.get("endpoints a") as EndpointsConfig).endpoints;
  const eject = (slot: number): void => {
    Atomics.store(words(), slot + endpointWord.ejected, 1);
    Atomics.store(words(), slot + endpointWord.ejections, 1);
    Atomics.store(words(), slot + endpointWord.ejectedAt, Math.floor(clock.wall() / 16) % 2 ** 31);
    Atomics.add(words(), clusterSlot + clusterWord.ejected, 1);
  };
  clock.advance(5_000);
  eject(endpoints[0]!.slot);
  expect(agent.clusters()[0]!.endpoints.map((e) => e.ejected)).toEqual([true, false]);
  clock.advance(34_999);
  expect(events).toEqual([]);
  clock.advance(1);
  expect(events).toEqual([{ kind: "returned", cluster: "a", endpoint: "127.0.0.1:1" }]);
  eject(endpoints[1]!.slot);
  await put(agent, ClusterLoadAssignmentSchema, [assignment("a", [1])]);
  expect(Atomics.load(words(), clusterSlot + clusterWord.ejected)).toBe(0);
  eject(endpoints[0]!.slot);
  await put(agent, ClusterSchema, [cluster("a")]);
  expect(Atomics.load(words(), clusterSlot + clusterWord.ejected)).toBe(0);
  await agent.stop();
});

test("drain waits for every thread's word, or for its deadline", async () => {
  const { agent, threads, clock } = bench();
  await agent.started;
  const drained = agent.drain("inbound", 1000);
  expect(threads[0]!.messages.at(-1)).toEqual({ kind: "drain", direction: "inbound", deadlineMs: 1000 });
  threads[0]!.say({ kind: "drained", direction: "inbound", forced: 1 });
  threads[1]!.say({ kind: "drained", direction: "inbound", forced: 2 });
  expect(await drained).toEqual({ forced: 3 });
  expect(agent.unready()).toContain("draining");
  const silent = agent.drain("all", 1000);
  clock.advance(2000);
  expect(await silent).toEqual({ forced: 0 });
  await agent.stop();
});

test("a secret that is no PEM is refused; the agent takes no key for another's certificate", async () => {
  const { agent } = bench();
  await expect(agent.setSecret({ name: "x", caPem: "nonsense" })).rejects.toThrow("no PEM certificate");
  const ca = await createTestCa();
  const own = await ca.leaf({ uris: ["spiffe://cluster.local/ns/a/sa/a"] });
  const other = await ca.leaf({ uris: ["spiffe://cluster.local/ns/a/sa/b"] });
  const mixed = agent.setSecret({ name: "x", certPem: own.certPem, keyPem: other.keyPem });
  await expect(mixed).rejects.toThrow("does not belong");
  await expect(agent.setSecret({ name: "x", certPem: own.certPem })).rejects.toThrow("go together");
  expect(agent.secrets()).toEqual([]);
  await agent.stop();
});

test("an unknown resource type and a name that differs inside are errors of their resources", async () => {
  const { agent } = bench();
  const typeUrl = `${prefix}envoy.config.cluster.v3.Cluster`;
  const added = [{ name: "outer", version: "1", any: any(ClusterSchema, cluster("inner")) }];
  expect((await agent.apply({ typeUrl, added, removed: [] })).errors).toEqual([
    { name: "outer", message: 'is named "inner" inside' },
  ]);
  expect((await agent.apply({ typeUrl: "x/y.Z", added, removed: [] })).errors[0]!.message).toContain(
    "not run here",
  );
  await agent.stop();
});
