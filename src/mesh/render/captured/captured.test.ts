import { describe, expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { ClusterSchema } from "../../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import { ListenerSchema } from "../../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import { RouteConfigurationSchema } from "../../../proto/gen/envoy/config/route/v3/route_pb.js";
import { NameTableSchema } from "../../../proto/gen/istio/networking/nds/v1/nds_pb.js";
import type { Service } from "../../model/index.ts";
import { buildSnapshot, type KubeObject, translate } from "../../translate/index.ts";
import { type ProxyNode, renderFor, typeUrls } from "../index.ts";
import { maxHeadlessEndpoints } from "./outbound.ts";
import { maxVips, virtualAddresses } from "./vip.ts";

type Manifest = KubeObject & { readonly spec: unknown };

const service = (name: string, ports: readonly object[], more: object = {}): Manifest => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "default" },
  spec: { selector: { app: name }, ports, ...more },
});

const entry = (name: string, app: string, address: string): Manifest => ({
  apiVersion: "networking.istio.io/v1",
  kind: "WorkloadEntry",
  metadata: {
    name,
    namespace: "default",
    labels: { "security.istio.io/tlsMode": "istio" },
    annotations: { "weft.dev/ready": "true" },
  },
  spec: { address, labels: { app }, serviceAccount: app },
});

const objects = [
  service("web", [{ name: "http", port: 9080 }]),
  service("api", [{ name: "http", port: 9080 }], { clusterIP: "10.96.0.7" }),
  service("cache", [{ name: "tcp-redis", port: 6379 }]),
  service("db", [{ name: "tcp", port: 5432 }], { clusterIP: "None" }),
  entry("web-1", "web", "10.66.0.1"),
  entry("api-1", "api", "10.66.0.2"),
  entry("cache-1", "cache", "10.66.0.3"),
  entry("db-0", "db", "10.66.0.4"),
  entry("db-1", "db", "10.66.0.5"),
];

const node: ProxyNode = {
  ...{ id: "n", kind: "weft", namespace: "default", serviceAccount: "web", workload: "web-1" },
  ...{ address: "10.66.0.1", labels: {}, features: [], captured: { dual: false } },
};

const policy = (mode: string): Manifest => ({
  apiVersion: "security.istio.io/v1",
  kind: "PeerAuthentication",
  metadata: { name: "default", namespace: "default" },
  spec: { mtls: { mode } },
});

function rendered(more: readonly Manifest[] = [], as = node) {
  const { mesh } = translate(buildSnapshot([...objects, ...more]));
  const all = renderFor(mesh, as);
  const listener = (name: string) =>
    fromBinary(ListenerSchema, all.get(typeUrls.listener)!.get(name)?.bytes ?? new Uint8Array());
  return { all, mesh, listener, names: [...all.get(typeUrls.listener)!.keys()].sort() };
}

describe("a captured node", () => {
  test("has a listener for each HTTP port and for each address of TCP, and no forward proxy", () => {
    const { mesh, names } = rendered();
    const { v4, v6 } = virtualAddresses(mesh.services).get("cache.default.svc.cluster.local")!;
    expect(names).toEqual(
      [
        ...["0.0.0.0_9080", "10.66.0.4_5432", "10.66.0.5_5432", `${v4}_6379`, `[${v6}]_6379`],
        ...["mesh_inbound", "virtualInbound", "virtualOutbound"],
      ].sort(),
    );
  });

  test("hands connections on by where they were meant to go", () => {
    const { listener } = rendered();
    expect(listener("virtualOutbound")).toMatchObject({ useOriginalDst: true });
    expect(listener("0.0.0.0_9080").bindToPort).toBe(false);
    const dual = rendered([], { ...node, captured: { dual: true } });
    const { address } = dual.listener("virtualOutbound").address!;
    expect(address.value).toMatchObject({ address: "::", ipv4Compat: true });
    expect(dual.names).toContain("[::]_9080");
  });

  test("knows services by host on the port that was called, by name and by address", () => {
    const { all, mesh } = rendered();
    const table = fromBinary(RouteConfigurationSchema, all.get(typeUrls.route)!.get("9080")!.bytes);
    const hosts = Object.fromEntries(table.virtualHosts.map((h) => [h.name, h.domains]));
    expect(hosts["web.default.svc.cluster.local:9080"]).toContain("web");
    expect(hosts["web.default.svc.cluster.local:9080"]).toContain(
      virtualAddresses(mesh.services).get("web.default.svc.cluster.local")!.v4,
    );
    expect(hosts["api.default.svc.cluster.local:9080"]).toContain("10.96.0.7:9080");
    expect(hosts["allow_any"]).toEqual(["*"]);
    const patterns = table.virtualHosts.flatMap((h) => h.routes.map((r) => r.match?.pathSpecifier.case));
    expect(patterns).not.toContain("connectMatcher");
  });

  test("reaches each endpoint of a headless service by its own address, over mutual TLS", () => {
    const { all } = rendered();
    const name = "outbound|5432|@db-1|db.default.svc.cluster.local";
    const cluster = fromBinary(ClusterSchema, all.get(typeUrls.cluster)!.get(name)!.bytes);
    expect(cluster.transportSocketMatches.map((m) => m.name)).toEqual(["tlsMode-istio", "tlsMode-disabled"]);
    expect(all.get(typeUrls.endpoints)!.has(name)).toBe(true);
  });

  test("gives endpoints of a headless service a listener each up to the limit", () => {
    const many = (n: number) =>
      rendered(
        Array.from({ length: n }, (_, i) => entry(`many-${i}`, "many", `10.67.${i >> 8}.${i & 255}`)).concat(
          service("many", [{ name: "tcp", port: 7 }], { clusterIP: "None" }),
        ),
      ).names.filter((name) => name.startsWith("10.67.")).length;
    expect(many(maxHeadlessEndpoints)).toBe(maxHeadlessEndpoints);
    expect(many(maxHeadlessEndpoints + 1)).toBe(maxHeadlessEndpoints);
  });

  test("takes both on one port when permissive, mutual TLS alone when strict, plaintext alone when disabled", () => {
    const chains = (mode: string) =>
      rendered([policy(mode)])
        .listener("virtualInbound")
        .filterChains.map((c) => [
          c.filterChainMatch?.destinationPort ?? 0,
          c.filterChainMatch?.transportProtocol,
          (c.filterChainMatch?.applicationProtocols.length ?? 0) > 0,
          c.transportSocket !== undefined,
          c.filters.length,
        ]);
    const blackhole = [15006, "", false, false, 1];
    expect(chains("STRICT")).toEqual([
      blackhole,
      ...[9080, 0].flatMap((port) => [
        [port, "tls", false, true, 1],
        [port, "raw_buffer", false, false, 0],
      ]),
    ]);
    const open = (port: number) => [
      [port, "raw_buffer", false, false, 1],
      [port, "tls", false, false, 1],
    ];
    expect(chains("DISABLE")).toEqual([blackhole, ...open(9080), ...open(0)]);
    expect(chains("PERMISSIVE")).toEqual([
      blackhole,
      ...[9080, 0].flatMap((port) => [[port, "tls", true, true, 1], ...open(port)]),
    ]);
  });

  test("is told the names: services, headless services with each endpoint, and what ports they have", () => {
    const { all, mesh } = rendered();
    const { table, clusterDomain } = fromBinary(
      NameTableSchema,
      all.get(typeUrls.nameTable)!.get("names")!.bytes,
    );
    const vip = virtualAddresses(mesh.services).get("web.default.svc.cluster.local")!;
    expect(clusterDomain).toBe("cluster.local");
    expect(table["web.default.svc.cluster.local"]).toMatchObject({ ips: [vip.v4, vip.v6], shortname: "web" });
    expect(table["api.default.svc.cluster.local"]!.ips).toEqual(["10.96.0.7"]);
    expect(table["db.default.svc.cluster.local"]).toMatchObject({
      ips: ["10.66.0.4", "10.66.0.5"],
      endpoints: ["db-0.db.default.svc.cluster.local", "db-1.db.default.svc.cluster.local"],
    });
    expect(table["db-1.db.default.svc.cluster.local"]!.ips).toEqual(["10.66.0.5"]);
    const { captured: _, ...explicit } = node;
    expect(rendered([], explicit).all.has(typeUrls.nameTable)).toBe(false);
  });
});

describe("virtual addresses", () => {
  const hosts = (n: number): Service[] =>
    Array.from({ length: n }, (_, i) => ({ host: `s${i}.test`, headless: false, addresses: [] }) as never);

  test("are unique, and stay when services come and go", () => {
    const all = virtualAddresses(hosts(3000));
    expect(new Set([...all.values()].map((v) => v.v4)).size).toBe(3000);
    expect(new Set([...all.values()].map((v) => v.v6)).size).toBe(3000);
    const fewer = virtualAddresses(hosts(3000).filter((_, i) => i !== 7));
    const moved = [...fewer].filter(([host, v]) => all.get(host)!.v4 !== v.v4);
    expect(moved.length).toBeLessThan(3);
    for (const { v4 } of all.values()) expect(["0", "255"]).not.toContain(v4.split(".")[3]!);
  });

  test("end where the range ends", () => {
    expect(virtualAddresses(hosts(maxVips)).size).toBe(maxVips);
    expect(virtualAddresses(hosts(maxVips + 1)).size).toBe(maxVips);
  });
});
