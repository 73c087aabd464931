/** weft proxy -c with dynamic_resources: real data threads, configuration from servers and files on loopback. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import { createLogger, systemClock } from "../../base/index.ts";
import {
  address,
  ads,
  adsBootstrap,
  controlCluster,
  endpoints,
  freePort,
  grpc,
  listener,
  make,
  route,
  startProxy,
} from "../../testkit/dynamic.ts";
import { createTestCa } from "../../testkit/index.ts";
import { createTestSource, fromText, type TestSource } from "../../testkit/xds-source.ts";
import { createGrpcServer, type GrpcTls } from "../../wire/grpc/index.ts";
import { typeUrl } from "../../xds/protocol/index.ts";
import { createXdsServer, type XdsServer } from "../../xds/server/index.ts";
import type { Standalone } from "../bootstrap/index.ts";

const log = createLogger({ sink: () => {} });
const dir = mkdtempSync(join(tmpdir(), "weft-discovery-"));
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));

function backend(name: string): number {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(name) });
  stops.push(() => server.stop(true));
  return server.port!;
}

async function serve(source: TestSource, o: { path?: string; tls?: GrpcTls; token?: string } = {}) {
  const xds = createXdsServer({
    source,
    authenticate: async (call) => {
      if (o.token !== undefined && call.metadata.get("x-token") !== o.token) throw new Error("who are you");
      return undefined;
    },
    clock: systemClock,
    log,
  });
  const server = await createGrpcServer({
    host: "127.0.0.1",
    port: 0,
    methods: xds.methods,
    clock: systemClock,
    log,
    ...(o.path === undefined ? {} : { path: o.path }),
    ...(o.tls === undefined ? {} : { tls: o.tls }),
  });
  stops.push(() => server.stop());
  return { xds, port: server.port };
}

async function start(bootstrap: JsonObject): Promise<Standalone> {
  const proxy = await startProxy(dir, bootstrap);
  stops.push(() => proxy.stop());
  return proxy;
}

/** Resolves when a listener with that name is in effect. */
function active({ agent }: Standalone, name: string): Promise<void> {
  const there = (): boolean => agent.tables().listeners.some((l) => l.name === name);
  return new Promise((resolve) => {
    if (there()) {
      resolve();
      return;
    }
    const off = agent.on(() => {
      if (!there()) return;
      off();
      resolve();
    });
  });
}

/** A listener is told to be active a moment before the threads have it. */
const refused = "refused";

/** The answers until one says `wanted`; every one of them must be among `allowed`. */
async function until(url: string, wanted: string, allowed: readonly string[], init?: RequestInit) {
  for (;;) {
    const text = await fetch(url, init).then(
      (r) => r.text(),
      (e: unknown) => (String(e).includes("ECONNREFUSED") ? refused : String(e)),
    );
    if (text === wanted) return;
    expect([...allowed, wanted]).toContain(text);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function world(port: number, upstream: number): TestSource {
  const source = createTestSource();
  source.put(
    make.cluster("one"),
    make.endpoints("one", upstream),
    make.route("main", "one"),
    make.listener("main", port, "main"),
  );
  return source;
}

const types = (xds: XdsServer): string[] =>
  xds.status().map((s) => s.types.map((t) => `${t.typeUrl.split(".").at(-1)} ${t.state}`).join(", "));

describe("weft proxy -c with dynamic_resources", () => {
  for (const type of ["GRPC", "DELTA_GRPC"] as const)
    test(`${type} over the aggregated stream: serves, and follows clusters, routes, endpoints, listeners`, async () => {
      const [port, second] = [freePort(), freePort()];
      const source = world(port, backend("one"));
      const { port: xdsPort, xds } = await serve(source, { token: "t" });
      const initial = { initial_metadata: [{ key: "x-token", value: "t" }] };
      const proxy = await start(adsBootstrap(xdsPort, type, initial));
      await active(proxy, "main");
      const url = `http://127.0.0.1:${port}/`;
      await until(url, "one", [refused]);
      expect(proxy.agent.unready()).toEqual([]);
      // Another cluster with its endpoints, then the route to it, then the first is gone.
      source.put(make.cluster("two"), make.endpoints("two", backend("two")), make.route("main", "two"));
      source.remove(typeUrl.cluster, "one");
      source.remove(typeUrl.endpoints, "one");
      source.changed();
      await until(url, "two", ["one"]);
      source.put(make.endpoints("two", backend("three")));
      source.changed();
      await until(url, "three", ["two"]);
      source.put(make.listener("more", second, "main"));
      source.changed();
      await active(proxy, "more");
      await until(`http://127.0.0.1:${second}/`, "three", [refused]);
      source.remove(typeUrl.listener, "main");
      source.changed();
      while (proxy.agent.tables().listeners.some((l) => l.name === "main"))
        await new Promise((resolve) => setImmediate(resolve));
      await until(url, refused, ["three"]);
      expect(xds.status()[0]?.types.every((t) => t.nack === undefined)).toBe(true);
      expect(proxy.agent.tables().clusters.has("one")).toBe(false);
    });

  test("streams of one type each, secrets from a Unix socket, TLS to the server", async () => {
    const ca = await createTestCa();
    const server = await ca.leaf({ dns: ["xds.example"] });
    const own = await ca.leaf({
      uris: ["spiffe://cluster.local/ns/default/sa/test"],
      dns: ["front.example"],
    });
    const port = freePort();
    const path = join(dir, "sds.sock");
    const secrets = createTestSource();
    const certificate = (pair: { certPem: string; keyPem: string }) =>
      fromText(typeUrl.secret, {
        name: "own",
        tls_certificate: {
          certificate_chain: { inline_string: pair.certPem },
          private_key: { inline_string: pair.keyPem },
        },
      });
    secrets.put(certificate(own));
    const sds = await serve(secrets, { path });
    const source = createTestSource();
    const xdsSource: JsonObject = { resource_api_version: "V3", api_config_source: grpc("xds", "GRPC") };
    const sdsSource: JsonObject = {
      resource_api_version: "V3",
      api_config_source: grpc("sds", "DELTA_GRPC"),
    };
    const tls = {
      transport_socket: {
        name: "tls",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
          common_tls_context: {
            tls_certificate_sds_secret_configs: [{ name: "own", sds_config: sdsSource }],
          },
        },
      },
    };
    source.put(
      make.cluster("one", xdsSource),
      make.endpoints("one", backend("one")),
      make.route("main", "one"),
      make.listener("main", port, "main", xdsSource, tls),
    );
    const xds = await serve(source, {
      tls: { certPem: server.certPem, keyPem: server.keyPem, caPem: ca.caPem },
    });
    const verified: JsonObject = {
      transport_socket: {
        name: "tls",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
          sni: "xds.example",
          common_tls_context: {
            validation_context: {
              trusted_ca: { inline_string: ca.caPem },
              match_typed_subject_alt_names: [{ san_type: "DNS", matcher: { exact: "xds.example" } }],
            },
          },
        },
      },
    };
    const proxy = await start({
      dynamic_resources: { cds_config: xdsSource, lds_config: xdsSource },
      static_resources: {
        clusters: [
          controlCluster("xds", address(xds.port), verified),
          controlCluster("sds", { pipe: { path } }),
        ],
      },
    });
    await active(proxy, "main");
    const init = { tls: { ca: ca.caPem, serverName: "front.example" } } as RequestInit;
    await until(`https://127.0.0.1:${port}/`, "one", [refused], init);
    expect(types(xds.xds).sort()).toEqual([
      "Cluster SYNCED",
      "ClusterLoadAssignment SYNCED",
      "Listener SYNCED",
      "RouteConfiguration SYNCED",
    ]);
    expect(types(sds.xds)).toEqual(["Secret SYNCED"]);
    // The next certificate counts for the next connection; a bad one is refused by name and the last stays.
    const next = await ca.leaf({ dns: ["next.example"] });
    secrets.put(certificate(next));
    secrets.changed();
    await until(`https://127.0.0.1:${port}/`, "one", ["Error: ERR_TLS_CERT_ALTNAME_INVALID"], {
      tls: { ca: ca.caPem, serverName: "next.example" },
      keepalive: false,
    } as RequestInit).catch(() => {});
    secrets.put(certificate({ certPem: next.certPem, keyPem: own.keyPem }));
    secrets.changed();
    while (secrets.nacks.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(secrets.nacks[0]?.nack).toMatchObject({ names: ["own"] });
    expect(secrets.nacks[0]?.nack.message).toContain("the key does not belong to the certificate");
    expect(proxy.agent.secrets().find((s) => s.name === "own")?.certPem).toBe(next.certPem);
  });

  test("a server without the expected name is not asked", async () => {
    const ca = await createTestCa();
    const server = await ca.leaf({ dns: ["other.example"] });
    const xds = await serve(world(freePort(), 1), {
      tls: { certPem: server.certPem, keyPem: server.keyPem, caPem: ca.caPem },
    });
    const proxy = await start({
      dynamic_resources: {
        ads_config: {
          api_type: "GRPC",
          transport_api_version: "V3",
          grpc_services: [
            {
              google_grpc: {
                target_uri: `127.0.0.1:${xds.port}`,
                stat_prefix: "x",
                channel_credentials: { ssl_credentials: { root_certs: { inline_string: ca.caPem } } },
              },
            },
          ],
        },
        lds_config: ads,
      },
    });
    while (proxy.discovery!.status().state !== "backoff")
      await new Promise((resolve) => setImmediate(resolve));
    expect(xds.xds.streams).toBe(0);
    expect(proxy.agent.unready()).toContain("no listeners have arrived");
  });

  test("files, followed: a good change acts, a broken file and a bad resource leave what is there", async () => {
    const port = freePort();
    const folder = mkdtempSync(join(dir, "files-"));
    const put = (name: string, type: string, ...resources: JsonObject[]): void => {
      const typed = resources.map((r) => ({ "@type": type, ...r }));
      writeFileSync(join(folder, "draft"), JSON.stringify({ version_info: "1", resources: typed }));
      renameSync(join(folder, "draft"), join(folder, name));
    };
    const file = (name: string): JsonObject => ({ path_config_source: { path: join(folder, name) } });
    const cluster = (name: string, upstream: number): JsonObject => ({
      name,
      load_assignment: endpoints(name, upstream),
    });
    put("cds.json", typeUrl.cluster, cluster("one", backend("one")));
    put("rds.json", typeUrl.route, route("main", "one"));
    put("lds.json", typeUrl.listener, listener("main", port, "main", file("rds.json"), {}));
    const proxy = await start({
      dynamic_resources: { cds_config: file("cds.json"), lds_config: file("lds.json") },
    });
    await active(proxy, "main");
    const url = `http://127.0.0.1:${port}/`;
    await until(url, "one", [refused]);
    put("cds.json", typeUrl.cluster, cluster("one", backend("two")));
    await until(url, "two", ["one"]);
    const feed = (name: string) => proxy.discovery!.status().feeds.find((f) => f.name.endsWith(name));
    writeFileSync(join(folder, "cds.json"), '{"resources": [{"@type": "nobody"}]}');
    while (feed("cds.json")?.state !== "backoff") await new Promise((resolve) => setImmediate(resolve));
    expect(feed("cds.json")?.lastError).toBe('line 1: resources[0]["@type"]: type nobody is not supported');
    put("cds.json", typeUrl.cluster, cluster("one", backend("three")), { name: "bad", lb_policy: "MAGLEV" });
    await until(url, "three", ["two"]);
    expect(proxy.agent.refusals().map((r) => r.name)).toEqual(["bad"]);
  });

  test("a server may not replace what the file has itself, and is told", async () => {
    const port = freePort();
    const source = world(port, backend("one"));
    source.put(make.cluster("xds"));
    const { port: xdsPort } = await serve(source);
    const bootstrap = adsBootstrap(xdsPort, "GRPC");
    const own = { name: "one", load_assignment: endpoints("one", backend("own")) };
    const resources = bootstrap["static_resources"] as JsonObject;
    resources["clusters"] = [...(resources["clusters"] as JsonObject[]), own];
    const proxy = await start(bootstrap);
    await active(proxy, "main");
    await until(`http://127.0.0.1:${port}/`, "own", [refused]);
    expect(source.nacks[0]?.nack.message).toContain("one: is among the static resources");
  });
});
