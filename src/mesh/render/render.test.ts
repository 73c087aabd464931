import { describe, expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { ListenerSchema } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import { RouteConfigurationSchema } from "../../proto/gen/envoy/config/route/v3/route_pb.js";
import { buildSnapshot, type KubeObject, translate } from "../translate/index.ts";
import { createRenderer, type ProxyNode, renderFor, typeUrls } from "./index.ts";

type Manifest = KubeObject & { readonly spec: unknown };

function service(name: string, namespace: string, ports: readonly object[]): Manifest {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports },
  };
}

function entry(
  name: string,
  app: string,
  address: string,
  annotations: Record<string, string> = {},
): Manifest {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "WorkloadEntry",
    metadata: { name, namespace: "default", labels: { "security.istio.io/tlsMode": "istio" }, annotations },
    spec: { address, labels: { app, version: "v1" }, serviceAccount: app },
  };
}

function node(workload: string, address: string, namespace = "default"): ProxyNode {
  return {
    id: workload,
    kind: "weft",
    namespace,
    serviceAccount: workload,
    workload,
    address,
    labels: {},
    features: [],
  };
}

const http = [{ name: "http", port: 9080 }];
const objects = [
  service("a", "default", http),
  service("b", "default", http),
  entry("a1", "a", "127.66.0.1"),
  entry("b1", "b", "127.66.0.2"),
];

describe("shared encodings", () => {
  test("proxies of one namespace have the same objects for clusters, endpoints and routes", () => {
    const { mesh } = translate(buildSnapshot(objects));
    const renderer = createRenderer();
    const [a, b] = [
      renderer.render(mesh, node("a1", "127.66.0.1")),
      renderer.render(mesh, node("b1", "127.66.0.2")),
    ];
    for (const type of [typeUrls.endpoints, typeUrls.route])
      for (const [name, resource] of a.get(type)!) expect(b.get(type)!.get(name)).toBe(resource);
    const cluster = "outbound|9080||a.default.svc.cluster.local";
    expect(b.get(typeUrls.cluster)!.get(cluster)).toBe(a.get(typeUrls.cluster)!.get(cluster)!);
  });

  test("proxies of other namespaces share clusters and endpoints", () => {
    const { mesh } = translate(buildSnapshot(objects));
    const renderer = createRenderer();
    const a = renderer.render(mesh, node("a1", "127.66.0.1"));
    const c = renderer.render(mesh, node("c", "127.66.0.3", "shop"));
    for (const [name, resource] of a.get(typeUrls.endpoints)!)
      expect(c.get(typeUrls.endpoints)!.get(name)).toBe(resource);
    expect(c.get(typeUrls.route)!.get("http_proxy")).not.toBe(a.get(typeUrls.route)!.get("http_proxy"));
  });

  test("a new mesh changes only what changed", () => {
    const renderer = createRenderer();
    const one = renderer.render(translate(buildSnapshot(objects)).mesh, node("a1", "127.66.0.1"));
    const more = [...objects, entry("b2", "b", "127.66.0.9")];
    const two = renderer.render(translate(buildSnapshot(more)).mesh, node("a1", "127.66.0.1"));
    const changed = [...two].flatMap(([type, resources]) =>
      [...resources].filter(([name, r]) => one.get(type)!.get(name) !== r).map(([name]) => name),
    );
    expect(changed).toEqual(["outbound|9080||b.default.svc.cluster.local"]);
  });
});

describe("names without a port", () => {
  const domains = (ports: readonly object[]): Map<string, string> => {
    const { mesh } = translate(buildSnapshot([service("m", "default", ports)]));
    const table = renderFor(mesh, node("x", "127.66.0.7")).get(typeUrls.route)!.get("http_proxy")!;
    const config = fromBinary(RouteConfigurationSchema, table.bytes);
    return new Map(config.virtualHosts.flatMap((h) => h.domains.map((d) => [d, h.name] as const)));
  };
  const fqdn = "m.default.svc.cluster.local";

  test("mean the only HTTP port", () => {
    const found = domains([
      { name: "http", port: 9080 },
      { name: "tcp", port: 1 },
    ]);
    expect(found.get("m")).toBe(`${fqdn}:9080`);
    expect(found.get("m:1")).toBe(`${fqdn}:1`);
  });
  test("mean port 80 where there are several", () => {
    expect(
      domains([
        { name: "http-a", port: 9080 },
        { name: "http-b", port: 80 },
      ]).get("m"),
    ).toBe(`${fqdn}:80`);
  });
  test("are answered with the ports otherwise", () => {
    expect(
      domains([
        { name: "http-a", port: 9080 },
        { name: "http-b", port: 9081 },
      ]).get("m"),
    ).toBe(fqdn);
  });
});

test("a proxy gets the ports of its own workload only, by its credential's namespace", () => {
  const { mesh } = translate(
    buildSnapshot([...objects, entry("a1", "a", "127.66.0.1", { "weft.dev/app-port": "40000" })]),
  );
  const names = (n: ProxyNode): string[] => [...renderFor(mesh, n).get(typeUrls.listener)!.keys()];
  expect(names(node("a1", "127.66.0.1"))).toEqual(["http_proxy", "inbound_9080", "mesh_inbound"]);
  expect(names(node("unknown", "127.66.0.1"))).toEqual(["http_proxy", "inbound_9080", "mesh_inbound"]);
  expect(names(node("a1", "127.66.0.1", "shop"))).toEqual(["http_proxy"]);
});

test("STRICT closes the published port and names the policy", () => {
  const policy: Manifest = {
    apiVersion: "security.istio.io/v1",
    kind: "PeerAuthentication",
    metadata: { name: "p", namespace: "default" },
    spec: { mtls: { mode: "STRICT" } },
  };
  const { mesh } = translate(buildSnapshot([...objects, policy]));
  const bytes = renderFor(mesh, node("a1", "127.66.0.1")).get(typeUrls.listener)!.get("inbound_9080")!.bytes;
  const [chain] = fromBinary(ListenerSchema, bytes).filterChains;
  expect(chain!.filters).toEqual([]);
  expect(chain!.metadata!.filterMetadata["weft"]).toEqual({
    owner: "PeerAuthentication/default/p",
    field: "spec.mtls.mode",
  });
});
