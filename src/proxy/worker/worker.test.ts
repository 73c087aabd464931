/** Real data threads: two workers on one port with one table of limits. */
import { afterAll, expect, test } from "bun:test";
import { createLogger, seededRng, systemClock } from "../../base/index.ts";
import { createAgent } from "../agent/index.ts";
import { clusterWord, type FromWorker, metricRowWords, sharedWords, type ToWorker } from "../config/index.ts";
import {
  change,
  clusterDefaults,
  connect,
  endpoint,
  listener,
  ok,
  origin,
  peer,
  type RawSocket,
  route,
} from "../data/test-support.ts";

const workers: Worker[] = [];
afterAll(() => {
  for (const w of workers) w.terminate();
});

/** A port that is free now, held until the threads have it. */
function reserve(): { readonly port: number; release(): void } {
  const options: Bun.TCPSocketListenOptions<undefined> & { readonly reusePort: boolean } = {
    hostname: "127.0.0.1",
    port: 0,
    reusePort: true,
    socket: { data: () => undefined },
  };
  const held = Bun.listen(options);
  return { port: held.port, release: () => held.stop(true) };
}

async function start(shared: SharedArrayBuffer, index: number, update: ToWorker): Promise<FromWorker[]> {
  const worker = new Worker(new URL("../../worker.ts", import.meta.url));
  workers.push(worker);
  const posted: FromWorker[] = [];
  const init: ToWorker = {
    kind: "init",
    index,
    shared,
    ledger: new SharedArrayBuffer(sharedWords * 4),
    metrics: new SharedArrayBuffer(metricRowWords * 8),
    peerMetadata: "",
    peerMetadataId: "",
    localPeer: peer,
    proxyCredential: null,
    seed: index + 1,
    logLevel: "info",
  };
  await new Promise<void>((resolve, reject) => {
    worker.onerror = (e) => reject(new Error(e.message));
    worker.onmessage = ({ data }: { data: FromWorker }) => {
      posted.push(data);
      if (data.kind === "ready") worker.postMessage(update);
      if (data.kind === "applied") resolve();
    };
    worker.postMessage(init);
  });
  return posted;
}

test("two threads: 100 hold connections, 100 wait, the 201st overflows; then all are served", async () => {
  const shared = new SharedArrayBuffer(sharedWords * 4);
  const table = new Int32Array(shared);
  const held: RawSocket[] = [];
  let released = false;
  const backend = origin((s) => {
    if (!s.inbox.text.includes("\r\n\r\n")) return;
    s.inbox.text = "";
    if (released) s.send(ok("done"));
    else held.push(s);
  });
  const { port, release } = reserve();
  const update: ToWorker = {
    kind: "update",
    seq: 1,
    secrets: [],
    resources: [
      change.cluster({
        breaker: { maxConnections: 100, maxPendingRequests: 100, maxRequests: 4_294_967_295, maxRetries: 3 },
      }),
      change.endpoints("origin", [endpoint(backend.port, 0)]),
      change.routes([route("origin")]),
      change.listener(listener({ port })),
    ],
  };
  for (const index of [0, 1]) {
    const posted = await start(shared, index, update);
    expect(posted.find((m) => m.kind === "applied")).toEqual({ kind: "applied", seq: 1, errors: [] });
  }
  release();
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const clients: RawSocket[] = [];
  for (let i = 0; i < 200; i++) {
    const client = await connect(port);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    clients.push(client);
  }
  while (Atomics.load(table, clusterWord.pending) < 100) await turn();
  while (held.length < 100) await turn();
  expect(Atomics.load(table, clusterWord.connections)).toBe(100);
  const over = await connect(port);
  over.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await over.inbox.match(/^HTTP\/1.1 503 [\s\S]*overflow$/);
  released = true;
  for (const s of held) s.send(ok("done"));
  for (const client of clients) await client.inbox.match(/done$/);
  expect(clients.filter((c) => c.inbox.text.startsWith("HTTP/1.1 200"))).toHaveLength(200);
  expect(Atomics.load(table, clusterWord.pending)).toBe(0);
  expect(Atomics.load(table, clusterWord.requests)).toBe(0);
  backend.stop();
}, 20_000);

test("a thread whose module cannot be loaded fails the proxy's start at once and says why", async () => {
  const agent = createAgent({
    concurrency: 1,
    createWorker: () => new Worker(URL.createObjectURL(new Blob(["throw new Error('no room here')"]))),
    node: { id: "n", peer },
    clock: systemClock,
    rng: seededRng(1),
    log: createLogger({ sink: () => {} }),
  });
  const failure = await agent.started.then(
    () => "started",
    (error: Error) => error.message,
  );
  expect(failure).toMatch(/data thread 0 cannot start: .*no room here/);
  await agent.stop();
});

test("what a thread held when it died is taken back: connections, requests, active ones of endpoints", async () => {
  const backend = origin();
  const { port, release } = reserve();
  let worker: Worker | undefined;
  const agent = createAgent({
    concurrency: 1,
    createWorker: () => {
      worker = new Worker(new URL("../../worker.ts", import.meta.url));
      return worker;
    },
    node: { id: "n", peer },
    clock: systemClock,
    rng: seededRng(1),
    log: createLogger({ sink: () => {} }),
    lockAddress: async () => ({ release: () => {} }),
  });
  await agent.started;
  const { slot: _, transport: __, ...host } = endpoint(backend.port, 0);
  const assignment = {
    type: "endpoints",
    name: "origin",
    endpoints: [{ ...host, transportMatch: {} }],
  } as const;
  const table = {
    name: "routes",
    virtualHosts: [{ name: "all", domains: ["*"], routes: [route("origin")] }],
  };
  const none = { secrets: [] } as const;
  const { errors } = await agent.applyCompiled({
    resources: [
      {
        resource: {
          type: "cluster",
          name: "origin",
          config: clusterDefaults,
          transportMatches: [],
          assignment,
          ...none,
        },
      },
      { resource: { type: "route", name: "routes", config: table } },
      {
        resource: {
          ...{ type: "listener", name: "main", config: listener({ port }), ...none },
          ...{ inlineRoutes: [], routeTables: ["routes"] },
        },
      },
    ],
  });
  expect(errors).toEqual([]);
  release();
  const clients: RawSocket[] = [];
  for (let i = 0; i < 5; i++) {
    const client = await connect(port);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    clients.push(client);
  }
  const counts = () => {
    const [cluster] = agent.clusters();
    return [
      cluster!.counts["connections"],
      cluster!.counts["requests"],
      cluster!.endpoints[0]!.activeRequests,
    ];
  };
  await backend.accepted(5);
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  while (counts().at(-1) !== 5) await turn();
  expect(counts()).toEqual([5, 5, 5]);
  const died = new Promise((resolve) => agent.on((e) => e.kind === "thread-died" && resolve(undefined)));
  worker!.terminate();
  await died;
  expect(counts()).toEqual([0, 0, 0]);
  await agent.stop();
  backend.stop();
}, 20_000);
