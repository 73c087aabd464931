import { describe, expect, test } from "bun:test";
import { createTestCa } from "../../testkit/index.ts";
import {
  bootstrapFacts,
  clusterRows,
  endpointRows,
  listenerRows,
  readDump,
  routeRows,
  secretRows,
} from "./index.ts";

const type = (name: string): { "@type": string } => ({
  "@type": `type.googleapis.com/envoy.admin.v3.${name}ConfigDump`,
});
const istio = (path: string): unknown => ({ filter_metadata: { istio: { config: path } } });
const weft = (owner: string, more: object = {}): unknown => ({
  filter_metadata: { weft: { owner, ...more } },
});

/** As Envoy writes it, from a cluster that Istio runs. */
const envoys = {
  configs: [
    {
      ...type("Clusters"),
      static_clusters: [{ cluster: { name: "xds-grpc", type: "STATIC" } }],
      dynamic_active_clusters: [
        {
          version_info: "1",
          cluster: {
            name: "outbound|9080|v1|reviews.default.svc.cluster.local",
            type: "EDS",
            metadata: istio("/apis/networking.istio.io/v1/namespaces/default/destination-rule/reviews"),
          },
        },
        { cluster: { name: "outbound|80||ratings.default.svc.cluster.local", type: "EDS" } },
        { cluster: { name: "outbound|9080||reviews.default.svc.cluster.local", type: "EDS" } },
        { cluster: { name: "outbound_.9080_._.reviews.default.svc.cluster.local", type: "EDS" } },
        {
          cluster: {
            name: "PassthroughCluster",
            cluster_type: { name: "envoy.clusters.dynamic_forward_proxy" },
          },
        },
      ],
      dynamic_warming_clusters: [
        {
          cluster: {
            name: "inbound|9080||",
            metadata: weft("Service/default/reviews", {
              service: { host: "reviews.default.svc.cluster.local" },
            }),
          },
        },
      ],
    },
    {
      ...type("Listeners"),
      static_listeners: [
        { listener: { name: "admin", address: { socket_address: { address: "::1", port_value: 15090 } } } },
      ],
      dynamic_listeners: [
        {
          name: "virtualInbound",
          active_state: {
            version_info: "7",
            listener: {
              name: "virtualInbound",
              traffic_direction: "INBOUND",
              address: { socket_address: { address: "0.0.0.0", port_value: 15006 } },
              filter_chains: [
                {
                  filter_chain_match: {
                    transport_protocol: "tls",
                    server_names: ["a", "b"],
                    application_protocols: ["h2"],
                    destination_port: 9080,
                    prefix_ranges: [{ address_prefix: "10.0.0.0", prefix_len: 8 }],
                  },
                  metadata: weft("PeerAuthentication/default/p", {
                    field: "spec.mtls.mode",
                    source: "p.yaml:7:3",
                  }),
                  filters: [
                    {
                      typed_config: {
                        "@type": "type.googleapis.com/x.HttpConnectionManager",
                        route_config: {
                          name: "inbound|9080||",
                          virtual_hosts: [
                            {
                              name: "inbound|http|9080",
                              domains: ["*"],
                              routes: [{ match: { prefix: "/" }, route: { cluster: "inbound|9080||" } }],
                            },
                          ],
                        },
                      },
                    },
                  ],
                },
                { filters: [] },
              ],
              default_filter_chain: {
                filters: [
                  {
                    typed_config: {
                      "@type": "type.googleapis.com/x.TcpProxy",
                      weighted_clusters: {
                        clusters: [
                          { name: "a", weight: 1 },
                          { name: "b", weight: 3 },
                        ],
                      },
                    },
                  },
                ],
              },
            },
          },
          error_state: { details: "no such filter", version_info: "8" },
        },
        { name: "broken", error_state: { details: "port taken", failed_configuration: { name: "broken" } } },
      ],
    },
    {
      ...type("Routes"),
      dynamic_route_configs: [
        {
          route_config: {
            name: "9080",
            virtual_hosts: [
              {
                name: "reviews.default.svc.cluster.local:9080",
                domains: ["reviews", "reviews.default", "reviews.default.svc"],
                routes: [
                  {
                    match: {
                      prefix: "/",
                      headers: [
                        { name: "end-user", string_match: { exact: "jason" } },
                        { name: "x", present_match: true, invert_match: true },
                        { name: "old", exact_match: "1" },
                      ],
                      query_parameters: [{ name: "q", string_match: { safe_regex: { regex: "a+" } } }],
                    },
                    metadata: istio(
                      "/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews-route",
                    ),
                    route: {
                      weighted_clusters: {
                        clusters: [
                          { name: "outbound|9080|v1|reviews.default.svc.cluster.local", weight: 1 },
                          { name: "outbound|9080|v2|reviews.default.svc.cluster.local", weight: 2 },
                        ],
                      },
                    },
                  },
                  { match: { path: "/old" }, redirect: { response_code: "FOUND", host_redirect: "new" } },
                  { match: { connect_matcher: {} }, direct_response: { status: 404 } },
                ],
              },
            ],
          },
        },
      ],
    },
  ],
};

const dump = readDump(envoys)!;

describe("clusters", () => {
  test("Istio's names are taken apart; the owner is the object, also by Istio's path", () => {
    expect(
      clusterRows(dump).map((r) => [r.fqdn, r.port, r.subset, r.direction, r.type, r.owner.object]),
    ).toEqual([
      ["PassthroughCluster", "-", "-", "-", "dynamic_forward_proxy", ""],
      ["ratings.default.svc.cluster.local", "80", "-", "outbound", "EDS", ""],
      ["reviews.default.svc.cluster.local", "9080", "-", "inbound", "STATIC", "Service/default/reviews"],
      ["reviews.default.svc.cluster.local", "9080", "-", "outbound", "EDS", ""],
      ["reviews.default.svc.cluster.local", "9080", "-", "outbound", "EDS", ""],
      [
        "reviews.default.svc.cluster.local",
        "9080",
        "v1",
        "outbound",
        "EDS",
        "DestinationRule/default/reviews",
      ],
      ["xds-grpc", "-", "-", "-", "STATIC", ""],
    ]);
  });

  test("each filter narrows", () => {
    const names = (filter: Parameters<typeof clusterRows>[1]): number => clusterRows(dump, filter).length;
    expect(names({ fqdn: "reviews" })).toBe(4);
    expect(names({ fqdn: "review" })).toBe(0);
    expect(names({ fqdn: "reviews", direction: "outbound" })).toBe(3);
    expect(names({ subset: "v1" })).toBe(1);
    expect(names({ port: 80 })).toBe(1);
    expect(names({ name: "xds-grpc" })).toBe(1);
  });
});

test("listeners: a row for each chain, refusals kept beside what runs on", () => {
  const rows = listenerRows(dump);
  expect(rows.map((r) => [r.name, r.address, r.port, r.match, r.destination, r.owner.where])).toEqual([
    ["broken", "-", "0", "-", "refused", ""],
    [
      "virtualInbound",
      "0.0.0.0",
      "15006",
      "Trans: tls; SNI: a,b; ALPN: h2; Addr: 10.0.0.0/8; Port: 9080",
      "Inline Route: inbound|9080||",
      "p.yaml:7:3",
    ],
    ["virtualInbound", "0.0.0.0", "15006", "ALL", "closed at once", ""],
    ["virtualInbound", "0.0.0.0", "15006", "else", "Cluster: a 1, b 3", ""],
    ["admin", "::1", "15090", "-", "-", ""],
  ]);
  expect(rows.map((r) => r.source.error)).toEqual([
    "port taken",
    "no such filter",
    "no such filter",
    "no such filter",
    "",
  ]);
  expect(listenerRows(dump, { direction: "inbound" })).toHaveLength(3);
  expect(listenerRows(dump, { address: "::1" })).toHaveLength(1);
});

test("routes: conditions, shares, redirects and answers as a person reads them", () => {
  const rows = routeRows(dump);
  expect(rows.map((r) => [r.name, r.match, r.destination, r.owner.object])).toEqual([
    [
      "9080",
      "/* end-user=jason x! old=1 ?q~a+",
      "reviews.default.svc.cluster.local:9080 v1 33.3%, reviews.default.svc.cluster.local:9080 v2 66.7%",
      "VirtualService/default/reviews-route",
    ],
    ["9080", "/old", "redirects 302 new", ""],
    ["9080", "CONNECT", "answers 404", ""],
    ["inbound|9080||", "/*", "the application's port 9080", ""],
  ]);
  expect(routeRows(dump, { fqdn: "reviews" })).toHaveLength(3);
  expect(routeRows(dump, { name: "inbound|9080||" })).toHaveLength(1);
  expect(routeRows(dump, { port: 9080 })).toHaveLength(4);
});

test("endpoints: what was configured, with the health that the proxy saw; istioctl's camel case is read too", () => {
  const cluster = "outbound|9080|v1|reviews.default.svc.cluster.local";
  const config = {
    configs: [
      {
        ...type("Clusters"),
        dynamicActiveClusters: [
          {
            cluster: {
              name: cluster,
              metadata: { filterMetadata: { weft: { owner: "DestinationRule/default/r" } } },
            },
          },
        ],
      },
      {
        ...type("Endpoints"),
        dynamicEndpointConfigs: [
          {
            endpointConfig: {
              clusterName: cluster,
              endpoints: [
                {
                  lbEndpoints: [
                    {
                      endpoint: { address: { socketAddress: { address: "127.66.0.1", portValue: 15008 } } },
                      healthStatus: "DRAINING",
                      metadata: {
                        filterMetadata: {
                          "envoy.transport_socket_match": { tlsMode: "istio" },
                          weft: { peer: { workload: "reviews-v1", namespace: "default" } },
                        },
                      },
                    },
                  ],
                },
              ],
            },
          },
        ],
      },
    ],
  };
  const [row] = endpointRows(readDump(config)!);
  expect(row).toEqual({
    endpoint: "127.66.0.1:15008",
    cluster,
    status: "DRAINING",
    outlier: "-",
    weight: "1",
    workload: "reviews-v1.default",
    tls: "mutual",
    owner: { object: "DestinationRule/default/r", where: "" },
  });
  const host = (more: object): object => ({
    cluster_statuses: [
      {
        name: cluster,
        host_statuses: [
          { address: { socket_address: { address: "127.66.0.1", port_value: 15008 } }, health_status: more },
        ],
      },
    ],
  });
  const both = endpointRows(
    readDump({ ...config, ...host({ eds_health_status: "HEALTHY", failed_outlier_check: true }) })!,
  );
  expect(both.map((r) => [r.status, r.outlier, r.workload])).toEqual([
    ["DRAINING", "FAILED", "reviews-v1.default"],
  ]);
  const only = readDump(host({ failed_active_health_check: true }))!;
  expect(endpointRows(only).map((r) => r.status)).toEqual(["UNHEALTHY"]);
  expect(
    endpointRows(only, { fqdn: "reviews", port: 15008, address: "127.66.0.1", status: "unhealthy" }),
  ).toHaveLength(1);
  expect(endpointRows(only, { port: 1 })).toHaveLength(0);
  expect(endpointRows(only, { cluster: "x" })).toHaveLength(0);
});

test("secrets: times and identity of certificates, valid only within them", async () => {
  const ca = await createTestCa();
  const leaf = await ca.leaf({ uris: ["spiffe://cluster.local/ns/default/sa/a"] });
  const found = readDump({
    configs: [
      {
        ...type("Secrets"),
        dynamic_active_secrets: [
          {
            secret: {
              name: "default",
              tls_certificate: {
                certificate_chain: { inline_bytes: Buffer.from(leaf.certPem).toString("base64") },
              },
            },
          },
          { secret: { name: "ROOTCA", validation_context: { trusted_ca: { inline_string: ca.caPem } } } },
        ],
        dynamic_warming_secrets: [{ secret: { name: "late" } }],
      },
    ],
  })!;
  const [own] = secretRows(found, 0);
  const middle = (Date.parse(own!.notBefore) + Date.parse(own!.notAfter)) / 2;
  expect(secretRows(found, middle).map((r) => [r.name, r.type, r.status, r.valid, r.identity])).toEqual([
    ["default", "Cert Chain", "ACTIVE", true, "spiffe://cluster.local/ns/default/sa/a"],
    ["ROOTCA", "CA", "ACTIVE", true, ""],
    ["late", "-", "WARMING", undefined, ""],
  ]);
  expect(secretRows(found, Date.parse(own!.notAfter) + 1)[0]!.valid).toBe(false);
  expect(secretRows(found, middle, { name: "ROOTCA" })).toHaveLength(1);
});

test("bootstrap facts; what is no dump is said so", () => {
  const bootstrap = {
    node: { id: "sidecar~1", cluster: "reviews" },
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 15000 } } },
    dynamic_resources: {
      ads_config: { api_type: "DELTA_GRPC", grpc_services: [{ envoy_grpc: { cluster_name: "xds" } }] },
    },
    static_resources: { clusters: [{ name: "xds" }] },
  };
  expect(bootstrapFacts(readDump({ configs: [{ ...type("Bootstrap"), bootstrap }] })!)).toEqual([
    ["node id", "sidecar~1"],
    ["cluster", "reviews"],
    ["admin", "127.0.0.1:15000"],
    ["control plane", "xds (DELTA_GRPC)"],
    ["static listeners", "0"],
    ["static clusters", "1"],
  ]);
  expect(readDump([])).toBeUndefined();
  expect(readDump({})).toBeUndefined();
  expect(readDump("x")).toBeUndefined();
});
