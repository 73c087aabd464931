/** `weft proxy-config` as a user meets it: a live instance, a saved dump, and real Envoy. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manifests } from "../../demo/manifests.ts";
import { type CliRun, runWeft } from "../../src/testkit/cli.ts";
import {
  eventually,
  type MeshHarness,
  type MeshWorkload,
  startMesh,
} from "../../src/testkit/mesh-harness.ts";
import { ensureEnvoy, envoyVersion } from "../../src/testkit/peers.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-pc-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
let env: Record<string, string | undefined> = { ...process.env, NO_COLOR: "1" };

const weft = (...args: string[]): Promise<CliRun> => runWeft(args, { cwd: dir, env });

/** Lines of a table as cells. */
const cells = (out: string): string[][] =>
  out
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {3,}/));

describe("a live instance", () => {
  let mesh: MeshHarness;
  let reviews: MeshWorkload;

  beforeAll(async () => {
    mesh = await startMesh();
    env = { ...env, WEFT_KUBECONFIG: mesh.dev.kubeconfigPath };
    for (const [name, text] of Object.entries(manifests)) writeFileSync(join(dir, `${name}.yaml`), text);
    expect((await weft("apply", "-f", ".")).status).toBe(0);
    reviews = await mesh.add({ service: "reviews", version: "v1" });
    await mesh.add({ service: "reviews", version: "v2" });
    await eventually(async () =>
      (
        await weft("pc", "ep", "-o", "json", "--subset", "v2", reviews.sidecar.registration.workload)
      ).out.includes("HEALTHY"),
    );
  }, 60_000);
  afterAll(() => mesh.stop(), 30_000);

  test("routes name the VirtualService with file and line", async () => {
    const name = reviews.sidecar.registration.workload;
    const { out, status } = await weft("proxy-config", "routes", name, "--fqdn", "reviews");
    expect(status).toBe(0);
    const [head, ...rows] = cells(out);
    expect(head).toEqual(["NAME", "VHOST NAME", "DOMAINS", "MATCH", "DESTINATION", "OWNER", "WHERE"]);
    const jason = rows.find((r) => r[3]!.includes("end-user=jason"))!;
    expect(jason[4]).toBe("reviews.default.svc.cluster.local:9080 v2");
    expect(jason[5]).toBe("VirtualService/default/reviews-route");
    expect(jason[6]).toMatch(/^virtual-service\.yaml:\d+:\d+$/);
  }, 20_000);

  test("clusters, listeners, endpoints, secrets, bootstrap and all of it", async () => {
    const full = `${reviews.sidecar.registration.workload}.default`;
    const [clusters, listeners, endpoints, secrets, bootstrap, all] = await Promise.all([
      weft("pc", "c", full, "--subset", "v1", "--no-headers"),
      weft("pc", "l", `workloadentry/${full}`, "--name", "mesh_inbound"),
      weft("pc", "endpoints", full, "--subset", "v1"),
      weft("pc", "s", full),
      weft("pc", "b", full),
      weft("pc", "a", full, "-o", "json"),
    ]);
    expect(cells(clusters.out)).toEqual([
      [
        "reviews.default.svc.cluster.local",
        "9080",
        "v1",
        "outbound",
        "EDS",
        "DestinationRule/default/reviews-cb",
        "destination-rule.yaml:1:1",
      ],
    ]);
    const [, chain] = cells(listeners.out);
    expect(chain![3]).toContain("SNI: outbound_.9080_._.reviews.default.svc.cluster.local");
    expect(chain![5]).toBe("PeerAuthentication/default/default-mtls");
    const [, endpoint] = cells(endpoints.out);
    expect(endpoint!.slice(0, 3)).toEqual([`${reviews.address}:15008`, "HEALTHY", "OK"]);
    expect(endpoint!.slice(4, 6)).toEqual(["reviews-v1.default", "mutual"]);
    const own = cells(secrets.out).find((r) => r[0] === "default")!;
    expect([own[1], own[2], own[3], own[7]]).toEqual([
      "Cert Chain",
      "ACTIVE",
      "true",
      "spiffe://cluster.local/ns/default/sa/reviews",
    ]);
    expect(secrets.out + all.out).not.toContain("PRIVATE KEY");
    expect(JSON.parse(bootstrap.out)).toMatchObject({
      node: { cluster: "reviews", metadata: { NAMESPACE: "default" } },
      dynamic_resources: { ads_config: { api_type: "DELTA_GRPC" } },
    });
    writeFileSync(join(dir, "dump.json"), all.out);
    const saved = await weft("pc", "c", "--file", "dump.json", "--subset", "v1", "--no-headers");
    expect(saved.out).toBe(clusters.out);
    const readable = await weft("pc", "all", "--file", "dump.json");
    for (const word of ["SERVICE FQDN", "VHOST NAME", "OUTLIER CHECK", "VALID CERT"])
      expect(readable.out).toContain(word);
  }, 40_000);

  test("mistakes are told with a way out", async () => {
    const [unknown, many, none, both, text] = await Promise.all([
      weft("pc", "c", "revews-v1"),
      weft("pc", "c", "reviews"),
      weft("pc", "c"),
      weft("pc", "c", "x", "--file", "dump.json"),
      weft("pc", "c", "--file", "virtual-service.yaml"),
    ]);
    expect([unknown.status, unknown.talk]).toEqual([
      65,
      expect.stringContaining("no instance revews-v1 in namespace default"),
    ]);
    expect([many.status, many.talk]).toEqual([65, expect.stringContaining("reviews has 2 instances")]);
    expect([none.status, both.status, text.status]).toEqual([64, 64, 65]);
  }, 30_000);
});

const envoy = ensureEnvoy();
describe.skipIf(envoy === undefined)(`Envoy ${envoyVersion}`, () => {
  test("its admin pages are read as Weft's own are", async () => {
    const adminFile = join(dir, "admin.txt");
    const socket = (port: number): object => ({ socket_address: { address: "127.0.0.1", port_value: port } });
    const cluster = "outbound|9080|v1|reviews.default.svc.cluster.local";
    const route = {
      match: { prefix: "/x" },
      route: { cluster },
      metadata: { filter_metadata: { weft: { owner: "VirtualService/default/r", source: "r.yaml:3:1" } } },
    };
    const manager = {
      "@type":
        "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
      stat_prefix: "in",
      route_config: { name: "table", virtual_hosts: [{ name: "all", domains: ["*"], routes: [route] }] },
      http_filters: [
        {
          name: "router",
          typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        },
      ],
    };
    const config = {
      node: { id: "n", cluster: "c" },
      admin: { address: socket(0) },
      static_resources: {
        listeners: [
          {
            name: "in",
            address: socket(0),
            traffic_direction: "INBOUND",
            filter_chains: [{ filters: [{ name: "hcm", typed_config: manager }] }],
          },
        ],
        clusters: [
          {
            name: cluster,
            type: "STATIC",
            load_assignment: {
              cluster_name: cluster,
              endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(9) } }] }],
            },
          },
        ],
      },
    };
    writeFileSync(join(dir, "envoy.json"), JSON.stringify(config));
    const argv = [
      envoy!,
      "-c",
      join(dir, "envoy.json"),
      "--admin-address-path",
      adminFile,
      "--concurrency",
      "1",
      "-l",
      "error",
      "--use-dynamic-base-id",
    ];
    const run = Bun.spawn(argv, { stdout: "ignore", stderr: "ignore" });
    try {
      const admin = await eventually(async () => readFileSync(adminFile, "utf8").trim() || undefined);
      await eventually(async () => (await fetch(`http://${admin}/ready`)).ok);
      const table = async (...args: string[]): Promise<string[][]> =>
        cells((await weft("pc", ...args, "--admin", admin, "--no-headers")).out);
      expect(await table("c")).toEqual([
        ["reviews.default.svc.cluster.local", "9080", "v1", "outbound", "STATIC", "-", "-"],
      ]);
      expect(await table("r")).toEqual([
        [
          "table",
          "all",
          "*",
          "/x*",
          "reviews.default.svc.cluster.local:9080 v1",
          "VirtualService/default/r",
          "r.yaml:3:1",
        ],
      ]);
      expect((await table("ep"))[0]!.slice(0, 4)).toEqual(["127.0.0.1:9", "HEALTHY", "OK", cluster]);
      expect((await table("l"))[0]!.slice(4)).toEqual(["Inline Route: table", "-", "-"]);
      expect(await table("b", "-o", "short")).toContainEqual(["node id", "n"]);
    } finally {
      run.kill();
      await run.exited;
    }
  }, 40_000);
});
