import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock } from "../../testkit/fake-clock.ts";
import { bookinfo, cleanup, client, recorder, serve, undo } from "../../testkit/xds-rig.ts";
import { createTestSource, make } from "../../testkit/xds-source.ts";
import { shortTypeName, typeUrl } from "../protocol/index.ts";
import { fileSnapshotStore, type XdsClientStatus } from "./index.ts";

afterEach(undo);

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
