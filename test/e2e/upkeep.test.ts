/** `weft check`, `weft token create`, `weft run --join` and proxy-status as a user meets them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Finding } from "../../src/app/check/index.ts";
import type { ProxySync } from "../../src/app/control-plane/index.ts";
import { askDebug, planeRecord } from "../../src/app/debug/index.ts";
import { type CliRun, runWeft, weftCommand } from "../../src/testkit/cli.ts";
import {
  eventually,
  type MeshHarness,
  type MeshWorkload,
  startMesh,
} from "../../src/testkit/mesh-harness.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-upkeep-"));
let mesh: MeshHarness;
let caller: MeshWorkload;

beforeAll(async () => {
  mesh = await startMesh();
  caller = await mesh.add({ service: "caller", version: "v1" });
}, 40_000);
afterAll(async () => {
  await mesh.stop();
  rmSync(dir, { recursive: true, force: true });
}, 30_000);

/** Without a kubeconfig in the environment, in the folder, or at home. */
const bare = (): Record<string, string | undefined> => {
  const { WEFT_KUBECONFIG: _w, KUBECONFIG: _k, ...rest } = process.env;
  return { ...rest, HOME: dir, NO_COLOR: "1" };
};

const weft = (...args: string[]): Promise<CliRun> =>
  runWeft(args, { cwd: dir, env: { ...bare(), WEFT_KUBECONFIG: mesh.dev.kubeconfigPath } });

test("weft check: categories and marks for people, findings for programs, 0 where nothing is wrong", async () => {
  const people = await eventually(async () => {
    const result = await weft("check");
    return result.status === 0 ? result : undefined;
  });
  expect(people.out).toContain("control-plane\n-------------\n");
  expect(people.out).toEndWith("Status check results are √\n");
  const { out } = await weft("check", "-o", "json");
  const report = JSON.parse(out) as { ok: boolean; items: Finding[] };
  expect(report.ok).toBe(true);
  const categories = new Set(report.items.map((i) => i.category));
  for (const c of [
    "api-server",
    "store",
    "clock",
    "control-plane",
    "certificates",
    "workloads",
    "versions",
    "machine",
  ])
    expect(categories).toContain(c);
  const of = (check: string): Finding | undefined => report.items.find((i) => i.check === check);
  for (const check of [
    "the kinds that Weft reads are served",
    "their fields are kept",
    "the store takes writes",
    "xDS and CA answer under that root",
    "their proxies are connected",
  ])
    expect([check, of(check)?.result]).toEqual([check, "ok"]);
  // The looks leave nothing behind.
  const leases = await mesh.dev.client.raw<{ items: { metadata: { name: string } }[] }>(
    "/apis/coordination.k8s.io/v1/namespaces/weft-system/leases",
  );
  expect(leases.items.map((l) => l.metadata.name)).toEqual(["weft-control-plane"]);
}, 40_000);

test("weft backup while it runs, weft restore where nothing runs; neither goes over what is there", async () => {
  const made = await weft("backup", "mesh.db");
  expect([made.status, /^mesh\.db: \d+ objects\n$/.test(made.out)]).toEqual([0, true]);
  expect(statSync(join(dir, "mesh.db")).mode & 0o777).toBe(0o600);
  const again = await weft("backup", "mesh.db");
  expect([again.status, again.talk]).toEqual([64, expect.stringContaining("mesh.db exists")]);
  const used = await weft("restore", "mesh.db", "--data-dir", join(mesh.dir, "data"));
  expect([used.status, used.talk]).toEqual([65, expect.stringContaining("is in use by process")]);
  const restored = await weft("restore", "mesh.db", "--data-dir", "again");
  expect([restored.status, restored.out]).toEqual([0, made.out.replace("mesh.db", "again")]);
  expect(existsSync(join(dir, "again", "pki", "ca.pem"))).toBe(true);
}, 40_000);

test("weft check by an account that may see little: each refusal is a finding, and the rest is looked at", async () => {
  const { client } = mesh.dev;
  const { token } = await client.tokenRequest("default", "caller", { seconds: 600 });
  const ca = Buffer.from(client.config.caPem!).toString("base64");
  const config = {
    clusters: [{ name: "a", cluster: { server: client.config.server, "certificate-authority-data": ca } }],
    users: [{ name: "a", user: { token } }],
    contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
    "current-context": "a",
  };
  writeFileSync(join(dir, "little"), JSON.stringify(config), { mode: 0o600 });
  const { out, talk, status } = await weft("check", "--kubeconfig", "little", "-o", "json");
  expect([status, talk]).toEqual([1, ""]);
  const { items } = JSON.parse(out) as { items: Finding[] };
  const of = (check: string): string | undefined => items.find((i) => i.check === check)?.result;
  expect(new Set(items.map((i) => i.check)).size).toBe(items.length);
  expect(of("the store takes writes")).toBe("skipped");
  expect(of("instances are ready")).toBe("error");
  expect(of("the debug port answers")).toBe("ok");
  expect(of("processes may open enough files")).toBeDefined();
}, 40_000);

test("weft check: 1 where something is wrong, which is named with its mend", async () => {
  const { client } = mesh.dev;
  const root = { group: "", version: "v1", kind: "ConfigMap", plural: "configmaps", namespaced: true };
  const target = { name: "weft-ca-root-cert", namespace: "default" };
  const map = await client.get<{ data: Record<string, string> } & Parameters<typeof client.create>[1]>(
    root,
    target.name,
    target.namespace,
  );
  await client.patch(root, target, { data: { "root-cert.pem": "another" } });
  const broken = await weft("check");
  await client.patch(root, target, { data: map.data });
  expect(broken.status).toBe(1);
  expect(broken.out).toContain(
    "× the root certificate is published and lasts\n    namespace default trusts another root",
  );
  expect(broken.out).toContain("mend: delete ConfigMap default/weft-ca-root-cert");
  writeFileSync(
    join(dir, "dead"),
    "apiVersion: v1\nclusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: a, context: {cluster: a}}]\ncurrent-context: a\n",
  );
  const dead = await weft("check", "--kubeconfig", "dead", "-o", "json");
  expect([dead.status, (JSON.parse(dead.out) as { ok: boolean }).ok]).toEqual([1, false]);
}, 40_000);

test("the debug pages need no token in the kubeconfig: one is asked for that is good for them alone", async () => {
  const { client } = mesh.dev;
  const { token: _none, ...config } = client.config;
  const tokenless = { ...client, config };
  const record = (await planeRecord(client))!;
  const syncs = await askDebug<readonly ProxySync[]>(tokenless, record.debugAddress, "/debug/syncz");
  expect(syncs.map((s) => s.workload)).toContain(caller.sidecar.registration.workload);
  const { token } = await client.tokenRequest("weft-system", "weft-debug", {
    audience: "weft-debug",
    seconds: 600,
  });
  const page = (authorization: string) =>
    fetch(`http://${record.debugAddress}/debug/syncz`, { headers: { authorization } });
  expect((await page(`Bearer ${token}`)).status).toBe(200);
  expect((await page(`Bearer ${token}x`)).status).toBe(401);
  const api = await fetch(`${client.config.server}/api/v1/namespaces`, {
    headers: { authorization: `Bearer ${token}` },
    tls: { ca: client.config.caPem! },
  });
  expect(api.status).toBe(401);
  const account = await client.tokenRequest("weft-system", "weft-debug", {
    audience: "elsewhere",
    seconds: 600,
  });
  expect((await page(`Bearer ${account.token}`)).status).toBe(401);
});

test("a machine without a kubeconfig joins by what weft token create wrote", async () => {
  const usage = await weft("token", "create");
  expect([usage.status, usage.talk]).toEqual([64, expect.stringContaining("--service is required")]);
  expect((await weft("token", "create", "--service", "joined", "--duration", "9m")).status).toBe(64);
  const made = await weft("token", "create", "--service", "joined", "--port", "9090");
  expect(made.status).toBe(0);
  expect(made.out).toMatch(/^weft-join-1\.[\w-]+\n$/);
  expect(made.talk).toMatch(/its root {4}sha256:[0-9a-f]{64}\n/);
  const home = join(dir, "machine");
  mkdirSync(home);
  writeFileSync(join(home, "ticket"), made.out, { mode: 0o600 });
  const app = join(home, "app.ts");
  writeFileSync(
    app,
    `Bun.serve({ hostname: "127.0.0.1", port: Number(process.env.PORT), fetch: () => new Response(\`from the machine, \${process.env.WEFT_JOIN ?? "which keeps its secret"}\`) });
     process.on("SIGTERM", () => process.exit(0));`,
  );
  const run = (...args: string[]) =>
    Bun.spawn(
      [
        ...weftCommand,
        "run",
        ...args,
        "--port",
        "9090",
        "--state-dir",
        join(home, "state"),
        "--log-level",
        "error",
        "--",
        process.execPath,
        app,
      ],
      {
        cwd: home,
        env: { ...bare(), WEFT_JOIN: made.out.trim() },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      },
    );
  const wrong = run("--join", "ticket", "--service", "reviews");
  expect([await wrong.exited, await wrong.stderr.text()]).toEqual([
    64,
    expect.stringContaining("is for service joined, not reviews"),
  ]);
  const job = run("--service", "joined");
  try {
    const body = await eventually(async () => {
      if (job.exitCode !== null) throw new Error(await job.stderr.text());
      const answer = await caller.fetch("http://joined:9090/");
      return answer.status === 200 ? await answer.text() : undefined;
    }, 20_000);
    expect(body).toBe("from the machine, which keeps its secret");
  } finally {
    job.kill("SIGTERM");
    await job.exited;
  }
  expect(existsSync(join(home, "state", "last-good.json"))).toBe(true);
}, 60_000);
