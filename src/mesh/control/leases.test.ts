/** Who is silent, who only could not be heard, and what is left of those who died. */
import { afterEach, describe, expect, test } from "bun:test";
import { createLogger, seededRng } from "../../base/index.ts";
import { KubeError, type KubeObject, refs } from "../../kube/client/index.ts";
import { type FakeClock, fakeClock } from "../../testkit/fake-clock.ts";
import { createFakeKube, type FakeKube, settle } from "../../testkit/fake-kube.ts";
import { Inputs } from "./inputs.ts";
import { LeaseJudge } from "./lease-judge.ts";
import { limits } from "./limits.ts";

const log = createLogger({ sink: () => {} });
const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const fn of cleanup.splice(0)) fn();
});

const entry = (name: string): KubeObject => ({
  apiVersion: "networking.istio.io/v1",
  kind: "WorkloadEntry",
  metadata: {
    name,
    namespace: "default",
    labels: { "weft.dev/managed": "true" },
    annotations: { "weft.dev/ready": "true", "weft.dev/lease": `weft-${name}` },
  },
  spec: { address: "127.66.0.1" },
});
const lease = (name: string, namespace = "default"): KubeObject => ({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name, namespace, labels: { "weft.dev/managed": "true" } },
  spec: {},
});
const heartbeat = "weft-system/weft-control-plane";
const away = new KubeError({ status: 0, reason: "Unreachable", message: "away" });

interface Rig {
  readonly kube: FakeKube;
  readonly clock: FakeClock;
  /** A second at a time: those named renew every 3 s; the judge looks each second. */
  pass(seconds: number, ...alive: readonly string[]): Promise<void>;
  /** Instances whose endpoints are taken out now. */
  out(): readonly string[];
}

async function start(names: readonly string[], options: { heartbeat?: string } = {}): Promise<Rig> {
  const kube = createFakeKube();
  const clock = fakeClock();
  for (const name of names) {
    kube.put(refs.workloadEntry, entry(name));
    kube.put(refs.lease, lease(`weft-${name}`));
  }
  const inputs = new Inputs({
    client: kube.client,
    clock,
    rng: seededRng(1),
    log,
    onChange: () => {},
    ...options,
  });
  cleanup.push(() => inputs.stop());
  await inputs.start();
  await settle();
  const rig: Rig = {
    kube,
    clock,
    async pass(seconds, ...alive) {
      for (let s = 0; s < seconds; s++) {
        if (s % 3 === 0)
          for (const name of alive) {
            const own = name === heartbeat;
            kube.put(
              refs.lease,
              lease(own ? "weft-control-plane" : `weft-${name}`, own ? "weft-system" : "default"),
            );
          }
        clock.advance(1_000);
        await settle(2);
        inputs.review();
        await settle(2);
      }
    },
    out: () =>
      inputs
        .objects()
        .filter((o) => o.kind === "WorkloadEntry" && o.metadata.annotations?.["weft.dev/ready"] === "false")
        .map((o) => o.metadata.name),
  };
  inputs.review();
  return rig;
}

describe("LeaseJudge", () => {
  test("after a gap in watching, as after a start, nobody leaves before a full grace", () => {
    const judge = new LeaseJudge(0);
    for (const key of ["a", "b", "c"]) judge.expect(key, 0);
    let now = 0;
    const renew = (...keys: string[]): void => {
      for (const key of keys) judge.observe(key, `${now}`, now);
    };
    for (now = 0; now <= 60_000; now += 3_000) renew("a", "b", "c");
    expect(judge.judge(60_000, 0).expired.size).toBe(0);
    // Nobody can renew for 40 s; then watching begins anew and only two of three are quick.
    expect(judge.judge(100_000, undefined)).toMatchObject({ expired: new Set(), doubted: true });
    now = 100_500;
    renew("a", "b");
    expect(judge.judge(100_500, 100_200)).toMatchObject({ expired: new Set(), doubted: false });
    const ends = 100_200 + limits.leaseGraceMs;
    now = ends - 100;
    renew("a", "b");
    expect(judge.judge(ends - 1, 100_200).expired.size).toBe(0);
    expect([...judge.judge(ends, 100_200).expired]).toEqual(["c"]);
  });
});

describe("silence that proves nothing", () => {
  test("the API server was away for a while: those slow to renew afterwards are not withdrawn", async () => {
    const rig = await start(["a", "b", "c"]);
    await rig.pass(30, "a", "b", "c");
    rig.kube.failLists = away;
    rig.kube.endWatches(
      refs.lease,
      new KubeError({ status: 500, reason: "InternalError", message: "going" }),
    );
    await rig.pass(20);
    expect(rig.out()).toEqual([]);
    rig.kube.failLists = undefined;
    // c needs 12 s until its first renewal.
    await rig.pass(12, "a", "b");
    expect(rig.out()).toEqual([]);
    await rig.pass(30, "a", "b", "c");
    expect(rig.out()).toEqual([]);
    await rig.pass(12, "a", "b");
    expect(rig.out()).toEqual(["c"]);
  });

  test("an API server that hangs without an error: our own renewals do not come back, so nobody is withdrawn", async () => {
    const rig = await start(["a", "b", "c"], { heartbeat });
    await rig.pass(30, heartbeat, "a", "b", "c");
    // Nothing is heard of anybody, the watch says no word: without the heartbeat all would go after a minute.
    await rig.pass(300);
    expect(rig.out()).toEqual([]);
    await rig.pass(12, heartbeat, "a", "b");
    expect(rig.out()).toEqual([]);
    await rig.pass(12, heartbeat, "a", "b");
    expect(rig.out()).toEqual(["c"]);
  });

  test("a heartbeat that may not be written holds nobody back", async () => {
    const rig = await start(["a", "b", "c"], { heartbeat });
    await rig.pass(30, "a", "b", "c");
    await rig.pass(12, "a", "b");
    expect(rig.out()).toEqual(["c"]);
  });

  test("without a heartbeat of our own, over half silent at once are held for a minute only", async () => {
    const rig = await start(["a", "b", "c"]);
    await rig.pass(30, "a", "b", "c");
    await rig.pass(60);
    expect(rig.out()).toEqual([]);
    await rig.pass(20);
    expect(rig.out()).toEqual(["a", "b", "c"]);
  });
});

describe("what dead instances leave", () => {
  const has = (rig: Rig, name: string): boolean =>
    rig.kube.get(refs.workloadEntry, "default", name) !== undefined;

  test("WorkloadEntry and Lease are removed a bounded time after the instance left, those of others stay", async () => {
    const rig = await start(["a", "b", "c"]);
    await rig.pass(30, "a", "b", "c");
    await rig.pass(10, "a", "b");
    expect([rig.out(), has(rig, "c")]).toEqual([["c"], true]);
    await rig.pass(limits.entryGraceMs / 1000 - 3, "a", "b");
    expect(has(rig, "c")).toBe(true);
    await rig.pass(3 + limits.sweepMs / 1000, "a", "b");
    expect([has(rig, "a"), has(rig, "b"), has(rig, "c")]).toEqual([true, true, false]);
    expect(rig.kube.get(refs.lease, "default", "weft-c")).toBeUndefined();
    expect(rig.kube.get(refs.lease, "default", "weft-a")).toBeDefined();
  });

  test("one that comes back in time keeps its entry", async () => {
    const rig = await start(["a", "b", "c"]);
    await rig.pass(30, "a", "b", "c");
    await rig.pass(60, "a", "b");
    expect(rig.out()).toEqual(["c"]);
    await rig.pass(30, "a", "b", "c");
    expect([rig.out(), has(rig, "c")]).toEqual([[], true]);
    await rig.pass(50, "a", "b");
    expect(has(rig, "c")).toBe(true);
  });

  test("an entry that changed at the last moment stays: it is removed only as it was seen", async () => {
    const rig = await start(["a", "b", "c"]);
    const conditions: unknown[] = [];
    const { client } = rig.kube;
    const original = client.delete;
    Object.assign(client, {
      delete: async (...args: Parameters<typeof original>) => {
        conditions.push([args[0].plural, args[2]]);
        throw new KubeError({ status: 409, reason: "Conflict", message: "changed" });
      },
    });
    await rig.pass(30, "a", "b", "c");
    await rig.pass(90, "a", "b");
    expect(has(rig, "c")).toBe(true);
    const { uid, resourceVersion } = rig.kube.get(refs.workloadEntry, "default", "c")!.metadata;
    expect(conditions[0]).toEqual(["workloadentries", { uid, resourceVersion }]);
    // The Lease goes only after its entry.
    expect(conditions.every((c) => (c as string[])[0] === "workloadentries")).toBe(true);
  });

  test("a Lease of ours that no entry names is removed, other leases are nobody's business", async () => {
    const rig = await start(["a"]);
    rig.kube.put(refs.lease, lease("weft-left-over"));
    rig.kube.put(refs.lease, {
      ...lease("leader-election"),
      metadata: { name: "leader-election", namespace: "default" },
    });
    await rig.pass(limits.entryGraceMs / 1000 + 12, "a");
    expect(rig.kube.get(refs.lease, "default", "weft-left-over")).toBeUndefined();
    expect(rig.kube.get(refs.lease, "default", "leader-election")).toBeDefined();
    expect(rig.kube.get(refs.lease, "default", "weft-a")).toBeDefined();
  });
});
