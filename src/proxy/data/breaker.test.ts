import { afterEach, describe, expect, test } from "bun:test";
import { clusterWord, endpointWord, sharedWords } from "../config/index.ts";
import { SharedCounts } from "./breaker.ts";
import {
  change,
  connect,
  endpoint,
  listener,
  type Origin,
  ok,
  origin,
  type RawSocket,
  route,
  type TestPlane,
  testPlane,
} from "./test-support.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const c of cleanups.splice(0)) c();
});

const breaker = { maxConnections: 10, maxPendingRequests: 10, maxRequests: 4_294_967_295, maxRetries: 3 };

function configure(plane: TestPlane, to: Origin): void {
  const changes = [
    change.cluster({ breaker }),
    change.endpoints("origin", [endpoint(to.port, 0)]),
    change.routes([route("origin")]),
    change.listener(listener()),
  ];
  expect(plane.apply(changes)).toEqual([]);
  cleanups.push(() => plane.stop());
}

/** Sends `count` requests, each on its own connection, in turn to the planes. */
async function send(planes: readonly TestPlane[], count: number): Promise<RawSocket[]> {
  const clients: RawSocket[] = [];
  for (let i = 0; i < count; i++) {
    const client = await connect(planes[i % planes.length]!.port("main"));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    clients.push(client);
  }
  return clients;
}

async function settled(table: Int32Array, word: number, value: number): Promise<void> {
  while (Atomics.load(table, word) !== value) await new Promise((resolve) => setImmediate(resolve));
}

/** The origin answers nothing until `release`; then everything, also what comes later. */
function holding(): Origin & { release(): void } {
  let released = false;
  const answer = (socket: RawSocket): void => {
    if (!released || !socket.inbox.text.includes("\r\n\r\n")) return;
    socket.inbox.text = "";
    socket.send(ok("done"));
  };
  const backend = origin(answer);
  cleanups.push(() => backend.stop());
  return Object.assign(backend, {
    release() {
      released = true;
      for (const c of backend.connections) answer(c);
    },
  });
}

describe.each([1, 2])("circuit breakers with %d data threads", (threads) => {
  test("limit + pending requests are held, the next one overflows, all held ones are answered", async () => {
    const shared = new SharedArrayBuffer(sharedWords * 4);
    const backend = holding();
    const planes = Array.from({ length: threads }, (_, i) => testPlane({ shared, seed: i + 1 }));
    for (const plane of planes) configure(plane, backend);
    const { table } = planes[0]!;
    const clients = await send(planes, 20);
    await settled(table, clusterWord.pending, 10);
    await settled(table, clusterWord.requests, 10);
    await backend.accepted(10);
    expect(Atomics.load(table, clusterWord.connections)).toBe(10);
    const [over] = await send(planes, 1);
    await over!.inbox.match(/reset reason: overflow$/);
    expect(over!.inbox.text).toStartWith("HTTP/1.1 503 Service Unavailable\r\n");
    expect(over!.inbox.text).toContain("x-envoy-overloaded: true\r\n");
    expect(Atomics.load(table, clusterWord.pendingOverflow)).toBe(1);
    backend.release();
    for (const client of clients) await client.inbox.match(/done$/);
    expect(Atomics.load(table, clusterWord.pending)).toBe(0);
    expect(Atomics.load(table, clusterWord.requests)).toBe(0);
    expect(Atomics.load(table, clusterWord.connections)).toBeLessThanOrEqual(10);
  });

  test("a thread without a connection is served while another holds them all", async () => {
    const shared = new SharedArrayBuffer(sharedWords * 4);
    const backend = holding();
    const planes = Array.from({ length: threads }, (_, i) => testPlane({ shared, seed: i + 1 }));
    for (const plane of planes) configure(plane, backend);
    const last = planes[planes.length - 1]!;
    const holders = await send([planes[0]!], 10);
    await settled(planes[0]!.table, clusterWord.requests, 10);
    await backend.accepted(10);
    const own = await send([planes[0]!], 5);
    const waiting = await send([last], 5);
    await settled(planes[0]!.table, clusterWord.pending, 10);
    backend.release();
    for (const client of [...holders, ...own, ...waiting]) await client.inbox.match(/done$/);
    // Idle connections that one thread keeps are let go when another wants one.
    const again = await send([last], 3);
    for (const client of again) await client.inbox.match(/done$/);
    expect(Atomics.load(planes[0]!.table, clusterWord.pending)).toBe(0);
  });

  test("idle connections of one thread make room for another", async () => {
    const shared = new SharedArrayBuffer(sharedWords * 4);
    const backend = holding();
    const planes = Array.from({ length: threads }, (_, i) => testPlane({ shared, seed: i + 1 }));
    for (const plane of planes) configure(plane, backend);
    const first = await send([planes[0]!], 10);
    await settled(planes[0]!.table, clusterWord.requests, 10);
    backend.release();
    for (const client of first) await client.inbox.match(/done$/);
    expect(Atomics.load(planes[0]!.table, clusterWord.connections)).toBe(10);
    const second = await send([planes[threads - 1]!], 10);
    for (const client of second) await client.inbox.match(/done$/);
    expect(Atomics.load(planes[0]!.table, clusterWord.connections)).toBeLessThanOrEqual(10);
  });
});

test("max_requests refuses the request past the limit", async () => {
  const backend = holding();
  const plane = testPlane();
  configure(plane, backend);
  plane.apply([change.cluster({ breaker: { ...breaker, maxConnections: 100, maxRequests: 7 } })]);
  const clients = await send([plane], 7);
  await settled(plane.table, clusterWord.requests, 7);
  const [over] = await send([plane], 1);
  await over!.inbox.match(/overflow$/);
  backend.release();
  for (const client of clients) await client.inbox.match(/done$/);
});

test("the ledger holds what this thread holds of each count, retries and endpoints too, and nothing at the end", async () => {
  const backend = holding();
  const shared = new SharedArrayBuffer(sharedWords * 4);
  const planes = [testPlane({ shared }), testPlane({ shared, seed: 2 })];
  for (const plane of planes) configure(plane, backend);
  const clients = await send(planes, 8);
  const { table } = planes[0]!;
  const word = endpoint(backend.port, 0).slot + endpointWord.active;
  await settled(table, word, 8);
  for (const { ledger } of planes)
    for (const w of [clusterWord.connections, clusterWord.requests, word]) expect(ledger[w]).toBe(4);
  backend.release();
  for (const client of clients) {
    await client.inbox.match(/done$/);
    client.end();
  }
  for (const { ledger } of planes) {
    await settled(ledger, word, 0);
    expect(ledger[clusterWord.requests]).toBe(0);
    expect(ledger[clusterWord.connections]).toBe(4);
  }
  const counts = new SharedCounts(new Int32Array(32), new Int32Array(32));
  expect([counts.tryAcquireRetry(0, breaker), counts.tryAcquire(0, 0)]).toEqual([true, false]);
  expect([counts.load(clusterWord.retries), counts.load(0)]).toEqual([1, 0]);
});
