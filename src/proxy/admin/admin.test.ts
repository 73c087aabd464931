import { afterAll, expect, test } from "bun:test";
import { createLogger, seededRng } from "../../base/index.ts";
import { createTestCa, fakeClock } from "../../testkit/index.ts";
import { type Agent, createAgent } from "../agent/index.ts";
import { ScriptedThread } from "../agent/scripted-thread.ts";
import { loadBootstrap } from "../bootstrap/index.ts";
import { type Admin, startAdmin, startHealth } from "./index.ts";

const log = createLogger({ sink: () => {} });
const clock = fakeClock();
const stops: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

const file = `
static_resources:
  clusters:
  - name: backend
    type: STATIC
    load_assignment:
      cluster_name: backend
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 8080}}}
`;

async function proxy(): Promise<{
  agent: Agent;
  admin: Admin;
  get: (path: string, init?: RequestInit) => Promise<Response>;
}> {
  const agent = createAgent({
    concurrency: 1,
    createWorker: () => new ScriptedThread(),
    node: {
      id: "n1",
      peer: { workload: "", namespace: "", app: "", version: "", service: "", revision: "", cluster: "" },
    },
    clock,
    rng: seededRng(1),
    log,
  });
  stops.push(() => agent.stop());
  const admin = startAdmin({
    agent,
    address: "127.0.0.1",
    port: 0,
    clock,
    log,
    version: "1.2.3",
    bootstrapJson: "{}",
  });
  stops.push(() => admin.stop());
  return { agent, admin, get: (path, init) => fetch(`http://127.0.0.1:${admin.port}${path}`, init) };
}

async function filled(agent: Agent): Promise<void> {
  const result = await loadBootstrap(file, "f");
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  await agent.applyCompiled(result.bootstrap);
}

test("admin says whether the proxy is ready and why not", async () => {
  const { agent, get } = await proxy();
  const before = await get("/ready");
  expect(before.status).toBe(503);
  expect(await before.text()).toContain("no listeners have arrived");
  await filled(agent);
  const after = await get("/ready");
  expect([after.status, await after.text()]).toEqual([200, "LIVE\n"]);
  expect(await (await get("/server_info")).json()).toMatchObject({
    version: "weft/1.2.3",
    state: "LIVE",
    node: { id: "n1" },
  });
});

test("admin shows clusters, configuration and statistics in Envoy's shapes", async () => {
  const { agent, get } = await proxy();
  await filled(agent);
  expect(await (await get("/clusters")).text()).toContain("backend::127.0.0.1:8080::health_flags::healthy\n");
  expect(await (await get("/clusters?format=json")).json()).toMatchObject({
    cluster_statuses: [
      { name: "backend", host_statuses: [{ address: { socket_address: { port_value: 8080 } } }] },
    ],
  });
  const dump = (await (await get("/config_dump")).json()) as { configs: Record<string, unknown>[] };
  expect(dump.configs.map((c) => String(c["@type"]).split(".").at(-1))).toEqual([
    "BootstrapConfigDump",
    "ClustersConfigDump",
    "ListenersConfigDump",
    "RoutesConfigDump",
    "SecretsConfigDump",
  ]);
  expect(dump.configs[1]).toMatchObject({
    static_clusters: [
      { cluster: { "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", name: "backend" } },
    ],
  });
  const page = await get("/stats/prometheus");
  expect(page.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(await page.text()).toContain('envoy_cluster_membership_healthy{envoy_cluster_name="backend"} 1\n');
  expect(await (await get("/stats?filter=membership_total")).text()).toBe(
    'envoy_cluster_membership_total{envoy_cluster_name="backend"}: 1\n',
  );
});

test("admin gives no key away", async () => {
  const { agent, get } = await proxy();
  const ca = await createTestCa();
  const own = await ca.leaf({ uris: ["spiffe://cluster.local/ns/a/sa/b"] });
  await agent.setSecret({ name: "default", certPem: own.certPem, keyPem: own.keyPem });
  const secretLine = own.keyPem.split("\n")[1]!;
  for (const path of ["/config_dump", "/certs", "/stats"]) {
    expect(await (await get(path)).text()).not.toContain(secretLine);
  }
  expect(await (await get("/certs")).json()).toMatchObject({
    certificates: [{ cert_chain: [{ subject_alt_names: [{ uri: "spiffe://cluster.local/ns/a/sa/b" }] }] }],
  });
});

test("admin refuses names of the web, changes by GET and pages of other origins", async () => {
  const { get } = await proxy();
  const status = async (path: string, init: RequestInit): Promise<number> => (await get(path, init)).status;
  expect(await status("/ready", { headers: { host: "evil.example" } })).toBe(403);
  expect(await status("/listeners", { headers: { host: "localhost:15000" } })).toBe(200);
  expect(await status("/listeners", { method: "POST" })).toBe(405);
  expect(await status("/logging?level=debug", {})).toBe(405);
  expect(await status("/drain_listeners", {})).toBe(405);
  expect(
    await status("/logging?level=info", { method: "POST", headers: { origin: "https://evil.example" } }),
  ).toBe(403);
  expect(await status("/logging?level=loud", { method: "POST" })).toBe(400);
  expect(await status("/logging?level=info", { method: "POST" })).toBe(200);
  expect(await status("/nothing", {})).toBe(404);
});

test("health ports answer readiness, and merge the application's metrics with the proxy's", async () => {
  const { agent } = await proxy();
  const app = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response("app_total 1\n# EOF\n"),
  });
  stops.push(() => app.stop(true));
  let appReady = false;
  const health = startHealth({
    agent,
    address: "127.0.0.1",
    metricsPort: 0,
    readyPort: 0,
    appMetricsUrl: `http://127.0.0.1:${app.port}/metrics`,
    appReady: () => appReady,
    log,
  });
  stops.push(() => health.stop());
  const get = (port: number, path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);
  await filled(agent);
  expect(await (await get(health.readyPort, "/healthz/ready")).text()).toBe("the application is not ready\n");
  appReady = true;
  expect((await get(health.readyPort, "/healthz/ready")).status).toBe(200);
  expect((await get(health.metricsPort, "/healthz/ready")).status).toBe(200);
  expect((await get(health.readyPort, "/stats/prometheus")).status).toBe(404);
  const page = await (await get(health.metricsPort, "/stats/prometheus")).text();
  expect(page).toContain("envoy_server_live 1\n");
  expect(page).toContain("\napp_total 1\n");
  expect(page).not.toContain("# EOF");
  await app.stop(true);
  expect(await (await get(health.metricsPort, "/stats/prometheus")).text()).toContain(
    "# application metrics: ",
  );
});
