import { afterEach, describe, expect, test } from "bun:test";
import { fakeClock } from "../../testkit/index.ts";
import {
  type ClusterConfig,
  clusterWord,
  endpointWord,
  type RetryPolicy,
  sharedWords,
} from "../config/index.ts";
import { sweepOutliers } from "./outlier.ts";
import { RetryBudget } from "./retry-budget.ts";
import {
  change,
  connect,
  endpoint,
  listener,
  type Origin,
  ok,
  origin,
  route,
  type TestPlane,
  testPlane,
} from "./test-support.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const c of cleanups.splice(0)) c();
});

const policy: RetryPolicy = {
  retryOn: ["5xx"],
  numRetries: 2,
  perTryTimeoutMs: 0,
  retriableStatusCodes: [],
  retriableRequestHeaders: [
    { name: ":method", match: { kind: "exact", value: "GET" } },
    { name: ":method", match: { kind: "exact", value: "PUT" } },
  ],
  backoffBaseMs: 25,
  backoffMaxMs: 250,
};

type RouteMore = NonNullable<Parameters<typeof route>[1]>;

function setUp(
  backends: readonly Origin[],
  action: RouteMore,
  cluster: Partial<ClusterConfig> = {},
): { plane: TestPlane; clock: ReturnType<typeof fakeClock> } {
  const clock = fakeClock();
  const plane = testPlane({ clock });
  const changes = [
    change.cluster(cluster),
    change.endpoints(
      "origin",
      backends.map((b, i) => endpoint(b.port, i)),
    ),
    change.routes([route("origin", action)]),
    change.listener(listener()),
  ];
  expect(plane.apply(changes)).toEqual([]);
  cleanups.push(() => plane.stop());
  for (const b of backends) cleanups.push(() => b.stop());
  return { plane, clock };
}

/** Turns the event loop and the clock until the pattern has come. */
async function pump(clock: ReturnType<typeof fakeClock>, ms: number, done: () => boolean): Promise<void> {
  while (!done()) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!done()) clock.advance(ms);
  }
}

/** Answers requests with the given statuses in order, the last one for ever. */
function scripted(...answers: readonly string[]): Origin & { count(): number } {
  let requests = 0;
  const backend = origin((socket) => {
    if (!/\r\n\r\n/.test(socket.inbox.text)) return;
    socket.inbox.text = "";
    const answer = answers[Math.min(requests, answers.length - 1)]!;
    requests++;
    if (answer === "close") socket.end();
    else if (answer !== "silent") socket.send(answer);
  });
  return Object.assign(backend, { count: () => requests });
}

const failure = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";
const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

describe("retries", () => {
  test("an idempotent request is tried again until it succeeds", async () => {
    const backend = scripted(failure, failure, ok("third"));
    const { plane, clock } = setUp([backend], { retry: policy });
    const client = await connect(plane.port("main"));
    client.send(get);
    await pump(clock, 10, () => client.inbox.text.includes("third"));
    expect(client.inbox.text).toStartWith("HTTP/1.1 200 OK");
    expect(backend.count()).toBe(3);
    expect(plane.metric("envoy_cluster_upstream_rq_retry")).toBe(2);
    expect(plane.metric("envoy_cluster_upstream_rq_retry_success")).toBe(1);
    expect(Atomics.load(plane.table, clusterWord.retries)).toBe(0);
  });

  test("num_retries is the end, with flag URX", async () => {
    const backend = scripted(failure);
    const { plane, clock } = setUp([backend], { retry: policy });
    const client = await connect(plane.port("main"));
    client.send(get);
    await pump(clock, 10, () => client.inbox.text.includes("busy"));
    clock.advance(100);
    expect(backend.count()).toBe(3);
    expect(plane.logs()).toEqual(["503 URX via_upstream"]);
  });

  test("what may not be repeated is not", async () => {
    const backend = scripted(failure, ok("never"));
    const { plane, clock } = setUp([backend], { retry: policy });
    const client = await connect(plane.port("main"));
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    await pump(clock, 10, () => client.inbox.text.includes("busy"));
    expect(backend.count()).toBe(1);
  });

  test.each([
    [64 * 1024, 2],
    [64 * 1024 + 1, 1],
  ])("a body of %d bytes: %d tries", async (size, tries) => {
    let requests = 0;
    const backend = origin((socket) => {
      const at = socket.inbox.text.indexOf("\r\n\r\n");
      if (at < 0 || socket.inbox.text.length - at - 4 < size) return;
      socket.inbox.text = "";
      socket.send(++requests === 1 ? failure : ok("stored"));
    });
    const { plane, clock } = setUp([backend], { retry: policy });
    const client = await connect(plane.port("main"));
    client.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
    client.send("x".repeat(size));
    await pump(clock, 10, () => /stored|busy/.test(client.inbox.text));
    expect(requests).toBe(tries);
  });

  test("a try that takes too long is repeated; the whole limit holds", async () => {
    const backend = scripted("silent", ok("second"));
    const { plane, clock } = setUp([backend], {
      retry: { ...policy, perTryTimeoutMs: 300 },
      timeoutMs: 1000,
    });
    // The per-try limit is the policy's.
    const client = await connect(plane.port("main"));
    client.send(get);
    await pump(clock, 5, () => client.inbox.text.includes("second"));
    expect(backend.count()).toBe(2);
    expect(plane.metric("envoy_cluster_upstream_rq_per_try_timeout")).toBe(1);
  });

  test("the whole time-out ends a request with 504 UT", async () => {
    const backend = scripted("silent");
    const { plane, clock } = setUp([backend], { timeoutMs: 1000 });
    const client = await connect(plane.port("main"));
    client.send(get);
    await pump(clock, 0, () => backend.count() === 1);
    clock.advance(990);
    expect(client.inbox.text).toBe("");
    await pump(clock, 20, () => client.inbox.text.includes("upstream request timeout"));
    clock.advance(100);
    expect(client.inbox.text).toStartWith("HTTP/1.1 504 Gateway Timeout");
    expect(plane.logs()).toEqual(["504 UT response_timeout"]);
    await backend.connections[0]!.inbox.until(() => backend.connections[0]!.inbox.closed);
  });

  test("a refused connection is 503 UF, and is retried on the other endpoint", async () => {
    const backend = scripted(ok("alive"));
    const dead = origin();
    const deadPort = dead.port;
    dead.stop();
    const { plane, clock } = setUp([{ ...dead, port: deadPort }, backend], {
      retry: { ...policy, retryOn: ["connect-failure"] },
    });
    for (let i = 0; i < 4; i++) {
      const client = await connect(plane.port("main"));
      client.send(get);
      await pump(clock, 10, () => client.inbox.text.includes("alive"));
    }
    plane.apply([change.endpoints("origin", [endpoint(deadPort, 0)])]);
    const client = await connect(plane.port("main"));
    client.send(get);
    await pump(clock, 10, () => client.inbox.text.includes("reset reason: remote connection failure"));
    clock.advance(100);
    expect(plane.logs().at(-1)).toStartWith(
      "503 UF,URX upstream_reset_before_response_started{remote_connection_failure",
    );
  });

  test("a kept connection that went stale: the request goes out once more on a new one", async () => {
    let stale = false;
    const backend = origin((socket, index) => {
      if (!socket.inbox.text.includes("\r\n\r\n")) return;
      socket.inbox.text = "";
      if (stale && index === 0) socket.end();
      else socket.send(ok(`by ${index}`));
    });
    const { plane, clock } = setUp([backend], {});
    const client = await connect(plane.port("main"));
    client.send(get);
    await pump(clock, 1, () => client.inbox.text.includes("by 0"));
    stale = true;
    client.send(get);
    await pump(clock, 1, () => client.inbox.text.includes("by 1"));
    expect(plane.metric("weft_stale_connection_replays_total")).toBe(1);
    expect(plane.logs().length).toBeGreaterThanOrEqual(0);
  });

  test("the breaker of retries", async () => {
    const backend = scripted(failure);
    const breaker = { maxConnections: 9, maxPendingRequests: 9, maxRequests: 9, maxRetries: 0 };
    const { plane, clock } = setUp([backend], { retry: policy }, { breaker });
    const client = await connect(plane.port("main"));
    client.send(get);
    await pump(clock, 10, () => client.inbox.text.includes("busy"));
    expect(backend.count()).toBe(1);
    expect(plane.metric("envoy_cluster_upstream_rq_retry_overflow")).toBe(1);
  });
});

describe("retry budget", () => {
  const config = { key: "web-api", ratio: 0.2, minPerSecond: 1, ttlMs: 10_000 };

  test("ratio of the requests plus the reserve, shared by threads", () => {
    const table = new Int32Array(new SharedArrayBuffer(sharedWords * 4));
    const budgets = [new RetryBudget(table, config), new RetryBudget(table, config)];
    for (let i = 0; i < 100; i++) budgets[i % 2]!.deposit(5000);
    let granted = 0;
    for (let i = 0; i < 100; i++) if (budgets[i % 2]!.withdraw(5000)) granted++;
    expect(granted).toBe(20 + 10);
    expect(budgets[0]!.withdraw(5000)).toBe(false);
    expect(budgets[0]!.withdraw(15_001)).toBe(true);
  });
});

describe("outlier detection", () => {
  const outlier = {
    consecutive5xx: 5,
    consecutiveGatewayFailure: 0,
    consecutiveLocalOriginFailure: 5,
    splitExternalLocalOrigin: false,
    intervalMs: 30_000,
    baseEjectionMs: 30_000,
    maxEjectionMs: 300_000,
    maxEjectionPercent: 50,
    enforcing5xx: 100,
    enforcingGatewayFailure: 0,
    enforcingLocalOrigin: 100,
  };

  test("the fifth 5xx in a row ejects; with both failing one stays; the sweep brings it back", async () => {
    const backends = [
      scripted("HTTP/1.1 500 no\r\ncontent-length: 1\r\n\r\na"),
      scripted("HTTP/1.1 500 no\r\ncontent-length: 1\r\n\r\nb"),
    ];
    const { plane, clock } = setUp(backends, {}, { outlier });
    const client = await connect(plane.port("main"));
    const ask = async (): Promise<void> => {
      client.inbox.text = "";
      client.send(get);
      await pump(clock, 0, () => /\r\n\r\n[ab]$/.test(client.inbox.text));
    };
    for (let i = 0; i < 9; i++) await ask();
    const slots = [1024, 1032];
    const ejected = (): number[] => slots.map((s) => Atomics.load(plane.table, s + endpointWord.ejected));
    expect(ejected().reduce((a, b) => a + b)).toBe(1);
    const before = backends.map((b) => b.count());
    for (let i = 0; i < 12; i++) await ask();
    // All further requests go to the one that may not be ejected too.
    const more = backends.map((b, i) => b.count() - before[i]!);
    expect(more.toSorted((a, b) => a - b)).toEqual([0, 12]);
    expect(ejected().reduce((a, b) => a + b)).toBe(1);
    expect(plane.posted.filter((m) => m.kind === "event")).toHaveLength(1);
    clock.advance(29_900);
    expect(sweepOutliers(plane.table, outlier, 0, slots, clock.wall())).toEqual([]);
    clock.advance(200);
    expect(sweepOutliers(plane.table, outlier, 0, slots, clock.wall())).toHaveLength(1);
    expect(ejected()).toEqual([0, 0]);
    expect(Atomics.load(plane.table, clusterWord.ejected)).toBe(0);
  });
});
