import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, seededRng, systemClock } from "../../base/index.ts";
import { fakeClock } from "../../testkit/fake-clock.ts";
import {
  createGrpcChannel,
  createGrpcServer,
  GrpcError,
  type GrpcServer,
  grpcCode,
} from "../../wire/grpc/index.ts";
import { shortTypeName, typeUrl } from "../protocol/index.ts";
import { createXdsServer, type XdsServer } from "../server/index.ts";
import { createTestSource, make, type TestSource } from "../server/test-source.ts";
import {
  type ApplyError,
  type ConfigSink,
  type ConfigUpdate,
  createXdsClient,
  fileSnapshotStore,
  type XdsClient,
  type XdsClientStatus,
} from "./index.ts";

const log = createLogger({ sink: () => {} });
const rng = seededRng(1);
const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const fn of cleanup.splice(0).reverse()) await fn();
});

/** Resolves when `ready` holds; asked after each event that is passed to `poke`. */
function waiter() {
  const waiting = new Set<{ ready: () => boolean; resolve: () => void }>();
  return {
    poke: () => {
      for (const w of [...waiting])
        if (w.ready()) {
          waiting.delete(w);
          w.resolve();
        }
    },
    until: (ready: () => boolean) =>
      new Promise<void>((resolve) => {
        if (ready()) resolve();
        else waiting.add({ ready, resolve });
      }),
  };
}

interface Recorder extends ConfigSink {
  readonly updates: ConfigUpdate[];
  /** `CDS+a,b-c` for each update. */
  readonly story: string[];
  readonly until: (ready: () => boolean) => Promise<void>;
  readonly poke: () => void;
  refuse: (update: ConfigUpdate) => ApplyError[];
}

function recorder(): Recorder {
  const { poke, until } = waiter();
  const self: Recorder = {
    updates: [],
    story: [],
    until,
    poke,
    refuse: () => [],
    async apply(update) {
      self.updates.push(update);
      const added = update.added.map((r) => r.name).join(",");
      const removed = update.removed.map((name) => `-${name}`).join("");
      self.story.push(`${shortTypeName(update.typeUrl)}+${added}${removed}`);
      queueMicrotask(poke);
      return { errors: self.refuse(update) };
    },
  };
  return self;
}

interface Rig {
  readonly source: TestSource;
  readonly xds: XdsServer;
  readonly grpc: GrpcServer;
}

async function serve(o: { source?: TestSource; port?: number; deny?: () => boolean } = {}): Promise<Rig> {
  const source = o.source ?? createTestSource();
  const xds = createXdsServer({
    source,
    authenticate: async () => {
      if (o.deny?.() === true) throw new GrpcError(grpcCode.unauthenticated, "who are you");
      return { namespace: "default", serviceAccount: "reviews" };
    },
    clock: systemClock,
    log,
  });
  const grpc = await createGrpcServer({
    host: "127.0.0.1",
    port: o.port ?? 0,
    methods: xds.methods,
    clock: systemClock,
    log,
  });
  cleanup.push(() => grpc.stop());
  return { source, xds, grpc };
}

function client(
  port: number,
  sink: Recorder,
  o: Partial<Parameters<typeof createXdsClient>[0]> = {},
): XdsClient {
  const channel = createGrpcChannel({ target: `127.0.0.1:${port}`, clock: systemClock });
  const c = createXdsClient({
    channel,
    node: {
      id: "sidecar~reviews-v1.default",
      cluster: "reviews",
      metadata: { FEATURES: ["a"], NAMESPACE: "lie" },
    },
    sink,
    clock: systemClock,
    rng,
    log,
    onStatus: sink.poke,
    ...o,
  });
  cleanup.push(async () => {
    await c.stop();
    channel.close();
  });
  return c;
}

function bookinfo(source: TestSource): void {
  source.put(
    make.cluster("a"),
    make.cluster("b"),
    make.endpoints("a"),
    make.endpoints("b"),
    make.listener("l", "http_proxy"),
    make.route("http_proxy"),
  );
}

describe("xds client and server over gRPC", () => {
  test("everything arrives in order, named resources by reference, and is ACKed", async () => {
    const { source, xds, grpc } = await serve();
    bookinfo(source);
    const sink = recorder();
    const c = client(grpc.port, sink);
    await c.start();
    await sink.until(() => c.status().acks === 4);
    expect(sink.story).toEqual(["CDS+a,b", "EDS+a,b", "LDS+l", "RDS+http_proxy"]);
    expect(c.status().synced).toBe(true);
    const [node] = source.nodes;
    expect(node?.principal).toEqual({ namespace: "default", serviceAccount: "reviews" });
    expect(node?.metadata).toEqual({ FEATURES: ["a"], NAMESPACE: "lie" });
    const [status] = xds.status();
    expect(
      status?.types.map((t) => `${shortTypeName(t.typeUrl)} ${t.state} ${t.resources}`).slice(0, 3),
    ).toEqual(["CDS SYNCED 2", "EDS SYNCED 2", "LDS SYNCED 1"]);
  });

  test("a subset moves without a gap: new cluster first, old cluster removed after the route", async () => {
    const { source, grpc } = await serve();
    bookinfo(source);
    const sink = recorder();
    const c = client(grpc.port, sink);
    await c.start();
    await sink.until(() => c.status().acks === 4);
    sink.story.length = 0;
    source.put(
      make.cluster("c"),
      make.endpoints("c"),
      make.route("http_proxy"),
      make.listener("l", "http_proxy"),
    );
    source.remove(typeUrl.cluster, "b");
    source.remove(typeUrl.endpoints, "b");
    source.changed();
    await sink.until(() => sink.story.some((s) => s === "EDS+-b"));
    expect(sink.story).toEqual(["CDS+c", "EDS+c", "LDS+l", "RDS+http_proxy", "CDS+-b", "EDS+-b"]);
  });

  test("a NACK names the bad resource, the rest applies, nothing is sent again until it changes", async () => {
    const { source, xds, grpc } = await serve();
    bookinfo(source);
    const sink = recorder();
    sink.refuse = (u) =>
      u.added.filter((r) => r.name === "b").map(({ name }) => ({ name, message: "bad regex" }));
    const c = client(grpc.port, sink);
    await c.start();
    await sink.until(() => c.status().nacks >= 1 && c.status().acks >= 3);
    expect(source.nacks[0]).toEqual({
      typeUrl: typeUrl.cluster,
      nack: { names: ["b"], message: "b: bad regex" },
    });
    expect(c.status().versions.get(typeUrl.cluster)?.has("a")).toBe(true);
    expect(c.status().versions.get(typeUrl.cluster)?.has("b")).toBe(false);
    const type = () => xds.status()[0]?.types[0];
    expect(type()?.state).toBe("STALE");
    expect(type()?.nack).toMatchObject({ names: ["b"], message: "b: bad regex" });
    const before = sink.story.filter((s) => s.startsWith("CDS")).length;
    source.changed();
    source.put(make.route("http_proxy"));
    source.changed();
    await sink.until(() => sink.story.filter((s) => s.startsWith("RDS")).length === 2);
    expect(sink.story.filter((s) => s.startsWith("CDS")).length).toBe(before);
    sink.refuse = () => [];
    const acks = c.status().acks;
    source.put(make.cluster("b"));
    source.changed(typeUrl.cluster);
    await sink.until(
      () => c.status().versions.get(typeUrl.cluster)?.has("b") === true && c.status().acks > acks,
    );
    await sink.until(() => c.status().synced);
  });

  test("after the server came back only what changed is sent, and nothing was withdrawn", async () => {
    const source = createTestSource();
    const first = await serve({ source });
    bookinfo(source);
    const sink = recorder();
    const c = client(first.grpc.port, sink);
    await c.start();
    await sink.until(() => c.status().acks === 4);
    await first.grpc.stop();
    await sink.until(() => c.status().state === "backoff");
    expect(c.status().synced).toBe(true);
    const count = sink.updates.length;
    source.put(make.endpoints("a"));
    source.remove(typeUrl.route, "http_proxy");
    const second = await serve({ source, port: first.grpc.port });
    await sink.until(() => sink.updates.length >= count + 2);
    expect(sink.story.slice(count)).toEqual(["EDS+a", "RDS+-http_proxy"]);
    expect(second.xds.streams).toBe(1);
  });

  test("an unauthenticated client gets nothing", async () => {
    const { source, grpc, xds } = await serve({ deny: () => true });
    bookinfo(source);
    const sink = recorder();
    const c = client(grpc.port, sink, { clock: fakeClock() });
    await c.start();
    await sink.until(() => c.status().state === "backoff");
    expect(c.status().lastError).toBe("who are you");
    expect(sink.updates).toEqual([]);
    expect(xds.streams).toBe(0);
  });

  test("the last good snapshot starts a client alone; a damaged one is not used", async () => {
    const dir = await mkdtemp(join(tmpdir(), "weft-xds-"));
    cleanup.push(() => rm(dir, { recursive: true }));
    const file = join(dir, "state/config.snapshot");
    const { source, grpc } = await serve();
    bookinfo(source);
    const sink = recorder();
    const c = client(grpc.port, sink, { snapshot: fileSnapshotStore(file) });
    await c.start();
    await sink.until(() => c.status().acks === 4);
    await c.stop();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await grpc.stop();
    const alone = recorder();
    const again = client(grpc.port, alone, { snapshot: fileSnapshotStore(file), clock: fakeClock() });
    await again.start();
    expect(alone.story).toEqual(["CDS+a,b", "EDS+a,b", "LDS+l", "RDS+http_proxy"]);
    expect(again.status().synced).toBe(true);
    const bytes = await readFile(file);
    for (const damaged of [
      bytes.subarray(0, bytes.length - 1),
      Buffer.concat([bytes.subarray(0, 60), Buffer.from([bytes[60]! ^ 1]), bytes.subarray(61)]),
      Buffer.concat([Buffer.from("WEFTXDS9"), bytes.subarray(8)]),
      Buffer.alloc(3),
    ]) {
      await writeFile(file, damaged);
      const empty = recorder();
      const third = client(grpc.port, empty, { snapshot: fileSnapshotStore(file), clock: fakeClock() });
      await third.start();
      expect(empty.updates).toEqual([]);
    }
  });

  test("big configurations come in parts of 2 MB", async () => {
    const { source, grpc } = await serve();
    for (let i = 0; i < 50; i++) source.put(make.cluster(`c${i}`, 200_000));
    const sink = recorder();
    const c = client(grpc.port, sink);
    await c.start();
    await sink.until(() => (c.status().versions.get(typeUrl.cluster)?.size ?? 0) === 50);
    const sizes = sink.updates.filter((u) => u.typeUrl === typeUrl.cluster).map((u) => u.added.length);
    expect(Math.max(...sizes)).toBe(10);
    const status = (): XdsClientStatus => c.status();
    await sink.until(() => status().acks >= 5);
  });
});
