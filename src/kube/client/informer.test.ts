import { afterEach, describe, expect, test } from "bun:test";
import { createLogger, seededRng } from "../../base/index.ts";
import { type FakeClock, fakeClock } from "../../testkit/fake-clock.ts";
import { createFakeKube, type FakeKube, settle } from "../../testkit/fake-kube.ts";
import {
  createInformer,
  type Informer,
  type InformerOptions,
  KubeError,
  type KubeObject,
  keepLease,
  limits,
  refs,
} from "./index.ts";

const log = createLogger({ sink: () => {} });
const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const fn of cleanup.splice(0)) fn();
});

const service = (name: string, namespace = "default", note = ""): KubeObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace, annotations: { note } },
});

function watchServices(
  kube: FakeKube,
  o: Partial<InformerOptions<KubeObject>> = {},
): { informer: Informer; clock: FakeClock; story: string[] } {
  const clock = fakeClock();
  const story: string[] = [];
  const informer = createInformer<KubeObject>(kube.client, refs.service, {
    clock,
    rng: seededRng(7),
    log,
    onChange: ({ type, object }) => story.push(`${type} ${object.metadata.name}`),
    ...o,
  });
  cleanup.push(() => informer.stop());
  informer.start();
  return { informer, clock, story };
}

const gone = new KubeError({ status: 410, reason: "Expired", message: "too old resource version" });
const away = new KubeError({ status: 0, reason: "Unreachable", message: "connection refused" });
/** Retries wait at most this long. */
const anyRetry = limits.retryMaxMs + 1;

describe("createInformer()", () => {
  test("lists, then follows; get and list by namespace", async () => {
    const kube = createFakeKube();
    kube.put(refs.service, service("a"));
    kube.put(refs.service, service("b", "other"));
    const { informer, story } = watchServices(kube);
    expect(informer.hasSynced).toBe(false);
    await informer.synced;
    await settle();
    kube.put(refs.service, service("c"));
    kube.put(refs.service, service("a", "default", "changed"));
    kube.remove(refs.service, "other", "b");
    expect(story).toEqual(["added a", "added b", "added c", "modified a", "deleted b"]);
    expect(informer.list("default").map((o) => o.metadata.name)).toEqual(["a", "c"]);
    expect(informer.list("other")).toEqual([]);
    expect(informer.get("default", "a")?.metadata.annotations?.["note"]).toBe("changed");
    expect(informer.get("default", "zzz")).toBeUndefined();
    expect(informer.size).toBe(2);
  });

  test("410 lists again at once, and what changed meanwhile is told as differences only", async () => {
    const kube = createFakeKube();
    for (const name of ["a", "b", "c"]) kube.put(refs.service, service(name));
    const { informer, clock, story } = watchServices(kube);
    await informer.synced;
    await settle();
    story.length = 0;
    kube.endWatches(refs.service, gone);
    kube.remove(refs.service, "default", "a");
    kube.put(refs.service, service("b", "default", "new"));
    kube.put(refs.service, service("d"));
    await settle();
    clock.advance(1);
    await settle();
    expect(story).toEqual(["deleted a", "modified b", "added d"]);
    expect(kube.watchers(refs.service)).toBe(1);
  });

  test("while the server is away it keeps what it has, and tries again with backoff", async () => {
    const kube = createFakeKube();
    kube.put(refs.service, service("a"));
    const { informer, clock, story } = watchServices(kube);
    await informer.synced;
    await settle();
    kube.failLists = away;
    kube.endWatches(refs.service, gone);
    const lists = kube.lists.length;
    for (let i = 0; i < 600; i++) {
      clock.advance(100);
      await settle(1);
    }
    const tries = kube.lists.length - lists;
    expect(tries).toBeGreaterThan(5);
    expect(tries).toBeLessThan(60);
    expect(informer.lastError).toContain("connection refused");
    expect(informer.list().length).toBe(1);
    kube.failLists = undefined;
    kube.put(refs.service, service("b"));
    clock.advance(anyRetry);
    await settle();
    expect(story).toEqual(["added a", "added b"]);
    expect(informer.lastError).toBeUndefined();
  });

  test("an unreachable server resumes the watch where it was, without a list", async () => {
    const kube = createFakeKube();
    const { informer, clock } = watchServices(kube);
    await informer.synced;
    await settle();
    kube.endWatches(refs.service, away);
    await settle();
    clock.advance(anyRetry);
    await settle();
    expect(kube.lists.length).toBe(1);
    expect(kube.watchers(refs.service)).toBe(1);
  });

  test("a full list comes each 10 minutes, whatever the watch said", async () => {
    const kube = createFakeKube();
    const { informer, clock } = watchServices(kube);
    await informer.synced;
    await settle();
    clock.advance(limits.resyncMs);
    kube.endWatches(refs.service);
    await settle();
    expect(kube.lists.length).toBe(2);
  });

  test("a server that closes each watch at once is not asked in a tight loop", async () => {
    const kube = createFakeKube();
    const { informer } = watchServices(kube);
    await informer.synced;
    for (let i = 0; i < 20; i++) {
      kube.endWatches(refs.service);
      await settle(2);
    }
    expect(kube.watchers(refs.service)).toBe(0);
  });

  test("a handler that throws stops nothing", async () => {
    const kube = createFakeKube();
    kube.put(refs.service, service("a"));
    const { informer } = watchServices(kube, {
      onChange: () => {
        throw new Error("handler");
      },
    });
    await informer.synced;
    await settle();
    kube.put(refs.service, service("b"));
    expect(informer.size).toBe(2);
  });

  test("a kind that is not served counts as empty only where that was said", async () => {
    const kube = createFakeKube();
    kube.absent.add(refs.service);
    const { informer } = watchServices(kube, { optional: true });
    await informer.synced;
    expect(informer.size).toBe(0);
    const strict = watchServices(kube);
    await settle();
    expect(strict.informer.hasSynced).toBe(false);
    kube.absent.clear();
    strict.clock.advance(anyRetry);
    await strict.informer.synced;
  });

  test("stop() ends the watch, and nothing is told afterwards", async () => {
    const kube = createFakeKube();
    const { informer, story } = watchServices(kube);
    await informer.synced;
    await settle();
    informer.stop();
    await settle();
    kube.put(refs.service, service("a"));
    expect(story).toEqual([]);
    expect(kube.watchers(refs.service)).toBe(0);
  });
});

describe("keepLease()", () => {
  const options = { namespace: "default", name: "weft-a", holder: "me", log };
  const renewals = (kube: FakeKube) =>
    (kube.get(refs.lease, "default", "weft-a")?.spec as { renewTime?: string } | undefined)?.renewTime;

  test("creates it, renews each 3 s, deletes it on release", async () => {
    const kube = createFakeKube();
    const clock = fakeClock();
    const keeper = keepLease(kube.client, { ...options, clock });
    await keeper.held;
    const first = renewals(kube);
    expect(first).toBe("2026-01-01T00:00:00.000000Z");
    clock.advance(2_999);
    await settle();
    expect(renewals(kube)).toBe(first!);
    clock.advance(1);
    await settle();
    expect(renewals(kube)).toBe("2026-01-01T00:00:03.000000Z");
    await keeper.release();
    expect(kube.get(refs.lease, "default", "weft-a")).toBeUndefined();
    clock.advance(10_000);
    await settle();
    expect(kube.get(refs.lease, "default", "weft-a")).toBeUndefined();
  });

  test("a failed write is tried at the next turn; a lease that somebody deleted is made again", async () => {
    const kube = createFakeKube();
    const clock = fakeClock();
    let broken = true;
    const client = {
      ...kube.client,
      patch: (...args: Parameters<typeof kube.client.patch>) =>
        broken ? Promise.reject(away) : kube.client.patch(...args),
    } as typeof kube.client;
    const keeper = keepLease(client, { ...options, clock });
    await settle();
    expect(renewals(kube)).toBeUndefined();
    broken = false;
    clock.advance(limits.leaseRenewMs);
    await keeper.held;
    await settle();
    kube.remove(refs.lease, "default", "weft-a");
    clock.advance(limits.leaseRenewMs);
    await settle();
    expect(renewals(kube)).toBe("2026-01-01T00:00:06.000000Z");
    keeper.stop();
  });
});
