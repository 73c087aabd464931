/** Envoy as the proxy of a sidecar: the credential, tunnels, pages, rotation, its death, going. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { findEnvoy } from "../../src/app/envoy/index.ts";
import type { KubeObject } from "../../src/kube/client/index.ts";
import {
  eventually,
  type MeshHarness,
  type MeshWorkload,
  startMesh,
} from "../../src/testkit/mesh-harness.ts";
import { ensureEnvoy, envoyVersion } from "../../src/testkit/peers.ts";

const path = ensureEnvoy();
let mesh: MeshHarness;
let caller: MeshWorkload;
let callee: MeshWorkload;
const url = "http://reviews:9080/x";

describe.skipIf(path === undefined)(`Envoy ${envoyVersion} beside a command`, () => {
  beforeAll(async () => {
    const envoy = findEnvoy({ path, env: {} });
    mesh = await startMesh({ defaultMtls: "strict" });
    const headers = (request: Request): Response => Response.json(Object.fromEntries(request.headers));
    caller = await mesh.add({ service: "caller", version: "v1", envoy });
    callee = await mesh.add({ service: "reviews", version: "v1", envoy, app: headers });
    await mesh.add({ service: "ratings", version: "v1", app: headers });
    await eventually(async () => (await caller.fetch(url)).status === 200);
    await eventually(async () => (await caller.fetch("http://ratings:9080/")).status === 200);
  }, 60_000);
  afterAll(() => mesh?.stop(), 30_000);

  test("the application sees nothing of the mesh's own fields", async () => {
    const seen = (await (await caller.fetch(url)).json()) as Record<string, string>;
    expect(Object.keys(seen).filter((n) => /^(proxy-|x-weft|x-envoy-peer)/.test(n))).toEqual([]);
  });

  test("Weft's metrics at the callee name the caller", async () => {
    const ratings = [
      ...(
        await mesh.dev.client.listAll<KubeObject<{ readonly address: string }>>({
          group: "networking.istio.io",
          version: "v1",
          plural: "workloadentries",
        } as never)
      ).items,
    ].find((e) => e.metadata.name.startsWith("ratings"));
    const page = await (await fetch(`http://${ratings!.spec!.address}:15020/stats/prometheus`)).text();
    const line = page.split("\n").find((l) => l.startsWith("istio_requests_total{"));
    expect(line).toContain('source_app="caller"');
    expect(line).toContain('connection_security_policy="mutual_tls"');
  });

  test("without the credential: 407", async () => {
    const proxy = caller.sidecar.proxyUrl;
    const wrong = await fetch(url, { proxy: proxy.replace(/:[^:@]+@/, ":wrong@") });
    expect([wrong.status, wrong.headers.get("proxy-authenticate")]).toEqual([407, 'Basic realm="weft"']);
    expect((await fetch(url, { proxy: proxy.replace(/\/\/[^@]+@/, "//") })).status).toBe(407);
  });

  test("HTTP within CONNECT meets the routes, other bytes reach the callee's TLS port", async () => {
    const answer = await tunnel("GET /x HTTP/1.1\r\nHost: reviews:9080\r\nConnection: close\r\n\r\n");
    expect(answer).toStartWith("HTTP/1.1 200");
    const notHttp = await tunnel("\x16\x03\x01\x00\x05hello\r\n\r\n");
    // The callee speaks HTTP there: its answer to nonsense shows that the bytes arrived.
    expect(notHttp).toStartWith("HTTP/1.1 400");
  });

  test("pages: metrics merged, ready, administration behind the guard; sockets for this user only", async () => {
    const page = await (await fetch(`http://${caller.address}:15020/stats/prometheus`)).text();
    expect(page).toContain("envoy_http_downstream_rq_total");
    expect(page).toContain("\nweft_envoy_live 1\n");
    expect((await fetch(`http://${caller.address}:15021/healthz/ready`)).status).toBe(200);
    const admin = `http://${caller.address}:15000`;
    const dump = await fetch(`${admin}/config_dump`);
    expect(await dump.text()).not.toContain("PRIVATE KEY");
    expect((await fetch(`${admin}/quitquitquit`, { method: "POST" })).status).not.toBe(200);
    expect((await fetch(`${admin}/stats`, { headers: { host: "evil.example" } })).status).toBe(403);
    const bootstrap = JSON.parse(readFileSync(join(mesh.dir, "state-0/envoy.json"), "utf8"));
    const socket = bootstrap.admin.address.pipe.path as string;
    for (const file of [socket, join(socket, "../agent.sock")])
      expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("an Envoy that dies is unready, and comes back from what the agent keeps", async () => {
    const pid = (): number => Number(readFileSync(join(mesh.dir, "state-1/envoy.pid"), "utf8"));
    const ready = async () => (await fetch(`http://${callee.address}:15021/healthz/ready`)).status;
    const first = pid();
    process.kill(first, "SIGKILL");
    await eventually(async () => (await ready()) === 503);
    await eventually(async () => (await ready()) === 200 && pid() !== first);
    await eventually(async () => (await caller.fetch(url)).status === 200);
    expect(callee.sidecar.proxy.plane.unready()).toEqual([]);
    const page = await (await fetch(`http://${callee.address}:15020/stats/prometheus`)).text();
    expect(page).toContain("\nweft_envoy_restarts_total 1\n");
  }, 30_000);

  test("it serves on while the control plane is away, restarts included", async () => {
    await mesh.restart(async () => {
      expect((await caller.fetch(url)).status).toBe(200);
      const pid = Number(readFileSync(join(mesh.dir, "state-0/envoy.pid"), "utf8"));
      process.kill(pid, "SIGKILL");
      await eventually(async () => (await caller.fetch(url)).status === 200);
    });
    await eventually(async () => (await caller.fetch(url)).status === 200);
  }, 60_000);
});

function tunnel(bytes: string): Promise<string> {
  const { hostname, port, username, password } = new URL(caller.sidecar.proxyUrl);
  const credential = Buffer.from(`${username}:${password}`).toString("base64");
  return new Promise((resolve, reject) => {
    let open = false;
    let got = "";
    const socket = connect(Number(port), hostname, () =>
      socket.write(
        `CONNECT reviews:9080 HTTP/1.1\r\nHost: reviews:9080\r\nProxy-Authorization: Basic ${credential}\r\n\r\n`,
      ),
    );
    socket.on("data", (chunk: Buffer) => {
      got += chunk.toString("latin1");
      if (open || !got.includes("\r\n\r\n")) return;
      open = true;
      got = "";
      socket.write(Buffer.from(bytes, "latin1"));
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(got));
  });
}
