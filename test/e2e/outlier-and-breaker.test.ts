/** Ejection with a short interval, and the breaker's exact limits with one and with two data threads. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { manifests } from "../../demo/manifests.ts";
import {
  eventually,
  type MeshHarness,
  type MeshWorkload,
  startMesh,
} from "../../src/testkit/mesh-harness.ts";

const rule = manifests["destination-rule"]!;
const url = "http://reviews:9080/";
let mesh: MeshHarness;
let callers: MeshWorkload[];
let reviews: MeshWorkload[];

beforeAll(async () => {
  mesh = await startMesh();
  [reviews, callers] = await Promise.all([
    Promise.all(
      ["a", "b"].map((name) =>
        mesh.add({ service: "reviews", version: "v1", app: () => new Response(name) }),
      ),
    ),
    Promise.all([1, 2].map((n) => mesh.add({ service: `caller-${n}`, concurrency: n }))),
  ]);
}, 60_000);
afterAll(() => mesh.stop(), 30_000);

const answering = (name: string, status: number) => () => new Response(name, { status });
async function one(caller: MeshWorkload): Promise<string> {
  const response = await caller.fetch(url);
  return `${response.status} ${await response.text()}`;
}

describe("outlier detection (interval and base ejection 1 s)", () => {
  test("ejected at the fifth consecutive 5xx; with both failing one stays; back at a sweep", async () => {
    const short = rule
      .replace("interval: 30s", "interval: 1s")
      .replace("baseEjectionTime: 30s", "baseEjectionTime: 1s");
    expect((await mesh.apply(short)).filter((w) => w.startsWith("error"))).toEqual([]);
    const caller = callers[0]!;
    const detecting = async (): Promise<boolean> => {
      const page = await (await fetch(`http://${caller.address}:15000/config_dump`)).text();
      return page.includes("outlier_detection");
    };
    await eventually(detecting);
    reviews[0]!.setApp(answering("a", 503));
    let failures = 0;
    let began = 0;
    for (let i = 0; i < 200 && failures < 5; i++) if ((await one(caller)) === "503 a") failures++;
    began = performance.now();
    expect(failures).toBe(5);
    reviews[1]!.setApp(answering("b", 500));
    const both = [];
    for (let i = 0; i < 10; i++) both.push(await one(caller));
    expect(new Set(both)).toEqual(new Set(["500 b"]));
    reviews[0]!.setApp(answering("a", 200));
    reviews[1]!.setApp(answering("b", 200));
    await eventually(async () => (await one(caller)) === "200 a");
    expect(performance.now() - began).toBeWithin(950, 4_000);
  });
});

describe("breaker with HTTP/1.1 (a copy of the rule without UPGRADE)", () => {
  test.each([0, 1])("100 hold connections, 100 wait, the 201st gets 503 (caller %i)", async (which) => {
    const plain = rule.replace("        h2UpgradePolicy: UPGRADE\n", "");
    expect(plain).not.toBe(rule);
    await mesh.apply(plain);
    const caller = callers[which]!;
    let parked: (() => void)[] = [];
    let arrived = 0;
    const parking = (name: string) => async () => {
      arrived++;
      await new Promise<void>((resolve) => parked.push(resolve));
      return new Response(name);
    };
    await limitsInForce(caller);
    reviews[0]!.setApp(parking("a"));
    reviews[1]!.setApp(parking("b"));
    const status = async (): Promise<number> => {
      const response = await caller.fetch(url);
      await response.arrayBuffer();
      return response.status;
    };
    const first = Array.from({ length: 200 }, status);
    await eventually(async () => (await gauge(caller, "envoy_cluster_upstream_rq_pending_active")) === 100);
    await eventually(async () => arrived === 100);
    expect(await status()).toBe(503);
    expect(arrived).toBe(100);
    reviews[0]!.setApp(answering("a", 200));
    reviews[1]!.setApp(answering("b", 200));
    for (const release of parked.splice(0)) release();
    parked = [];
    expect(new Set(await Promise.all(first))).toEqual(new Set([200]));
    expect(await status()).toBe(200);
  });
});

/** The largest value of a gauge of the reviews clusters, or their sum where several hold some. */
async function gauge(caller: MeshWorkload, name: string): Promise<number> {
  const page = await (await fetch(`http://${caller.address}:15020/stats/prometheus`)).text();
  return page
    .split("\n")
    .filter((l) => l.startsWith(`${name}{`) && l.includes("reviews"))
    .reduce((sum, l) => sum + Number(l.slice(l.lastIndexOf(" ") + 1)), 0);
}

async function limitsInForce(caller: MeshWorkload): Promise<void> {
  await eventually(async () => {
    const page = await (await fetch(`http://${caller.address}:15000/config_dump`)).text();
    return /"max_pending_requests": 100\b/.test(page) && /"max_connections": 100\b/.test(page);
  });
}
