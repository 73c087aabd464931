import { describe, expect, test } from "bun:test";
import { loadBootstrap } from "./index.ts";
import { maxBootstrapBytes } from "./limits.ts";

const good = `
node: {id: test, cluster: test}
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 15000}}
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 15001}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          route_config:
            name: local
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: "/"}
                route: {cluster: backend}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: backend
    connect_timeout: 1s
    type: STATIC
    load_assignment:
      cluster_name: backend
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 8080}}}
`;

async function errors(text: string): Promise<string[]> {
  const result = await loadBootstrap(text, "b.yaml");
  if (result.ok) return [];
  return result.errors.map((e) => `${e.where.line}:${e.where.column} ${e.path}: ${e.message}`);
}

const edited = (from: string, to: string): Promise<string[]> => {
  expect(good).toContain(from);
  return errors(good.replace(from, to));
};

describe("loadBootstrap()", () => {
  test("reads node, admin, clusters and listeners", async () => {
    const result = await loadBootstrap(good, "b.yaml");
    if (!result.ok) throw new Error(JSON.stringify(result.errors));
    const { node, admin, resources } = result.bootstrap;
    expect(node).toEqual({ id: "test", cluster: "test", metadata: {} });
    expect(admin).toEqual({ address: "127.0.0.1", port: 15000 });
    expect(resources.map(({ resource }) => `${resource.type} ${resource.name}`)).toEqual([
      "cluster backend",
      "listener main",
    ]);
    expect(result.warnings).toEqual([]);
  });

  test("reads the same from JSON", async () => {
    const { parse } = await import("yaml");
    const yaml = await loadBootstrap(good, "b.yaml");
    const json = await loadBootstrap(JSON.stringify(parse(good)), "b.yaml");
    expect(json).toEqual(yaml);
  });

  test("names an unknown field with its place and the one that was meant", async () => {
    expect(await edited("connect_timeout: 1s", "conect_timeout: 1s")).toEqual([
      "28:5 static_resources.clusters[0].conect_timeout: Cluster has no such field; did you mean connect_timeout?",
    ]);
  });

  test("names a value of the wrong type with its place", async () => {
    expect(await edited("type: STATIC", "type: STATICAL")).toEqual([
      expect.stringContaining(
        '29:5 static_resources.clusters[0].type: "STATICAL" is not one of STATIC, STRICT_DNS',
      ),
    ]);
    expect(await edited("connect_timeout: 1s", "connect_timeout: soon")).toEqual([
      expect.stringMatching(/^28:5 static_resources\.clusters\[0\]\.connect_timeout: /),
    ]);
    expect(await edited("port_value: 8080", "port_value: many")).toEqual([
      expect.stringMatching(/^34:69 static_resources.*\.socket_address\.port_value: /),
    ]);
  });

  test("names a field that is known and not supported, through typed_config", async () => {
    expect(await edited("stat_prefix: ingress", "stat_prefix: ingress\n          codec_type: HTTP3")).toEqual(
      [
        "15:11 static_resources.listeners[0].filter_chains[0].filters[0].http_connection_manager.codec_type: " +
          "only AUTO, HTTP1 and HTTP2 are supported",
      ],
    );
    expect(await edited("http.router.v3.Router", "http.lua.v3.Lua")).toEqual([
      expect.stringContaining(
        'http_filters[0].typed_config["@type"]: type type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua is not',
      ),
    ]);
  });

  test("refuses sources that nobody serves, and references to what only a control plane has", async () => {
    const dynamic = (text: string) => errors(`${good}dynamic_resources: ${text}\n`);
    expect(await dynamic("{lds_config: {ads: {}}}")).toEqual([
      "35:21 dynamic_resources.lds_config: takes the aggregated stream, and there is no ads_config",
    ]);
    const api = "api_type: GRPC, transport_api_version: V3";
    for (const [text, path] of [
      ["ads_config: {api_type: REST}", "ads_config.api_type: GRPC and DELTA_GRPC are supported"],
      [`ads_config: {${api}}`, "ads_config.grpc_services: is required"],
      ["cds_config: {path_config_source: {path: ''}}", "path_config_source.path: is required"],
      ["cds_config: {resource_api_version: V2}", "resource_api_version: "],
      [
        `ads_config: {${api}, grpc_services: [{envoy_grpc: {cluster_name: x}}]}`,
        '"x" is not a static cluster',
      ],
      [
        `ads_config: {${api}, grpc_services: [{google_grpc: {target_uri: a:1, call_credentials: [{access_token: t}]}}]}`,
        "call_credentials: are sent over TLS only",
      ],
      [
        `ads_config: {${api}, grpc_services: [{google_grpc: {target_uri: a:1, channel_credentials: {google_default: {}}}}]}`,
        "google_default: give ssl_credentials",
      ],
    ] as const)
      expect((await dynamic(`{${text}}`)).join("\n")).toContain(path);
    expect(
      await edited("    type: STATIC", "    type: EDS\n    eds_cluster_config: {eds_config: {ads: {}}}"),
    ).toEqual([
      expect.stringContaining("load_assignment: an EDS cluster has none of its own"),
      expect.stringContaining(
        'eds_cluster_config: EDS "backend" is not in the file, and there is no ads_config',
      ),
    ]);
  });

  test("refuses two of one name, two settings of a oneof and a text that is no YAML", async () => {
    const twice = good.replace("  clusters:", "  clusters:\n  - {name: backend, type: STATIC}");
    expect(await errors(twice)).toEqual([
      '28:5 static_resources.clusters[1].name: "backend" is there already',
    ]);
    expect(await edited('match: {prefix: "/"}', 'match: {prefix: "/", path: "/x"}')).toEqual([
      expect.stringContaining("match.path: cannot be set beside prefix"),
    ]);
    expect(await errors("a: [1")).toEqual([expect.stringMatching(/^1:\d+ : /)]);
    expect(await errors("[]")).toEqual(["1:1 : an object is expected here (Bootstrap)"]);
  });

  test("takes a file at the limit of size and refuses one above it", async () => {
    const pad = good + " ".repeat(maxBootstrapBytes - good.length);
    expect(await errors(pad)).toEqual([]);
    expect(await errors(`${pad} `)).toEqual([`1:1 : is above ${maxBootstrapBytes} bytes`]);
  });

  test("bounds YAML aliases", async () => {
    const bomb = ["a: &a [1,1,1,1,1,1,1,1,1]", "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]"];
    bomb.push("c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]", "d: [*c,*c,*c,*c,*c,*c,*c,*c,*c]");
    expect(await errors(bomb.join("\n"))).toEqual([expect.stringContaining("Excessive alias count")]);
  });

  test("keeps inline keys out of the dump", async () => {
    const secret =
      "\n  secrets:\n  - name: own\n    tls_certificate:\n" +
      "      certificate_chain: {inline_string: CHAIN}\n      private_key: {inline_string: HUSH}\n";
    const result = await loadBootstrap(good.trimEnd() + secret, "b.yaml");
    if (!result.ok) throw new Error(JSON.stringify(result.errors));
    expect(result.bootstrap.json).toContain("CHAIN");
    expect(result.bootstrap.json).not.toContain("HUSH");
    expect(result.bootstrap.secrets).toEqual([
      { name: "own", cert: { kind: "inline", text: "CHAIN" }, key: { kind: "inline", text: "HUSH" } },
    ]);
  });
});
