/** Weft's proxy under a control plane made of go-control-plane: serves, and follows what changes, in both variants. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import type { Standalone } from "../../src/proxy/bootstrap/index.ts";
import {
  address,
  ads,
  adsBootstrap,
  controlCluster,
  endpoints,
  freePort,
  grpc,
  listener,
  route,
  startProxy,
} from "../../src/testkit/dynamic.ts";
import { createTestCa } from "../../src/testkit/index.ts";
import { eventually } from "../../src/testkit/mesh-harness.ts";
import { ensureGoProgram } from "../../src/testkit/peers.ts";
import { typeUrl } from "../../src/xds/protocol/index.ts";

const program = ensureGoProgram(join(import.meta.dir, "go-control-plane"), "go-control-plane");
const dir = mkdtempSync(join(tmpdir(), "weft-gcp-"));
const stops: (() => unknown)[] = [];
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Said {
  readonly event: string;
  readonly port?: number;
  readonly type?: string;
  readonly message?: string;
}

type World = Readonly<Record<string, readonly JsonObject[]>>;

/** The Go server, fed with snapshots. */
async function controlPlane(aggregated: boolean) {
  const child = Bun.spawn([program!, "--node", "proxy", `--ads=${aggregated}`], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  stops.push(() => child.kill());
  const said: Said[] = [];
  void (async () => {
    let text = "";
    for await (const chunk of child.stdout) {
      text += new TextDecoder().decode(chunk);
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      said.push(...lines.map((l) => JSON.parse(l) as Said));
    }
  })();
  const port = await eventually(async () => said.find((s) => s.event === "listening")?.port);
  let version = 0;
  return {
    port,
    said,
    async set(world: World): Promise<void> {
      const before = said.filter((s) => s.event === "set").length;
      child.stdin.write(`${JSON.stringify({ version: `${++version}`, resources: world })}\n`);
      await child.stdin.flush();
      await eventually(async () => said.filter((s) => s.event === "set").length > before);
      expect(said.filter((s) => s.event === "error")).toEqual([]);
    },
  };
}

async function start(bootstrap: JsonObject): Promise<Standalone> {
  const proxy = await startProxy(dir, bootstrap);
  stops.push(() => proxy.stop());
  return proxy;
}

function backend(name: string): number {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(name) });
  stops.push(() => server.stop(true));
  return server.port!;
}

/** Asks all the time; whatever is no 200 is kept. */
function load(url: string) {
  const bad: string[] = [];
  let last = "";
  let going = true;
  const done = (async () => {
    while (going) {
      const response = await fetch(url).catch((e: unknown) => String(e));
      if (typeof response === "string") bad.push(response);
      else {
        last = await response.text();
        if (response.status !== 200) bad.push(`${response.status} ${last}`);
      }
    }
  })();
  stops.push(() => {
    going = false;
  });
  return {
    bad,
    until: (text: string) => eventually(async () => last === text),
    async end() {
      going = false;
      await done;
    },
  };
}

const eds = (name: string, source: JsonObject = ads): JsonObject => ({
  name,
  type: "EDS",
  connect_timeout: "1s",
  eds_cluster_config: { eds_config: source },
});

const http = (url: string) => eventually(async () => (await fetch(url)).status === 200);

for (const type of ["GRPC", "DELTA_GRPC"] as const)
  describe.skipIf(program === undefined)(`go-control-plane, aggregated, ${type}`, () => {
    test("clusters, routes, endpoints and listeners change under load without one failed request", async () => {
      const plane = await controlPlane(true);
      const [port, more] = [freePort(), freePort()];
      const main = listener("main", port, "main", ads, {});
      const world = (cluster: string, upstream: number, listeners: JsonObject[]): World => ({
        [typeUrl.cluster]: [eds(cluster)],
        [typeUrl.endpoints]: [endpoints(cluster, upstream)],
        [typeUrl.route]: [route("main", cluster)],
        [typeUrl.listener]: listeners,
      });
      await plane.set(world("one", backend("one"), [main]));
      const proxy = await start(adsBootstrap(plane.port, type));
      const url = `http://127.0.0.1:${port}/`;
      await http(url);
      const requests = load(url);
      await requests.until("one");
      // The old cluster leaves in the same snapshot that brings the new one.
      await plane.set(world("two", backend("two"), [main]));
      await requests.until("two");
      await plane.set(world("two", backend("three"), [main]));
      await requests.until("three");
      await plane.set(world("two", backend("four"), [main, listener("more", more, "main", ads, {})]));
      await http(`http://127.0.0.1:${more}/`);
      await requests.until("four");
      await plane.set(world("two", backend("five"), [main]));
      await requests.until("five");
      await eventually(async () =>
        fetch(`http://127.0.0.1:${more}/`).then(
          () => false,
          () => true,
        ),
      );
      await requests.end();
      expect(requests.bad).toEqual([]);
      await eventually(async () => !proxy.agent.tables().clusters.has("one"));
      expect(plane.said.filter((s) => s.event === "nack")).toEqual([]);
    }, 60_000);

    test("a resource that cannot run is refused by name, once, and the rest of its type acts", async () => {
      const plane = await controlPlane(true);
      const port = freePort();
      const fixed = (name: string, upstream: number, more: JsonObject = {}): JsonObject => ({
        name,
        type: "STATIC",
        load_assignment: endpoints(name, upstream),
        ...more,
      });
      const rest = {
        [typeUrl.route]: [route("main", "one")],
        [typeUrl.listener]: [listener("main", port, "main", ads, {})],
      };
      await plane.set({ ...rest, [typeUrl.cluster]: [fixed("one", backend("one"))] });
      await start(adsBootstrap(plane.port, type));
      await http(`http://127.0.0.1:${port}/`);
      const bad = fixed("bad", 1, { lb_policy: "MAGLEV" });
      await plane.set({ ...rest, [typeUrl.cluster]: [fixed("one", backend("two")), bad] });
      const nacks = (): Said[] => plane.said.filter((s) => s.event === "nack");
      await eventually(async () => nacks().length > 0);
      await eventually(async () => (await (await fetch(`http://127.0.0.1:${port}/`)).text()) === "two");
      expect(nacks()[0]?.message).toContain("bad: cluster.lb_policy: MAGLEV is not supported");
      await plane.set({ ...rest, [typeUrl.cluster]: [fixed("one", backend("three"))] });
      await eventually(async () => (await (await fetch(`http://127.0.0.1:${port}/`)).text()) === "three");
      // This server answers a refusal by the same again, at once: the second time it hears of it later.
      expect(nacks().length).toBeLessThanOrEqual(3);
    }, 60_000);

    test("certificates come as secrets and rotate", async () => {
      const plane = await controlPlane(true);
      const ca = await createTestCa();
      const port = freePort();
      const context = {
        transport_socket: {
          name: "tls",
          typed_config: {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            common_tls_context: { tls_certificate_sds_secret_configs: [{ name: "own", sds_config: ads }] },
          },
        },
      };
      const world = async (host: string): Promise<World> => {
        const { certPem, keyPem } = await ca.leaf({ dns: [host] });
        const own = {
          name: "own",
          tls_certificate: {
            certificate_chain: { inline_string: certPem },
            private_key: { inline_string: keyPem },
          },
        };
        return {
          [typeUrl.cluster]: [eds("one")],
          [typeUrl.endpoints]: [endpoints("one", upstream)],
          [typeUrl.route]: [route("main", "one")],
          [typeUrl.listener]: [listener("main", port, "main", ads, context)],
          [typeUrl.secret]: [own],
        };
      };
      const upstream = backend("one");
      const ask = (serverName: string) =>
        fetch(`https://127.0.0.1:${port}/`, {
          tls: { ca: ca.caPem, serverName },
          headers: { connection: "close" },
        } as RequestInit).then((r) => r.text());
      await plane.set(await world("first.example"));
      await start(adsBootstrap(plane.port, type));
      expect(await eventually(() => ask("first.example"))).toBe("one");
      await plane.set(await world("second.example"));
      expect(await eventually(() => ask("second.example"))).toBe("one");
      expect(plane.said.filter((s) => s.event === "nack")).toEqual([]);
    }, 60_000);

    test("800 clusters arrive although the server widens its windows", async () => {
      const plane = await controlPlane(true);
      const port = freePort();
      const names = Array.from(
        { length: 800 },
        (_, i) => `outbound|80||service-${i}.default.svc.cluster.local`,
      );
      const upstream = backend("one");
      const world = (n: number): World => ({
        [typeUrl.cluster]: names.map((name) => eds(name)),
        [typeUrl.endpoints]: names.map((name) => endpoints(name, upstream)),
        [typeUrl.route]: [route("main", names[n]!)],
        [typeUrl.listener]: [listener("main", port, "main", ads, {})],
      });
      await plane.set(world(0));
      const proxy = await start(adsBootstrap(plane.port, type));
      await http(`http://127.0.0.1:${port}/`);
      expect(proxy.agent.tables().endpoints.size).toBe(800);
      // Each answer of state of the world names all endpoints anew: 50 kB a time.
      for (let n = 1; n <= 5; n++) {
        await plane.set(world(n));
        await eventually(async () => {
          const { action } = proxy.agent.tables().routes.get("main")!.virtualHosts[0]!.routes[0]!;
          return action.kind === "route" && action.clusters[0]?.cluster === names[n];
        });
      }
    }, 120_000);
  });

describe.skipIf(program === undefined)("go-control-plane, a stream for each type", () => {
  test("serves and follows", async () => {
    const plane = await controlPlane(false);
    const port = freePort();
    const source: JsonObject = { resource_api_version: "V3", api_config_source: grpc("xds", "GRPC") };
    const world = (upstream: number): World => ({
      [typeUrl.cluster]: [eds("one", source)],
      [typeUrl.endpoints]: [endpoints("one", upstream)],
      [typeUrl.route]: [route("main", "one")],
      [typeUrl.listener]: [listener("main", port, "main", source, {})],
    });
    await plane.set(world(backend("one")));
    await start({
      dynamic_resources: { cds_config: source, lds_config: source },
      static_resources: { clusters: [controlCluster("xds", address(plane.port))] },
    });
    await http(`http://127.0.0.1:${port}/`);
    await plane.set(world(backend("two")));
    await eventually(async () => (await (await fetch(`http://127.0.0.1:${port}/`)).text()) === "two");
    expect(plane.said.filter((s) => s.event === "nack")).toEqual([]);
  }, 60_000);
});
