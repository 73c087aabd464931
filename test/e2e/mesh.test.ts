/** The seed's four manifests act on real traffic through real sidecars. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { createApp } from "../../demo/apps/index.ts";
import { manifests } from "../../demo/manifests.ts";
import {
  eventually,
  type MeshHarness,
  type MeshWorkload,
  startMesh,
} from "../../src/testkit/mesh-harness.ts";

const url = "http://reviews:9080/reviews/0";
let mesh: MeshHarness;
let caller: MeshWorkload;
let reviews: MeshWorkload[];
let warnings: readonly string[];

beforeAll(async () => {
  mesh = await startMesh({ defaultMtls: "permissive" });
  const version = (v: string, instance: string) =>
    mesh.add({
      service: "reviews",
      version: v,
      app: createApp("reviews", v, { instance, call: async () => Response.json({}) }),
    });
  [caller, ...reviews] = await Promise.all([
    mesh.add({ service: "caller", version: "v1" }),
    version("v1", "a"),
    version("v1", "b"),
    version("v2", "c"),
    version("v3", "d"),
  ]);
  await mesh.add({ service: "web-api", version: "v1", app: createApp("web-api", "v1") });
  await eventually(async () => (await caller.fetch("http://web-api:9080/")).status === 404);
}, 60_000);
afterAll(() => mesh.stop(), 30_000);

interface Answer {
  readonly version: string;
  readonly instance: string;
}

async function ask(count: number, headers: Record<string, string> = {}): Promise<Answer[]> {
  return Promise.all(
    Array.from(
      { length: count },
      async () => (await (await caller.fetch(url, { headers })).json()) as Answer,
    ),
  );
}

describe("before the manifests", () => {
  test("every version answers, and plaintext is served", async () => {
    const seen = new Set((await ask(80)).map((a) => a.version));
    expect([...seen].sort()).toEqual(["v1", "v2", "v3"]);
    const plain = await fetch(`http://${reviews[0]!.address}:9080/reviews/0`);
    expect(plain.status).toBe(200);
  });
});

describe("the four manifests", () => {
  test("are accepted unchanged, each departure with a warning", async () => {
    warnings = (await Promise.all(Object.values(manifests).map((text) => mesh.apply(text)))).flat();
    expect(warnings.filter((w) => w.startsWith("error"))).toEqual([]);
    expect(warnings.some((w) => w.includes("spec.http[0].route[1]: an entry without a destination"))).toBe(
      true,
    );
    expect(warnings.some((w) => w.includes("h2UpgradePolicy"))).toBe(true);
    await eventually(async () => (await ask(10)).every((a) => a.version === "v1"));
  });

  test("VirtualService: jason gets v2, everybody else v1 of both instances", async () => {
    const jason = await ask(30, { "end-user": "jason" });
    expect(new Set(jason.map((a) => a.version))).toEqual(new Set(["v2"]));
    const others = await ask(60);
    expect(new Set(others.map((a) => a.version))).toEqual(new Set(["v1"]));
    expect(new Set(others.map((a) => a.instance))).toEqual(new Set(["a", "b"]));
    expect(new Set((await ask(10, { "end-user": "Jason" })).map((a) => a.version))).toEqual(new Set(["v1"]));
  });

  test("PeerAuthentication: plaintext is cut before the application sees a byte, mesh callers are served", async () => {
    let seen = 0;
    const app = createApp("reviews", "v3");
    reviews[3]!.setApp((request) => {
      seen++;
      return app(request);
    });
    const bytes = await eventually(async () => {
      const got = await plaintext(reviews[3]!.address);
      return got.length === 0 ? { got } : undefined;
    });
    expect(bytes.got).toBe("");
    expect(seen).toBe(0);
    expect((await ask(1))[0]!.version).toBe("v1");
  });

  test("ServiceProfile: a slow try is cut at 300 ms, a failed one repeated, all in 1 s; POST is sent once", async () => {
    const users = "http://web-api:9080/users?case=";
    const tries = async (name: string): Promise<number> =>
      ((await (await caller.fetch(`http://web-api:9080/tries?case=${name}`)).json()) as { tries: number })
        .tries;
    const start = performance.now();
    const flaky = await caller.fetch(`${users}flaky-e2e`);
    const took = performance.now() - start;
    expect([flaky.status, await tries("flaky-e2e")]).toEqual([200, 3]);
    expect(took).toBeGreaterThan(295);
    expect(took).toBeLessThan(1_000);
    const slowStart = performance.now();
    const slow = await caller.fetch(`${users}slow-e2e`);
    expect(slow.status).toBe(504);
    expect(performance.now() - slowStart).toBeWithin(990, 1_500);
    const post = await caller.fetch(`${users}broken-e2e`, { method: "POST" });
    expect([post.status, await tries("broken-e2e")]).toEqual([503, 1]);
  });

  test("each object's status says that it is accepted", async () => {
    const vs = await eventually(async () => {
      const { items } = await mesh.dev.client.raw<{ items: { status?: { conditions?: unknown[] } }[] }>(
        "/apis/networking.istio.io/v1/namespaces/default/virtualservices",
      );
      return items[0]?.status?.conditions ? items[0] : undefined;
    });
    expect(vs.status!.conditions).toContainEqual(
      expect.objectContaining({ type: "Accepted", status: "True" }),
    );
  });

  test("metrics of both sides have Istio's labels and the lock", async () => {
    const page = await (await fetch(`http://${reviews[0]!.address}:15020/stats/prometheus`)).text();
    const line = page
      .split("\n")
      .find((l) => l.startsWith("istio_requests_total{") && l.includes('source_app="caller"'));
    expect(line).toContain('connection_security_policy="mutual_tls"');
    expect(line).toMatch(/source_principal="[a-z:/]*cluster\.local\/ns\/default\/sa\/caller"/);
    expect(line).toContain('destination_version="v1"');
  });
});

function plaintext(address: string): Promise<string> {
  return new Promise((resolve) => {
    let got = "";
    const socket = connect(9080, address, () =>
      socket.write("GET /reviews/0 HTTP/1.1\r\nHost: reviews\r\n\r\n"),
    );
    socket.on("data", (chunk: Buffer) => {
      got += chunk.toString("latin1");
      socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(got));
  });
}
