/** A server that moves, hangs or forgets: what the client does about it. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, seededRng } from "../../base/index.ts";
import { fakeClock } from "../../testkit/fake-clock.ts";
import { createFakeKube, settle } from "../../testkit/fake-kube.ts";
import {
  createInformer,
  createKubeClient,
  isKubeError,
  KubeError,
  keepLease,
  loadKubeconfig,
  refs,
} from "./index.ts";
import { limits } from "./limits.ts";

const log = createLogger({ sink: () => {} });
const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const fn of cleanup.splice(0)) await fn();
});

function server(token: string) {
  const seen: { method: string; body: string }[] = [];
  const s = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      seen.push({ method: request.method, body: await request.text() });
      const good = request.headers.get("authorization") === `Bearer ${token}`;
      return Response.json(good ? { kind: "ConfigMap", metadata: { name: token } } : {}, {
        status: good ? 200 : 401,
      });
    },
  });
  cleanup.push(() => s.stop(true));
  return { url: `http://127.0.0.1:${s.port}`, seen, stop: () => s.stop(true) };
}

describe("a kubeconfig that changes", () => {
  const dir = mkdtempSync(join(tmpdir(), "weft-follow-"));
  const path = join(dir, "kubeconfig");
  const write = (url: string, token: string): void =>
    writeFileSync(
      path,
      JSON.stringify({
        clusters: [{ name: "a", cluster: { server: url } }],
        users: [{ name: "a", user: { token } }],
        contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
        "current-context": "a",
      }),
    );
  const name = async (client: ReturnType<typeof createKubeClient>): Promise<unknown> =>
    client.get(refs.configMap, "x", "default").then(
      (o) => o.metadata.name,
      (e: unknown) => (isKubeError(e) ? e.status : e),
    );

  test("a call that is refused reads it anew and goes where it says; a token that is not good is read anew for the next", async () => {
    const first = server("one");
    write(first.url, "one");
    const client = createKubeClient(loadKubeconfig({ path }), { clock: fakeClock() });
    expect(await name(client)).toBe("one");
    const second = server("two");
    write(second.url, "two");
    // Nothing is wrong yet.
    expect(await name(client)).toBe("one");
    await first.stop();
    expect([await name(client), first.seen.length, second.seen.length]).toEqual(["two", 2, 1]);
    // Made anew in the same place: another token.
    const third = server("three");
    write(second.url, "three");
    expect([await name(client), third.seen.length]).toEqual(["two", 0]);
    write(third.url, "wrong");
    await second.stop();
    expect(await name(client)).toBe(401);
    write(third.url, "three");
    expect([await name(client), await name(client)]).toEqual([401, "three"]);
    rmSync(dir, { recursive: true });
    await third.stop();
    // Where it cannot be read, what is known stays.
    expect([await name(client), await name(client)]).toEqual([0, 0]);
  });
});

test("a deletion can be bound to the state that was seen", async () => {
  const s = server("t");
  const config = { server: s.url, token: () => "t", namespace: "default", context: "x" };
  const client = createKubeClient(config, { clock: fakeClock() });
  await client.delete(
    refs.configMap,
    { name: "a", namespace: "default" },
    { uid: "u", resourceVersion: "7" },
  );
  expect(JSON.parse(s.seen[0]!.body)).toMatchObject({ preconditions: { uid: "u", resourceVersion: "7" } });
  await client.delete(refs.configMap, { name: "a", namespace: "default" });
  expect(JSON.parse(s.seen[1]!.body)).not.toHaveProperty("preconditions");
});

describe("a lease", () => {
  test("tells when somebody removed it, and when it is renewed again after failures", async () => {
    const kube = createFakeKube();
    const clock = fakeClock();
    const told: string[] = [];
    const down = { now: false };
    const patch: typeof kube.client.patch = (...args) =>
      down.now
        ? Promise.reject(new KubeError({ status: 0, reason: "Unreachable", message: "away" }))
        : kube.client.patch(...args);
    const keeper = keepLease(
      { ...kube.client, patch },
      {
        ...{ namespace: "default", name: "weft-a", holder: "me", clock, log },
        onLost: () => told.push("lost"),
        onAgain: () => told.push("again"),
      },
    );
    const turn = async (): Promise<void> => {
      clock.advance(limits.leaseRenewMs);
      await settle();
    };
    await keeper.held;
    await turn();
    expect(told).toEqual([]);
    kube.remove(refs.lease, "default", "weft-a");
    await turn();
    expect(told).toEqual(["lost"]);
    expect(kube.get(refs.lease, "default", "weft-a")).toBeDefined();
    down.now = true;
    await turn();
    await turn();
    down.now = false;
    await turn();
    await turn();
    expect(told).toEqual(["lost", "again"]);
    await keeper.release();
  });

  test("a write without an answer is given up before the lease ends, so that the next is tried", async () => {
    const clock = fakeClock();
    let asked = 0;
    const hangs = (...args: unknown[]): Promise<never> => {
      asked++;
      const { signal } = args.at(-1) as { signal: AbortSignal };
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
    };
    const keeper = keepLease({ create: hangs, patch: hangs, delete: hangs } as never, {
      ...{ namespace: "default", name: "weft-a", holder: "me", clock, log },
    });
    await settle();
    clock.advance(limits.leaseWriteMs - 1);
    await settle();
    expect(asked).toBe(1);
    clock.advance(1);
    await settle();
    clock.advance(limits.leaseRenewMs);
    await settle();
    expect(asked).toBe(2);
    expect(limits.leaseWriteMs).toBeLessThan(limits.leaseSeconds * 1000);
    const released = keeper.release();
    clock.advance(limits.leaseWriteMs);
    await settle();
    clock.advance(limits.leaseWriteMs);
    await released;
    expect(clock.pending).toBe(0);
  });
});

test("an informer says since when it has seen everything: a planned end of a watch is no gap, a failure is", async () => {
  const kube = createFakeKube();
  const clock = fakeClock();
  const informer = createInformer(kube.client, refs.lease, { clock, rng: seededRng(1), log });
  expect(informer.watchingSince).toBeUndefined();
  clock.advance(5);
  informer.start();
  await informer.synced;
  await settle();
  expect(informer.watchingSince).toBe(5);
  clock.advance(10_000);
  kube.endWatches(refs.lease);
  await settle();
  expect(informer.watchingSince).toBe(5);
  const gone = new KubeError({ status: 410, reason: "Expired", message: "compacted" });
  kube.endWatches(refs.lease, gone);
  kube.failLists = gone;
  await settle();
  expect(informer.watchingSince).toBeUndefined();
  kube.failLists = undefined;
  clock.advance(100);
  await settle();
  clock.advance(100);
  await settle();
  expect(informer.watchingSince).toBeGreaterThan(10_000);
  informer.stop();
});
