import { afterEach, expect, test } from "bun:test";
import { fakeClock } from "../../testkit/index.ts";
import type { FilterChainConfig } from "../config/index.ts";
import type { Cluster, Host } from "./cluster.ts";
import { serverFirstWaitMs } from "./limits.ts";
import type { Runtime } from "./runtime.ts";
import { ServerFirstPorts } from "./server-first.ts";
import type { Socket, SocketSlot } from "./socket.ts";
import { TcpRelay } from "./tcp.ts";
import {
  change,
  connect,
  endpoint,
  listener,
  type Origin,
  origin,
  tcpTo,
  testPlane,
} from "./test-support.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const c of cleanups.splice(0)) c();
});

function track(o: Origin): Origin {
  cleanups.push(() => o.stop());
  return o;
}

/** A port that nothing listens on. */
function deadPort(): number {
  const o = origin();
  o.stop();
  return o.port;
}

function setUp(filter: FilterChainConfig["filter"], endpoints: Readonly<Record<string, readonly number[]>>) {
  const plane = testPlane({ clock: fakeClock() });
  cleanups.push(() => plane.stop());
  const filterChains = [{ ...listener().filterChains[0]!, filter }];
  const clusters = Object.entries(endpoints).flatMap(([name, ports], c) => [
    change.cluster({ name }),
    change.endpoints(
      name,
      ports.map((p, i) => endpoint(p, c * 16 + i)),
    ),
  ]);
  expect(plane.apply([...clusters, change.listener(listener({ filterChains }))])).toEqual([]);
  return { plane, port: plane.port("main")! };
}

const greeting = (text: string): Origin => track(origin((s) => s.send(text)));

test("weighted clusters share the connections by weight", async () => {
  const [a, b] = [greeting("a"), greeting("b")];
  const { port } = setUp(
    {
      ...tcpTo("a", "b"),
      totalWeight: 4,
      clusters: [
        { cluster: "a", weight: 3 },
        { cluster: "b", weight: 1 },
      ],
    },
    { a: [a.port], b: [b.port] },
  );
  for (let i = 0; i < 80; i++) {
    const client = await connect(port);
    client.send("x");
    await client.inbox.match(/^[ab]$/);
    client.end();
  }
  // 80 draws of 3 in 4: 60 and a deviation of 4.
  expect(a.connections.length).toBeWithin(44, 77);
  expect(a.connections.length + b.connections.length).toBe(80);
});

test("an endpoint that refuses is followed by another, as often as max_connect_attempts says", async () => {
  const alive = greeting("alive");
  const endpoints = { a: [deadPort(), alive.port] };
  const { port, plane } = setUp({ ...tcpTo("a"), connectAttempts: 2 }, endpoints);
  for (let i = 0; i < 4; i++) {
    const client = await connect(port);
    client.send("x");
    await client.inbox.match(/^alive$/);
    client.end();
  }
  expect(plane.metric("envoy_cluster_upstream_cx_connect_fail")).toBeGreaterThan(0);
});

test.each([1, 3])("after %d attempts the connection ends", async (connectAttempts) => {
  const { port, plane } = setUp({ ...tcpTo("a"), connectAttempts }, { a: [deadPort()] });
  const client = await connect(port);
  await client.inbox.until(() => client.inbox.closed);
  expect(plane.metric("envoy_cluster_upstream_cx_connect_fail")).toBe(connectAttempts);
  expect(plane.metric("envoy_cluster_upstream_cx_active")).toBe(0);
});

function fakeSocket() {
  const said: string[] = [];
  const note = (word: string) => () => void said.push(word);
  const words = ["pause", "resume", "end", "terminate", "shutdown"].map((w) => [w, note(w)]);
  return { said, socket: Object.fromEntries(words) as unknown as Socket };
}

test("what comes of a dial after its time-out touches nothing of the next one", () => {
  const slots: SocketSlot[] = [];
  const transport = {
    trusts: () => false,
    connect: (_: unknown, slot: SocketSlot) => {
      slots.push(slot);
      return () => undefined;
    },
  };
  const host = { config: { host: "h", port: 1 }, transport } as unknown as Host;
  const none = (): void => undefined;
  const cluster = {
    ...{ slot: 0, limits: { maxConnections: 1 }, metrics: { add: none }, connectTimeoutMs: 1000 },
    ...{ pick: () => host, record: none },
  } as unknown as Cluster;
  const runtime = {
    counts: { tryAcquire: () => true, release: none },
    wheel: { arm: none, disarm: none, remove: none },
  } as unknown as Runtime;
  const owner = { onGone: none };
  const options = { cluster, host, idleTimeoutMs: 0, owner, connectAttempts: 2 };
  const relay = new TcpRelay(runtime, fakeSocket().socket, options);
  relay.onTimer();
  expect(slots.length).toBe(2);
  const [late, good] = [fakeSocket(), fakeSocket()];
  slots[1]!.user.onOpen(good.socket, null);
  slots[0]!.user.onOpen(late.socket, null);
  slots[0]!.user.onClosed();
  slots[0]!.user.onRefused({ code: "tls.connect", detail: "late" });
  expect([late.said, relay.closed, slots.length]).toEqual([["terminate"], false, 2]);
  relay.onFin();
  expect(good.said).toEqual(["shutdown"]);
});

test("a port is known for a server that speaks first until a client speaks first", () => {
  const ports = new ServerFirstPorts();
  expect([ports.waitMs(3306, 5000), ports.waitMs(9000, 5000)]).toEqual([serverFirstWaitMs, 5000]);
  ports.serverSpoke(9000);
  expect([ports.waitMs(9000, 5000), ports.waitMs(9001, 5000)]).toEqual([serverFirstWaitMs, 5000]);
  expect(ports.waitMs(9000, 20)).toBe(20);
  ports.clientSpoke(9000);
  expect(ports.waitMs(9000, 5000)).toBe(5000);
});
