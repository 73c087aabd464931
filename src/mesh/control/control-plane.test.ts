import { afterEach, describe, expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { createLogger, seededRng } from "../../base/index.ts";
import { type KubeObject, refs } from "../../kube/client/index.ts";
import { ClusterLoadAssignmentSchema } from "../../proto/gen/envoy/config/endpoint/v3/endpoint_pb.js";
import { type FakeClock, fakeClock } from "../../testkit/fake-clock.ts";
import { createFakeKube, type FakeKube, settle } from "../../testkit/fake-kube.ts";
import { type NodeInfo, typeUrl } from "../../xds/protocol/index.ts";
import { type ControlPlane, createControlPlane } from "./index.ts";
import { limits } from "./limits.ts";

const log = createLogger({ sink: () => {} });
const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const fn of cleanup.splice(0)) fn();
});

const node = (
  workload: string,
  principal = { namespace: "default", serviceAccount: "reviews" },
): NodeInfo => ({
  id: `sidecar~127.66.0.1~${workload}.default~default.svc.cluster.local`,
  cluster: "reviews",
  userAgent: "weft",
  metadata: { NAME: workload, NAMESPACE: "evil" },
  principal,
});

const service: KubeObject = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "reviews", namespace: "default" },
  spec: { selector: { app: "reviews" }, ports: [{ name: "http", port: 9080 }], clusterIP: "10.0.0.1" },
};

function entry(name: string, address: string, o: { ready?: boolean; draining?: boolean } = {}): KubeObject {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "WorkloadEntry",
    metadata: {
      name,
      namespace: "default",
      labels: { "weft.dev/managed": "true", "security.istio.io/tlsMode": "istio" },
      annotations: {
        "weft.dev/ready": String(o.ready ?? true),
        ...(o.draining ? { "weft.dev/draining": "true" } : {}),
        "weft.dev/lease": `weft-${name}`,
      },
    },
    spec: {
      address,
      ports: { http: 9080 },
      labels: { app: "reviews", version: "v1" },
      serviceAccount: "reviews",
    },
  };
}

const lease = (name: string, renewTime: string): KubeObject => ({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name: `weft-${name}`, namespace: "default" },
  spec: { renewTime },
});

interface Rig {
  readonly kube: FakeKube;
  readonly clock: FakeClock;
  readonly plane: ControlPlane;
  /** Advances and lets promises run, in steps. */
  pass(ms: number): Promise<void>;
  /** `address:status` of the service's endpoints, as a caller sees them. */
  endpoints(caller?: NodeInfo): string[] | undefined;
  /** Renews the leases of these workloads each 3 s while `ms` passes. */
  alive(ms: number, ...names: string[]): Promise<void>;
}

async function start(kube: FakeKube): Promise<Rig> {
  const clock = fakeClock();
  const plane = createControlPlane({ client: kube.client, clock, rng: seededRng(1), log });
  cleanup.push(() => plane.stop());
  const caller = node("productpage", { namespace: "default", serviceAccount: "productpage" });
  const rig: Rig = {
    kube,
    clock,
    plane,
    async pass(ms) {
      for (let left = ms; left > 0; left -= 50) {
        clock.advance(Math.min(50, left));
        await settle(2);
      }
    },
    endpoints(who = caller) {
      const resource = plane.source
        .resources(who, typeUrl.endpoints)
        ?.get("outbound|9080||reviews.default.svc.cluster.local");
      if (resource === undefined) return undefined;
      return fromBinary(ClusterLoadAssignmentSchema, resource.bytes).endpoints.flatMap((l) =>
        l.lbEndpoints.map((e) => {
          const endpoint = e.hostIdentifier.case === "endpoint" ? e.hostIdentifier.value : undefined;
          const address = endpoint?.address?.address;
          const text = address?.case === "socketAddress" ? address.value.address : "?";
          return e.healthStatus <= 1 ? text : `${text}:${e.healthStatus}`;
        }),
      );
    },
    async alive(ms, ...names) {
      for (let t = 0; t < ms; t += 3000) {
        for (const name of names) kube.put(refs.lease, lease(name, `${clock.now()}`));
        await rig.pass(Math.min(3000, ms - t));
      }
    },
  };
  await plane.start();
  await settle();
  return rig;
}

function two(): FakeKube {
  const kube = createFakeKube();
  kube.put(refs.service, service);
  for (const [name, address] of [
    ["reviews-v1-a", "127.66.0.1"],
    ["reviews-v1-b", "127.66.0.2"],
  ] as const) {
    kube.put(refs.workloadEntry, entry(name, address));
    kube.put(refs.lease, lease(name, "0"));
  }
  return kube;
}

const both = ["127.66.0.1", "127.66.0.2"];

describe("createControlPlane()", () => {
  test("knows nothing before everything was listed: nobody is sent an empty mesh", async () => {
    const kube = two();
    const clock = fakeClock();
    const plane = createControlPlane({ client: kube.client, clock, rng: seededRng(1), log });
    cleanup.push(() => plane.stop());
    expect(plane.source.resources(node("x"), typeUrl.cluster)).toBeUndefined();
    await plane.start();
    expect(plane.source.resources(node("x"), typeUrl.cluster)?.size).toBeGreaterThan(0);
  });

  test("a node without a credential is never sent anything", async () => {
    const { plane } = await start(two());
    const { principal: _none, ...anonymous } = node("reviews-v1-a");
    expect(plane.source.resources(anonymous, typeUrl.cluster)).toBeUndefined();
  });

  test("whoever is ready at start stays: a restart withdraws nobody, even with leases of long ago", async () => {
    const rig = await start(two());
    expect(rig.endpoints()).toEqual(both);
    await rig.pass(14_000);
    expect(rig.endpoints()).toEqual(both);
  });

  test("a silent instance leaves within 10 s of its last seen renewal, and comes back when heard", async () => {
    const rig = await start(two());
    await rig.alive(30_000, "reviews-v1-a", "reviews-v1-b");
    expect(rig.endpoints()).toEqual(both);
    await rig.alive(3_000, "reviews-v1-a", "reviews-v1-b");
    await rig.alive(5_000, "reviews-v1-a");
    expect(rig.endpoints()).toEqual(both);
    await rig.alive(2_000, "reviews-v1-a");
    expect(rig.endpoints()).toEqual(["127.66.0.1"]);
    rig.kube.put(refs.lease, lease("reviews-v1-b", "again"));
    await rig.pass(100);
    expect(rig.endpoints()).toEqual(both);
  });

  test("over half silent at once: the watch is doubted, for a minute at most", async () => {
    const rig = await start(two());
    await rig.alive(30_000, "reviews-v1-a", "reviews-v1-b");
    await rig.pass(40_000);
    expect(rig.endpoints()).toEqual(both);
    await rig.pass(30_000);
    expect(rig.endpoints()).toEqual([]);
  });

  test("while the API server is away nobody is withdrawn", async () => {
    const rig = await start(two());
    await rig.alive(30_000, "reviews-v1-a", "reviews-v1-b");
    const away = Object.assign(new Error("away"), {});
    rig.kube.failLists = Object.assign(away, { status: 0 }) as never;
    for (const ref of [refs.lease, refs.workloadEntry]) rig.kube.endWatches(ref, away);
    await rig.pass(200_000);
    expect(rig.endpoints()).toEqual(both);
  });

  test("a new instance enters when its proxy ACKed the inbound chain, not before", async () => {
    const rig = await start(two());
    const me = node("reviews-v1-c");
    rig.kube.put(refs.workloadEntry, entry("reviews-v1-c", "127.66.0.3"));
    await rig.pass(500);
    expect(rig.endpoints()).toEqual(both);
    const listeners = rig.plane.source.resources(me, typeUrl.listener)!;
    expect([...listeners.keys()].some((n) => n === "mesh_inbound")).toBe(true);
    const versions = new Map([...listeners].map(([name, r]) => [name, r.version]));
    // Another account of the namespace cannot vouch for it.
    rig.plane.source.onAck!(
      node("reviews-v1-c", { namespace: "default", serviceAccount: "evil" }),
      typeUrl.listener,
      versions,
    );
    await rig.pass(100);
    expect(rig.endpoints()).toEqual(both);
    rig.plane.source.onAck!(me, typeUrl.listener, versions);
    await rig.pass(100);
    expect(rig.endpoints()).toEqual([...both, "127.66.0.3"]);
  });

  test("without an ACK it enters after 2 s, and not before its application is ready", async () => {
    const rig = await start(two());
    rig.kube.put(refs.workloadEntry, entry("reviews-v1-c", "127.66.0.3", { ready: false }));
    await rig.pass(5_000);
    expect(rig.endpoints()).toEqual(both);
    rig.kube.put(refs.workloadEntry, entry("reviews-v1-c", "127.66.0.3"));
    await rig.pass(1_900);
    expect(rig.endpoints()).toEqual(both);
    await rig.pass(300);
    expect(rig.endpoints()).toEqual([...both, "127.66.0.3"]);
  });

  test("a draining instance is told as DRAINING within 100 ms, by the short way", async () => {
    const rig = await start(two());
    const before = rig.plane.info();
    let told = 0;
    cleanup.push(rig.plane.source.subscribe(node("x"), () => told++));
    rig.kube.put(refs.workloadEntry, entry("reviews-v1-b", "127.66.0.2", { draining: true }));
    await rig.pass(100);
    const draining = 3;
    expect(rig.endpoints()).toEqual(["127.66.0.1", `127.66.0.2:${draining}`]);
    expect(told).toBe(1);
    expect(rig.plane.info().refreshes).toBe(before.refreshes + 1);
    expect(rig.plane.info().translations).toBe(before.translations);
  });

  test("thirty edits in a burst are one translation; one edit is there within 100 ms", async () => {
    const rig = await start(two());
    const route = (weight: number): KubeObject => ({
      apiVersion: "networking.istio.io/v1",
      kind: "VirtualService",
      metadata: { name: "r", namespace: "default" },
      spec: {
        hosts: ["reviews"],
        http: [{ timeout: `${weight}s`, route: [{ destination: { host: "reviews" } }] }],
      },
    });
    const before = rig.plane.info().translations;
    for (let i = 1; i <= 30; i++) rig.kube.put(refs.virtualService, route(i));
    await rig.pass(100);
    expect(rig.plane.info().translations).toBe(before + 1);
    expect(rig.plane.mesh?.routes.length).toBe(1);
  });

  test("under writes without a pause each version is rendered and pushed within the debounce's limit", async () => {
    const rig = await start(two());
    const me = node("productpage", { namespace: "default", serviceAccount: "productpage" });
    const waiting: { version: number; at: number }[] = [];
    const took: number[] = [];
    const push = (): void => {
      const routes = rig.plane.source.resources(me, typeUrl.route)!;
      expect(routes.size).toBeGreaterThan(0);
      const shown = rig.plane.mesh!.routes[0]?.rules[0]?.timeoutMs ?? 0;
      while (waiting[0] !== undefined && waiting[0].version * 1000 <= shown)
        took.push(rig.clock.now() - waiting.shift()!.at);
    };
    cleanup.push(rig.plane.source.subscribe(me, push));
    for (let version = 1; version <= 100; version++) {
      waiting.push({ version, at: rig.clock.now() });
      rig.kube.put(refs.virtualService, {
        apiVersion: "networking.istio.io/v1",
        kind: "VirtualService",
        metadata: { name: "r", namespace: "default" },
        spec: {
          hosts: ["reviews"],
          http: [{ timeout: `${version}s`, route: [{ destination: { host: "reviews" } }] }],
        },
      });
      // Shorter than the quiet that the debounce waits for: only its limit makes it run.
      for (let ms = 0; ms < 20; ms += 5) {
        rig.clock.advance(5);
        await settle(2);
      }
    }
    await rig.pass(300);
    expect(took).toHaveLength(100);
    expect(Math.max(...took)).toBeLessThanOrEqual(limits.configMaxMs);
    expect(limits.configMaxMs).toBeLessThanOrEqual(250);
  });

  test("statuses are written once, and our own write does not make us translate again", async () => {
    const rig = await start(two());
    rig.kube.put(refs.virtualService, {
      apiVersion: "networking.istio.io/v1",
      kind: "VirtualService",
      metadata: { name: "r", namespace: "default" },
      spec: { hosts: ["reviews"], http: [{ route: [{ destination: { host: "nowhere" } }] }] },
    });
    await rig.pass(1_000);
    const { translations } = rig.plane.info();
    const patches = rig.kube.patches.filter((p) => p.name === "r");
    expect(patches.length).toBe(1);
    expect(patches[0]?.subresource).toBe("status");
    const status = rig.kube.get(refs.virtualService, "default", "r")?.status as {
      conditions: { type: string; status: string; message: string }[];
    };
    expect(status.conditions.find((c) => c.type === "ResolvedRefs")?.status).toBe("False");
    await rig.pass(5_000);
    expect(rig.kube.patches.filter((p) => p.name === "r").length).toBe(1);
    expect(rig.plane.info().translations).toBe(translations);
  });

  test("a NACK stands in the status of the object that caused it within 1 s, and goes with the refusal", async () => {
    const rig = await start(two());
    rig.kube.put(refs.virtualService, {
      apiVersion: "networking.istio.io/v1",
      kind: "VirtualService",
      metadata: { name: "r", namespace: "default" },
      spec: { hosts: ["reviews"], http: [{ route: [{ destination: { host: "reviews" } }] }] },
    });
    await rig.pass(1_000);
    const me = node("reviews-v1-a");
    const routes = rig.plane.source.resources(me, typeUrl.route)!;
    const programmed = () => {
      const status = rig.kube.get(refs.virtualService, "default", "r")?.status as {
        conditions: { type: string; status: string; message: string }[];
      };
      return status.conditions.find((c) => c.type === "Programmed");
    };
    expect(programmed()?.status).toBe("True");
    rig.plane.source.onNack!(
      me,
      typeUrl.route,
      {
        names: [...routes.keys()],
        message: "http_proxy: cannot compile",
      },
      new Map(),
    );
    await rig.pass(900);
    expect(programmed()?.status).toBe("False");
    expect(programmed()?.message).toContain("spec.http[0]");
    expect(programmed()?.message).toContain("cannot compile");
    // An ACK that leaves the refused resource out changes nothing.
    rig.plane.source.onAck!(me, typeUrl.route, new Map());
    await rig.pass(900);
    expect(programmed()?.status).toBe("False");
    rig.plane.source.onAck!(me, typeUrl.route, new Map([...routes].map(([name, r]) => [name, r.version])));
    await rig.pass(900);
    expect(programmed()?.status).toBe("True");
  });

  test("where a proxy says only that a table is wrong, what is new in it is to blame, or what it quotes", async () => {
    const rig = await start(two());
    const put = (name: string, regex: string) =>
      rig.kube.put(refs.virtualService, {
        apiVersion: "networking.istio.io/v1",
        kind: "VirtualService",
        metadata: { name, namespace: "default" },
        spec: {
          hosts: [`${name}.test`],
          http: [{ match: [{ uri: { regex } }], directResponse: { status: 418 } }],
        },
      });
    const programmed = (name: string) => {
      const status = rig.kube.get(refs.virtualService, "default", name)?.status as {
        conditions: { type: string; status: string }[];
      };
      return status.conditions.find((c) => c.type === "Programmed")?.status;
    };
    put("older", "/a+");
    await rig.pass(1_000);
    const me = node("reviews-v1-a");
    const routes = () => rig.plane.source.resources(me, typeUrl.route)!;
    const versions = new Map([...routes()].map(([name, r]) => [name, r.version]));
    rig.plane.source.onAck!(me, typeUrl.route, versions);
    put("newer", "/b+");
    await rig.pass(1_000);
    const refuse = (message: string) =>
      rig.plane.source.onNack!(me, typeUrl.route, { names: [...routes().keys()], message }, new Map());
    refuse("pattern too large");
    await rig.pass(900);
    expect([programmed("older"), programmed("newer")]).toEqual(["True", "False"]);
    refuse("no argument for repetition operator in /a+");
    await rig.pass(900);
    expect([programmed("older"), programmed("newer")]).toEqual(["False", "True"]);
  });

  test("a refused listener is told in its Service, among the conditions of others", async () => {
    const rig = await start(two());
    const me = node("reviews-v1-a");
    const listeners = rig.plane.source.resources(me, typeUrl.listener)!;
    const name = [...listeners.keys()].find((n) => n.startsWith("inbound_"))!;
    const service = rig.kube.get(refs.service, "default", "reviews")!;
    const other = { type: "example.com/Other", status: "True", reason: "R", message: "m" };
    rig.kube.put(refs.service, { ...service, status: { conditions: [other] } });
    await rig.pass(1_000);
    const conditions = () =>
      (rig.kube.get(refs.service, "default", "reviews")!.status as { conditions: object[] }).conditions;
    expect(conditions()).toEqual([other]);
    const nack = { names: [name], message: `${name}: address in use` };
    rig.plane.source.onNack!(me, typeUrl.listener, nack, new Map());
    await rig.pass(900);
    expect(conditions()).toMatchObject([
      other,
      { type: "weft.dev/Programmed", status: "False", message: expect.stringContaining("address in use") },
    ]);
    rig.plane.source.onAck!(me, typeUrl.listener, new Map([[name, listeners.get(name)!.version]]));
    await rig.pass(900);
    expect(conditions()).toMatchObject([other, { type: "weft.dev/Programmed", status: "True" }]);
    await rig.pass(5_000);
    expect(rig.kube.patches.filter((p) => p.name === "reviews").length).toBe(2);
  });

  test("kinds that the server does not know count as empty", async () => {
    const kube = two();
    kube.absent.add(refs.pod);
    kube.absent.add(refs.serviceProfile);
    const rig = await start(kube);
    expect(rig.endpoints()).toEqual(both);
  });
});
