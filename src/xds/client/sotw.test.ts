/** What differs where the server speaks state of the world, and what both variants must stand. */
import { afterEach, describe, expect, test } from "bun:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { createLogger, seededRng } from "../../base/index.ts";
import { ClusterSchema } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import {
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
  ResourceSchema,
} from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import { fakeClock } from "../../testkit/fake-clock.ts";
import { bookinfo, client, recorder, serve, undo } from "../../testkit/xds-rig.ts";
import { createTestSource, make } from "../../testkit/xds-source.ts";
import type { ClientStream } from "../../wire/grpc/index.ts";
import { typeUrl } from "../protocol/index.ts";
import type { StreamResponse } from "./dialect.ts";
import {
  createClient,
  type Feed,
  type FeedHost,
  type FeedResponse,
  limits,
  sotwDialect,
  streamFeed,
} from "./index.ts";

afterEach(undo);

const variant = "sotw";

describe("state of the world", () => {
  test("everything arrives in order, and a change brings only what changed", async () => {
    const { source, grpc, xds } = await serve();
    bookinfo(source);
    const sink = recorder();
    const c = client(grpc.port, sink, { variant });
    await c.start();
    await sink.until(() => c.status().acks === 4);
    expect(sink.story).toEqual(["CDS+a,b", "EDS+a,b", "LDS+l", "RDS+http_proxy"]);
    expect(c.status().synced).toBe(true);
    expect(xds.status()[0]?.types.map((t) => t.resources)).toEqual([2, 2, 1, 1]);
    sink.story.length = 0;
    source.put(make.cluster("c"), make.endpoints("c"));
    source.changed();
    await sink.until(() => sink.story.length === 2);
    expect(sink.story).toEqual(["CDS+c", "EDS+c"]);
    source.remove(typeUrl.listener, "l");
    source.changed();
    await sink.until(() => sink.story.length === 4);
    expect(sink.story.slice(2)).toEqual(["LDS+-l", "RDS+-http_proxy"]);
  });

  test("a subset moves without a gap, although each CDS response is the whole", async () => {
    const { source, grpc } = await serve();
    bookinfo(source);
    const sink = recorder();
    const c = client(grpc.port, sink, { variant });
    await c.start();
    await sink.until(() => c.status().acks === 4);
    sink.story.length = 0;
    source.put(make.cluster("c"), make.endpoints("c"), make.route("http_proxy", 1));
    source.remove(typeUrl.cluster, "b");
    source.remove(typeUrl.endpoints, "b");
    source.changed();
    await sink.until(() => sink.story.includes("EDS+-b"));
    expect(sink.story).toEqual(["CDS+c", "EDS+c", "RDS+http_proxy", "CDS+-b", "EDS+-b"]);
  });

  test("a NACK names the bad resource, the rest applies, and nothing is sent again until something changes", async () => {
    const { source, grpc, xds } = await serve();
    bookinfo(source);
    const sink = recorder();
    sink.refuse = (u) => u.added.filter((r) => r.name === "b").map(({ name }) => ({ name, message: "bad" }));
    const c = client(grpc.port, sink, { variant });
    await c.start();
    await sink.until(() => c.status().nacks === 1 && c.status().acks === 3);
    expect(source.nacks).toEqual([{ typeUrl: typeUrl.cluster, nack: { names: ["b"], message: "b: bad" } }]);
    expect([...(c.status().versions.get(typeUrl.cluster)?.keys() ?? [])]).toEqual(["a"]);
    source.changed();
    source.put(make.route("http_proxy", 1));
    source.changed();
    await sink.until(() => sink.story.filter((s) => s.startsWith("RDS")).length === 2);
    expect(sink.story.filter((s) => s.startsWith("CDS"))).toEqual(["CDS+a,b"]);
    sink.refuse = () => [];
    source.put(make.cluster("b", 1));
    source.changed();
    await sink.until(() => c.status().synced && xds.status()[0]?.types[0]?.nack === undefined);
    expect(sink.story.filter((s) => s.startsWith("CDS"))).toEqual(["CDS+a,b", "CDS+b"]);
  });

  test("after the server came back only what changed is applied; a removal that routes still name waits", async () => {
    const source = createTestSource();
    const first = await serve({ source });
    bookinfo(source);
    const sink = recorder();
    let used = new Set(["b"]);
    const c = client(first.grpc.port, sink, {
      variant,
      sink: { apply: (u) => sink.apply(u), clustersInUse: () => used },
    });
    await c.start();
    await sink.until(() => c.status().acks === 4);
    await first.grpc.stop();
    await sink.until(() => c.status().state === "backoff");
    sink.story.length = 0;
    source.remove(typeUrl.cluster, "b");
    source.remove(typeUrl.endpoints, "b");
    source.put(make.route("http_proxy", 1));
    const apply = sink.apply;
    sink.apply = async (update) => {
      if (update.typeUrl === typeUrl.route) used = new Set();
      return apply(update);
    };
    await serve({ source, port: first.grpc.port });
    await sink.until(() => sink.story.includes("EDS+-b"));
    expect(sink.story).toEqual(["RDS+http_proxy", "CDS+-b", "EDS+-b"]);
  });
});

/** A client on one feed that the test plays. */
function played() {
  const clock = fakeClock();
  const sink = recorder();
  const answers: [string, number][] = [];
  let host: FeedHost | undefined;
  const feed: Feed = {
    status: { name: "x", state: "connected" },
    start: () => {},
    stop: () => {},
    ask: () => {},
    answer: (r, errors) => void answers.push([r.typeUrl, errors.length]),
  };
  let used = new Set<string>();
  const c = createClient({
    plan: {
      everything: new Map([
        [typeUrl.cluster, "x"],
        [typeUrl.listener, "x"],
      ]),
      feedOf: () => "x",
      open: (_name, h) => {
        host = h;
        return feed;
      },
    },
    sink: { apply: sink.apply, clustersInUse: () => used },
    clock,
    log: createLogger({ sink: () => {} }),
    onStatus: sink.poke,
  });
  const send = (response: Partial<FeedResponse>): boolean =>
    host!.receive({
      typeUrl: typeUrl.cluster,
      resources: [],
      removed: [],
      whole: false,
      repeats: false,
      ...response,
    });
  return { c, clock, sink, answers, send, uses: (...names: string[]) => (used = new Set(names)) };
}

const any = (name: string): Any => {
  const { typeUrl: url, bytes } = make.cluster(name);
  return { $typeName: "google.protobuf.Any", typeUrl: url, value: bytes };
};

describe("both variants", () => {
  test("a resource with a life ends with it, unless a heartbeat prolongs it", async () => {
    const { c, clock, sink, send } = played();
    await c.start();
    send({ resources: [{ name: "a", version: "1", any: any("a"), ttlMs: 1000 }] });
    await sink.until(() => c.status().acks === 1);
    clock.advance(900);
    send({ resources: [{ name: "a", version: "1", any: undefined, ttlMs: 1000 }] });
    await sink.until(() => c.status().acks === 2);
    clock.advance(900);
    expect(sink.story).toEqual(["CDS+a"]);
    clock.advance(100);
    await sink.until(() => c.status().versions.get(typeUrl.cluster)?.size === 0);
    expect(sink.story[1]).toBe("CDS+-a");
    await c.stop();
    expect(clock.pending).toBe(0);
  });

  test("a removed cluster that is named to the end goes after 15 s, with its endpoints", async () => {
    const { c, clock, sink, send, uses } = played();
    await c.start();
    send({ resources: [{ name: "a", version: "1", any: any("a") }] });
    await sink.until(() => c.status().acks === 1);
    uses("a");
    send({ removed: ["a"] });
    await sink.until(() => c.status().acks === 2);
    clock.advance(limits.holdRemovalMs - 1);
    expect(sink.story).toEqual(["CDS+a"]);
    clock.advance(1);
    await sink.until(() => sink.story.includes("EDS+-a"));
    expect(sink.story).toEqual(["CDS+a", "CDS+-a", "EDS+-a"]);
    await c.stop();
  });

  test("a removed cluster that comes again is not removed later", async () => {
    const { c, clock, sink, send, uses } = played();
    await c.start();
    const a = { name: "a", version: "1", any: any("a") };
    send({ resources: [a] });
    uses("a");
    send({ removed: ["a"] });
    send({ resources: [a] });
    await sink.until(() => c.status().acks === 3);
    clock.advance(limits.holdRemovalMs);
    expect(sink.story).toEqual(["CDS+a", "CDS+a"]);
    await c.stop();
  });

  test("what is no resource, another type's, or of a type that nobody asked for is refused by name", async () => {
    const { c, sink, send, answers } = played();
    await c.start();
    const listener = make.listener("l", "r");
    send({
      resources: [
        { name: "bare", version: "1", any: undefined },
        { name: "l", version: "1", any: { ...any("l"), typeUrl: listener.typeUrl } },
        { name: "a", version: "1", any: any("a") },
      ],
    });
    send({ typeUrl: "type.googleapis.com/other" });
    await sink.until(() => c.status().nacks === 2);
    expect(answers).toEqual([
      [typeUrl.cluster, 2],
      ["type.googleapis.com/other", 1],
    ]);
    expect(sink.story).toEqual(["CDS+a"]);
    await c.stop();
  });

  test("routes wait for the endpoints of new clusters, in order, at most 2 s and once", async () => {
    const { c, clock, sink, send } = played();
    await c.start();
    send({ resources: [{ name: "a", version: "1", any: any("a") }] });
    const routes = make.listener("l", "r");
    const wire = { $typeName: "google.protobuf.Any" as const, typeUrl: routes.typeUrl, value: routes.bytes };
    send({ typeUrl: typeUrl.listener, resources: [{ name: "l", version: "1", any: wire }] });
    send({ typeUrl: typeUrl.listener, removed: ["l"] });
    await sink.until(() => c.status().acks === 1);
    const assigned = make.endpoints("a");
    const eds = { ...any("a"), typeUrl: assigned.typeUrl, value: assigned.bytes };
    send({ typeUrl: typeUrl.endpoints, resources: [{ name: "a", version: "1", any: eds }] });
    await sink.until(() => c.status().acks === 4);
    expect(sink.story).toEqual(["CDS+a", "EDS+a", "LDS+l", "LDS+-l", "RDS+-r"]);
    send({ resources: [{ name: "b", version: "1", any: any("b") }] });
    send({ typeUrl: typeUrl.listener, resources: [{ name: "l", version: "2", any: wire }] });
    await sink.until(() => c.status().acks === 5);
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(limits.endpointsWaitMs);
    await sink.until(() => c.status().acks === 6);
    send({ typeUrl: typeUrl.listener, removed: ["l"] });
    await sink.until(() => c.status().acks === 7);
    await c.stop();
    expect(clock.pending).toBe(0);
  });

  test("responses that wait are limited", async () => {
    const { c, send } = played();
    await c.start();
    const taken = Array.from({ length: limits.maxQueuedResponses + 2 }, () =>
      send({ resources: [{ name: "a", version: "1", any: any("a") }] }),
    );
    // The first is in work at once.
    expect(taken.filter((ok) => !ok).length).toBe(1);
    expect(taken.at(-1)).toBe(false);
    await c.stop();
  });
});

test("the same refusal again is told after growing pauses", async () => {
  const clock = fakeClock();
  const written: string[] = [];
  const stream: ClientStream<StreamResponse> = {
    onMessage: () => {},
    onClose: () => {},
    write: (bytes) => {
      const { errorDetail, responseNonce } = fromBinary(DiscoveryRequestSchema, bytes);
      if (responseNonce !== "") written.push(`${responseNonce} ${errorDetail?.message ?? "ok"}`);
    },
    cancel: () => {},
  };
  const got: FeedResponse[] = [];
  const feed = streamFeed(
    {
      name: "x",
      channel: () => ({ bidi: async () => stream as never }),
      path: "/x",
      dialect: sotwDialect(),
      node: { id: "n", cluster: "c", metadata: {} },
      nodeOnce: true,
      clock,
      rng: seededRng(1),
      log: createLogger({ sink: () => {} }),
    },
    { first: () => [], changed: () => {}, receive: (r) => got.push(r) > 0 },
  );
  feed.start();
  await new Promise((resolve) => setImmediate(resolve));
  const refuse = (nonce: string, ...errors: { name: string; message: string }[]): void => {
    const response = { typeUrl: typeUrl.cluster, resources: [], removed: [], whole: true, repeats: true };
    stream.onMessage({ ...response, nonce, version: "1" });
    feed.answer(got.at(-1)!, errors);
  };
  const bad = { name: "b", message: "no" };
  refuse("1", bad);
  refuse("2", bad);
  expect(written).toEqual(["1 b: no"]);
  clock.advance(limits.repeatedNackBaseMs);
  refuse("3", bad);
  clock.advance(2 * limits.repeatedNackBaseMs - 1);
  expect(written).toEqual(["1 b: no", "2 b: no"]);
  clock.advance(1);
  refuse("4");
  refuse("5", bad);
  expect(written.slice(2)).toEqual(["3 b: no", "4 ok", "5 b: no"]);
  feed.stop();
  expect(clock.pending).toBe(0);
});

test("resources come bare or wrapped, named inside or outside", () => {
  const cluster = anyPack(ClusterSchema, create(ClusterSchema, { name: "bare" }));
  const wrapped = create(ResourceSchema, {
    name: "",
    version: "7",
    ttl: { seconds: 1n, nanos: 5e8 },
    resource: anyPack(ClusterSchema, create(ClusterSchema, { name: "wrapped" })),
  });
  const heartbeat = create(ResourceSchema, { name: "wrapped", ttl: { seconds: 2n } });
  const bytes = toBinary(
    DiscoveryResponseSchema,
    create(DiscoveryResponseSchema, {
      typeUrl: typeUrl.cluster,
      versionInfo: "v",
      resources: [cluster, anyPack(ResourceSchema, wrapped), anyPack(ResourceSchema, heartbeat)],
    }),
  );
  const { resources, whole } = sotwDialect().decode(bytes);
  expect(whole).toBe(true);
  expect(resources.map((r) => [r.name, r.version, r.any?.typeUrl, r.ttlMs])).toEqual([
    ["bare", "v", typeUrl.cluster, undefined],
    ["wrapped", "7", typeUrl.cluster, 1500],
    ["wrapped", "v", undefined, 2000],
  ]);
});
