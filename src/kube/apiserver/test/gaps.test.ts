/** What clients meet at the edges: compacted history, limits, a server that stops, a disk that is full. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { type Clock, createLogger, seededRng, systemClock } from "../../../base/index.ts";
import {
  createInformer,
  createKubeClient,
  type InformerChange,
  isKubeError,
  type KubeClient,
  loadKubeconfig,
  refs,
} from "../../client/index.ts";
import { applyJsonPatch } from "../json-patch.ts";
import { COMPACT_EVERY_MS, MAX_BODY_BYTES, MAX_PATCH_OPERATIONS } from "../limits.ts";
import { CM, configMap, type Harness, startHarness } from "./harness.ts";

/** The system's clock, but compaction comes when it is asked for. */
function compactOnDemand(): { clock: Clock; compact: () => void } {
  let compact = (): void => undefined;
  const clock: Clock = {
    now: () => systemClock.now(),
    wall: () => systemClock.wall(),
    after: (ms, fn) => systemClock.after(ms, fn),
    every(ms, fn) {
      if (ms !== COMPACT_EVERY_MS) return systemClock.every(ms, fn);
      compact = fn;
      return { cancel: () => undefined };
    },
  };
  return { clock, compact: () => compact() };
}

describe("compacted history", () => {
  test("410 on watch, list and continue; what the policy keeps stays readable", async () => {
    const { clock, compact } = compactOnDemand();
    await using api = await startHarness({ clock, historyRevisions: 3 });
    for (const name of ["a", "b", "c"]) await api.call("POST", CM, configMap(name));
    const page = (await api.call("GET", `${CM}?limit=1`)).body;
    const old: string = page.metadata.resourceVersion;
    const revision = async (): Promise<string> => (await api.call("GET", CM)).body.metadata.resourceVersion;
    for (let i = 0; i < 4; i++) await api.call("PUT", `${CM}/a`, configMap("a", { i: `${i}` }));
    const kept = String(Number(await revision()) - 3);
    compact();
    await revision();
    const watch = await api.watch(`${CM}?watch=1&resourceVersion=${old}`);
    expect(await watch.next()).toMatchObject({ type: "ERROR", object: { code: 410, reason: "Expired" } });
    expect(await watch.next()).toBeUndefined();
    const exact = `${CM}?limit=9&resourceVersionMatch=Exact&resourceVersion=`;
    expect(await api.call("GET", exact + old)).toMatchObject({ status: 410, body: { reason: "Expired" } });
    const next = `${CM}?limit=1&continue=${encodeURIComponent(page.metadata.continue)}`;
    expect(await api.call("GET", next)).toMatchObject({ status: 410, body: { reason: "Expired" } });
    expect((await api.call("GET", exact + kept)).body.items).toHaveLength(3);
    const live = await api.watch(`${CM}?watch=1&resourceVersion=${kept}`);
    expect((await live.next()).object.data).toEqual({ i: "1" });
    await live.cancel();
  });

  test("an informer whose revision was compacted meanwhile lists anew and tells what it missed", async () => {
    const { clock, compact } = compactOnDemand();
    await using api = await startHarness({ clock, historyRevisions: 0 });
    const client = createKubeClient(loadKubeconfig({ path: api.server.kubeconfigPath }), {
      clock: systemClock,
    });
    const cut = new AbortController();
    const gate = Promise.withResolvers<void>();
    const refused: unknown[] = [];
    let watches = 0;
    let lists = 0;
    const faulty: Pick<KubeClient, "listAll" | "watch"> = {
      listAll: (ref, options) => {
        lists++;
        return client.listAll(ref, options);
      },
      async watch(ref, options) {
        const first = watches++ === 0;
        if (!first) await gate.promise;
        const signals = [...(options.signal ? [options.signal] : []), ...(first ? [cut.signal] : [])];
        await client.watch(ref, { ...options, signal: AbortSignal.any(signals) }).catch((e: unknown) => {
          refused.push(e);
          throw e;
        });
      },
    };
    await api.call("POST", CM, configMap("goes"));
    await api.call("POST", CM, configMap("stays"));
    const told: string[] = [];
    const caughtUp = Promise.withResolvers<void>();
    const informer = createInformer(faulty, refs.configMap, {
      clock: systemClock,
      rng: seededRng(1),
      log: createLogger({ sink: () => undefined }),
      namespace: "default",
      onChange: (c: InformerChange) => {
        told.push(`${c.type} ${c.object.metadata.name}`);
        if (c.object.metadata.name === "last") caughtUp.resolve();
      },
    });
    informer.start();
    await informer.synced;
    cut.abort();
    await api.call("DELETE", `${CM}/goes`);
    await api.call("POST", CM, configMap("came"));
    compact();
    await api.call("GET", CM);
    gate.resolve();
    await api.call("POST", CM, configMap("last"));
    await caughtUp.promise;
    expect(lists).toBe(2);
    expect(refused.filter((e) => isKubeError(e, 410))).toHaveLength(1);
    expect(told).toEqual(["added goes", "added stays", "deleted goes", "added came", "added last"]);
    expect(informer.list().map((o) => o.metadata.name)).toEqual(["stays", "came", "last"]);
    informer.stop();
  });
});

describe("limits, at each and one past it", () => {
  test("watches: one too many is 429 with Retry-After in its Status; a closed one makes room", async () => {
    await using api = await startHarness({ maxWatches: 2 });
    const [one, two] = [await api.watch(`${CM}?watch=1`), await api.watch(`${CM}?watch=1`)];
    const more = await api.call("GET", `${CM}?watch=1`);
    expect([more.status, more.body.details.retryAfterSeconds]).toEqual([429, 1]);
    await api.call("POST", CM, configMap("x"));
    expect((await one.next()).object.metadata.name).toBe("x");
    await api.server.stop();
    expect(await two.next()).toMatchObject({ type: "ADDED" });
    expect(await two.next()).toBeUndefined();
  });

  test("operations of a JSON patch", () => {
    const patch = (n: number): unknown =>
      Array.from({ length: n }, () => ({ op: "test", path: "/a", value: 1 }));
    expect(applyJsonPatch({ a: 1 }, patch(MAX_PATCH_OPERATIONS))).toEqual({ a: 1 });
    expect(() => applyJsonPatch({ a: 1 }, patch(MAX_PATCH_OPERATIONS + 1))).toThrow("maximum operations");
  });

  test("bytes of a body, with and without a declared length", async () => {
    await using api = await startHarness();
    const body = (name: string, size: number): string => JSON.stringify(configMap(name)).padEnd(size, " ");
    expect((await api.call("POST", CM, body("fits", MAX_BODY_BYTES))).status).toBe(201);
    const more = await api.call("POST", CM, body("more", MAX_BODY_BYTES + 1));
    expect([more.status, more.body.reason]).toEqual([413, "RequestEntityTooLarge"]);
    expect(await chunked(api, body("chunks", MAX_BODY_BYTES))).toBe(201);
    expect(await chunked(api, body("chunk1", MAX_BODY_BYTES + 1))).toBe(413);
  });
});

/** Status of a POST whose body comes in chunks, its length unsaid. */
async function chunked(api: Harness, text: string): Promise<number> {
  const bytes = Buffer.from(text);
  const pieces = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, i) =>
    bytes.subarray(i * 65_536, (i + 1) * 65_536),
  );
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = pieces.shift();
      if (next) controller.enqueue(next);
      else controller.close();
    },
  });
  const response = await fetch(api.server.url + CM, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${api.server.adminToken}` },
    body,
    tls: { ca: api.server.caPem },
  });
  await response.arrayBuffer();
  return response.status;
}

test("stop() ends open watches with their last chunk, not with a reset", async () => {
  await using api = await startHarness();
  const socket = connect({ host: "127.0.0.1", port: api.server.port, ca: api.server.caPem });
  const errors: Error[] = [];
  socket.on("error", (e) => errors.push(e));
  await new Promise<void>((resolve) => socket.once("secureConnect", resolve));
  let text = "";
  const answered = Promise.withResolvers<void>();
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
    answered.resolve();
  });
  socket.write(
    `GET ${CM}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${api.server.adminToken}\r\n\r\n`,
  );
  await answered.promise;
  await api.server.stop();
  await closed;
  expect(text).toStartWith("HTTP/1.1 200");
  expect(text).toEndWith("0\r\n\r\n");
  expect(errors).toEqual([]);
});

/** A folder on a small file system of its own; undefined where this user may not mount one. */
function smallDisk(): { dir: string; remove: () => void } | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
  const dir = mkdtempSync(join(tmpdir(), "weft-full-"));
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", dir]).exitCode === 0;
  const remove = (): void => {
    if (mounted) Bun.spawnSync(["umount", "-l", dir]);
    rmSync(dir, { recursive: true, force: true });
  };
  if (mounted) return { dir, remove };
  remove();
  return undefined;
}
const disk = smallDisk();

test.skipIf(disk === undefined)(
  "a full disk: 507 that says so, and nothing acknowledged is lost",
  async () => {
    try {
      const dataDir = join(disk!.dir, "data");
      await using api = await startHarness({ dataDir });
      const data = { d: "x".repeat(100_000) };
      const acknowledged: string[] = [];
      let refused: Awaited<ReturnType<Harness["call"]>> | undefined;
      for (let i = 0; i < 100 && refused === undefined; i++) {
        const answer = await api.call("POST", CM, configMap(`full-${i}`, data));
        if (answer.status === 201) acknowledged.push(`full-${i}`);
        else refused = answer;
      }
      expect(refused).toMatchObject({ status: 507, body: { kind: "Status", reason: "InsufficientStorage" } });
      expect(refused!.body.message).toContain("the disk of the data directory is full");
      expect(acknowledged.length).toBeGreaterThan(5);
      const names = async (): Promise<string[]> =>
        (await api.call("GET", CM)).body.items
          .map((o: { metadata: { name: string } }) => o.metadata.name)
          .filter((n: string) => n.startsWith("full-"));
      expect((await names()).sort()).toEqual([...acknowledged].sort());
      // With room again it goes on by itself, and after a restart all of it is there.
      Bun.spawnSync(["mount", "-o", "remount,size=64m", disk!.dir]);
      expect((await api.call("POST", CM, configMap("full-again", data))).status).toBe(201);
      await api.restart();
      expect((await names()).sort()).toEqual([...acknowledged, "full-again"].sort());
      await api.server.stop();
      const db = new Database(join(dataDir, "store", "weft.db"), { readonly: true });
      expect(db.query("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
      db.close();
    } finally {
      disk?.remove();
    }
  },
  30_000,
);
