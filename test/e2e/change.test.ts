/** Changes under load: new routes are seen within a second, instances come and go, and no request notices. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  eventually,
  type MeshHarness,
  type MeshWorkload,
  startMesh,
} from "../../src/testkit/mesh-harness.ts";
import { openLoop, virtualService } from "./open-loop.ts";

let mesh: MeshHarness;
let caller: MeshWorkload;

beforeAll(async () => {
  mesh = await startMesh();
  const version = (v: string) => mesh.add({ service: "versions", version: v, app: () => new Response(v) });
  [caller] = await Promise.all([
    mesh.add({ service: "caller", concurrency: 2 }),
    version("v1"),
    version("v2"),
  ]);
  await mesh.apply(virtualService("v1"));
  await eventually(async () => (await (await caller.fetch("http://versions:9080/")).text()) === "v1");
}, 60_000);
afterAll(() => mesh.stop(), 30_000);

test("edits of a VirtualService under an open loop: no non-2xx, no closed connection, seen within 1 s", async () => {
  const result = await openLoop(mesh, caller, { perSecond: 250, connections: 50, seconds: 5, edits: 6 });
  expect(result.statuses).toEqual({ "200": result.sent });
  expect(result.closed).toBe(0);
  expect(result.seenAfterMs).toHaveLength(6);
  expect(Math.max(...result.seenAfterMs)).toBeLessThan(1_000);
}, 30_000);

test("an instance that stops drains: none of its callers' requests fails", async () => {
  const instances = await Promise.all(
    ["a", "b"].map((name) => mesh.add({ service: "drained", version: "v1", app: () => new Response(name) })),
  );
  const call = async (): Promise<string> => {
    const response = await caller.fetch("http://drained:9080/");
    return `${response.status} ${await response.text()}`;
  };
  const seen = new Map<string, number>();
  await eventually(async () => {
    const answer = await call();
    if (answer.startsWith("200")) seen.set(answer, 1);
    return seen.size === 2;
  });
  let going = true;
  const statuses: string[] = [];
  const lines = Array.from({ length: 8 }, async () => {
    while (going) statuses.push(await call());
  });
  await instances[0]!.stop();
  const after = statuses.length;
  await eventually(async () => statuses.length > after + 100);
  going = false;
  await Promise.all(lines);
  expect(statuses.filter((s) => !s.startsWith("200"))).toEqual([]);
  expect(new Set(statuses.slice(after + 50))).toEqual(new Set(["200 b"]));
}, 30_000);

test("the WorkloadEntry and the Lease of an instance that stopped are gone", async () => {
  const instance = await mesh.add({ service: "short", version: "v1" });
  const { workload, lease } = instance.sidecar.registration;
  const names = async (path: string): Promise<string[]> => {
    const list = await mesh.dev.client.raw<{ items: { metadata: { name: string } }[] }>(path);
    return list.items.map((i) => i.metadata.name);
  };
  const entries = "/apis/networking.istio.io/v1/namespaces/default/workloadentries";
  const leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
  expect(await names(entries)).toContain(workload);
  expect(await names(leases)).toContain(lease);
  await instance.stop();
  expect(await names(entries)).not.toContain(workload);
  expect(await names(leases)).not.toContain(lease);
}, 30_000);

test("API server and control plane go and come back: nothing that runs notices, and changes arrive again", async () => {
  const ask = async (): Promise<string> => {
    const response = await caller.fetch("http://versions:9080/");
    return `${response.status} ${await response.text()}`;
  };
  await mesh.apply(virtualService("v1"));
  await eventually(async () => (await ask()) === "200 v1");
  const answers: string[] = [];
  await mesh.restart(async () => {
    for (let i = 0; i < 200; i++) answers.push(await ask());
  });
  for (let i = 0; i < 200; i++) answers.push(await ask());
  expect(new Set(answers)).toEqual(new Set(["200 v1"]));
  await mesh.apply(virtualService("v2"));
  await eventually(async () => (await ask()) === "200 v2", 30_000);
}, 60_000);
