/** What gRPC clients and servers without a proxy are told, from names on; Envoy judges the parts that it knows. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary, type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type ProxyNode, type Rendered, renderFor, typeUrls } from "../../src/mesh/render/index.ts";
import { extensionRegistry, resourceSchema } from "../../src/proxy/compile/index.ts";
import { ensureEnvoy } from "../../src/testkit/peers.ts";
import { type Case, golden, nodeOf, readCase, translateCase } from "./harness.ts";

const here = join(import.meta.dir, "proxyless");
const envoy = ensureEnvoy();
const dir = mkdtempSync(join(tmpdir(), "weft-proxyless-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

type Kind = Exclude<keyof typeof typeUrls, "nameTable">;
/** Names are for those whose connections are captured. */
const kinds = Object.entries(typeUrls).flatMap(([kind, url]) => (kind === "nameTable" ? [] : [url]));

function json(rendered: Rendered, kind: Kind, name: string): JsonObject | null {
  const resource = rendered.get(typeUrls[kind])!.get(name);
  if (resource === undefined) return null;
  const schema = resourceSchema(typeUrls[kind].slice(typeUrls[kind].lastIndexOf("/") + 1))!;
  return toJson(schema, fromBinary(schema, resource.bytes), { registry: extensionRegistry }) as JsonObject;
}

/** Strings under a key, anywhere in a value. */
function under(value: JsonValue | null, key: string): readonly string[] {
  const found = new Set<string>();
  JSON.stringify(value, (name, inner) => {
    if (name === key && typeof inner === "string") found.add(inner);
    return inner;
  });
  return [...found];
}

type Asked = Readonly<Record<Kind, Readonly<Record<string, JsonObject | null>>>>;

/** As a client does: listeners by target, and from them on by what each resource names. */
function follow(rendered: Rendered, names: readonly string[]): Asked {
  const all = (kind: Kind, list: readonly string[]) =>
    Object.fromEntries(list.map((name) => [name, json(rendered, kind, name)]));
  const listener = all("listener", names);
  const route = all("route", under(listener, "routeConfigName"));
  const shares = JSON.stringify(route).match(/"outbound\|[^"]*\|[^"|]*"/g) ?? [];
  const clusters = [...new Set(shares.map((s) => JSON.parse(s) as string))].filter((s) => !(s in route));
  const cluster = all("cluster", [...new Set([...clusters, ...under(route, "cluster")])]);
  return { listener, route, cluster, endpoints: all("endpoints", under(cluster, "serviceName")) };
}

function clientOf(c: Case, key: string): ProxyNode {
  return { ...nodeOf(translateCase(c).mesh, key), kind: "grpc" };
}

for (const name of readdirSync(here).sort())
  describe(name, () => {
    const c = readCase(join(here, name));
    const asked = follow(renderFor(translateCase(c).mesh, clientOf(c, c.nodes[0]!)), c.asked);

    test("is told as expected", () => {
      const { got, want } = golden(c, "xds", asked);
      expect(got).toBe(want);
    });

    test.skipIf(envoy === undefined)("Envoy takes tables, clusters and endpoints", () => {
      expect(judge(asked)).toBe("");
    });
  });

test("whoever asks for everything gets nothing, and a name has one spelling", () => {
  const c = readCase(join(here, "story"));
  const rendered = renderFor(translateCase(c).mesh, clientOf(c, "default/web-api-v1-d4"));
  for (const kind of kinds) {
    const map = rendered.get(kind)!;
    expect([map.size, [...map], [...map.keys()], [...map.values()], [...map.entries()]]).toEqual([
      0,
      [],
      [],
      [],
      [],
    ]);
  }
  const has = (kind: Kind, name: string): boolean => rendered.get(typeUrls[kind])!.has(name);
  expect(has("cluster", "outbound|9080||reviews.default.svc.cluster.local")).toBe(true);
  for (const name of [
    "outbound|09080||reviews.default.svc.cluster.local",
    "outbound|9080||reviews",
    "outbound|9080|typo|reviews.default.svc.cluster.local",
    "inbound|9080||",
    "",
  ])
    expect(has("cluster", name)).toBe(false);
  for (const name of [
    "reviews:9080:1",
    "[::1]:9080",
    "reviews:",
    "reviews:99999",
    "grpc/server?xds.resource.listening_address=x",
    "grpc/server?xds.resource.listening_address=127.66.0.5:0",
  ])
    expect(has("listener", name)).toBe(false);
});

/** gRPC's own parts (api listeners, provider instances, non-forwarding routes) are left out: Envoy has none of them. */
function judge({ route, cluster, endpoints }: Asked): string {
  const isObject = (v: JsonObject | null): v is JsonObject => v !== null;
  const clusters = Object.values(cluster)
    .filter(isObject)
    .map(({ transportSocket: _, edsClusterConfig, ...rest }): JsonObject => {
      const assignment = endpoints[(edsClusterConfig as JsonObject)["serviceName"] as string];
      return { ...rest, type: "STATIC", loadAssignment: assignment ?? { clusterName: "none" } };
    });
  const listeners = Object.values(route)
    .filter(isObject)
    .map((table, n): JsonObject => {
      const own = JSON.parse(JSON.stringify(table), (_, v) =>
        Array.isArray(v) ? v.filter((item) => !(item as JsonObject | null)?.["nonForwardingAction"]) : v,
      ) as JsonObject;
      const config: JsonObject = {
        "@type":
          "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        statPrefix: "x",
        routeConfig: { ...own, validateClusters: false },
        httpFilters: [
          {
            name: "envoy.filters.http.router",
            typedConfig: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
          },
        ],
      };
      const filter = { name: "envoy.filters.network.http_connection_manager", typedConfig: config };
      const address = { socketAddress: { address: "127.0.0.1", portValue: 10_000 + n } };
      return { name: `l${n}`, address, filterChains: [{ filters: [filter] }] };
    });
  const file = join(dir, "bootstrap.json");
  writeFileSync(
    file,
    JSON.stringify({ node: { id: "x", cluster: "x" }, staticResources: { clusters, listeners } }),
  );
  const run = Bun.spawnSync([envoy!, "--mode", "validate", "-c", file, "-l", "error"], {
    stdout: "pipe",
    stderr: "pipe",
  });
  return run.exitCode === 0 ? "" : `${run.stdout}${run.stderr}`;
}
