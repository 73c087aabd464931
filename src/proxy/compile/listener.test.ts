import { describe, expect, test } from "bun:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { ListenerSchema } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import type { FilterChainConfig } from "../config/index.ts";
import { type CompiledListener, compileAny, type Outcome } from "./index.ts";
import { compile, ext, good, said } from "./test-support.ts";

describe("listeners", () => {
  const hcm = (more: JsonObject = {}): JsonObject => ({
    name: "http",
    typedConfig: {
      "@type": `${ext}filters.network.http_connection_manager.v3.HttpConnectionManager`,
      statPrefix: "s",
      rds: { routeConfigName: "t", configSource: { ads: {}, resourceApiVersion: "V3" } },
      httpFilters: [{ name: "r", typedConfig: { "@type": `${ext}filters.http.router.v3.Router` } }],
      ...more,
    },
  });
  const listener = (chains: JsonObject[], more: JsonObject = {}): Outcome =>
    compile(ListenerSchema, {
      name: "l",
      address: { socketAddress: { address: "127.0.0.1", portValue: 15001 } },
      filterChains: chains,
      ...more,
    });
  const chain = (outcome: Outcome): FilterChainConfig =>
    good<CompiledListener>(outcome).config.filterChains[0]!;

  test("have Envoy's defaults, and Weft's safer ones for header time-out and path", () => {
    const { filter } = chain(listener([{ filters: [hcm()] }]));
    expect(filter).toMatchObject({
      kind: "http",
      http: {
        routeTable: "t",
        requestHeadersTimeoutMs: 10_000,
        requestTimeoutMs: 0,
        streamIdleTimeoutMs: 300_000,
        idleTimeoutMs: 3_600_000,
        drainTimeoutMs: 5_000,
        maxHeaderBytes: 60 * 1024,
        maxHeaderCount: 100,
        serverName: "envoy",
        serverHeader: "overwrite",
        normalizePath: true,
        mergeSlashes: false,
        generateRequestId: true,
        forwardProxy: false,
        httpVersion10Accepted: false,
      },
    });
  });

  test("say how they come by connections, and what is looked at first", () => {
    const of = (more: JsonObject): Partial<CompiledListener["config"]> => {
      const { binds, handsOff, restoresAddress, inspectsHttp } = good<CompiledListener>(
        listener([{ filters: [hcm()] }], more),
      ).config;
      return { binds, handsOff, restoresAddress, inspectsHttp } as Partial<CompiledListener["config"]>;
    };
    const filter = (name: string, type: string): JsonObject => ({
      name: `envoy.filters.listener.${name}`,
      typedConfig: { "@type": `${ext}filters.listener.${name}.v3.${type}` },
    });
    expect(of({})).toEqual({});
    expect(of({ bindToPort: true, useOriginalDst: false })).toEqual({});
    expect(of({ bindToPort: false })).toEqual({ binds: false });
    expect(of({ useOriginalDst: true })).toEqual({ handsOff: true, restoresAddress: true });
    const listenerFilters = [
      filter("original_dst", "OriginalDst"),
      filter("http_inspector", "HttpInspector"),
    ];
    expect(of({ listenerFilters })).toEqual({ restoresAddress: true, inspectsHttp: true });
    expect(said(listener([{ filters: [hcm()] }], { transparent: true }))).toEqual([
      "listener.transparent: redirect rules are supported, TPROXY is not",
    ]);
  });

  test("take the ranges of internal addresses, and refuse what is none", () => {
    const ranges = (...cidrRanges: JsonObject[]): Outcome =>
      listener([{ filters: [hcm({ xffNumTrustedHops: 2, internalAddressConfig: { cidrRanges } })] }]);
    expect(
      chain(ranges({ addressPrefix: "10.0.0.0", prefixLen: 8 }, { addressPrefix: "::1", prefixLen: 128 })),
    ).toMatchObject({
      filter: {
        http: {
          xffNumTrustedHops: 2,
          internalAddresses: [
            { address: "10.0.0.0", prefixLength: 8 },
            { address: "::1", prefixLength: 128 },
          ],
        },
      },
    });
    expect(said(ranges({ addressPrefix: "host" })).join()).toContain("address_prefix: is not an IP address");
    expect(said(ranges({ addressPrefix: "10.0.0.0", prefixLen: 33 })).join()).toContain("must be 0 to 32");
  });

  test("wait for the tables they name and bring the inline ones", () => {
    const inline = hcm({ routeConfig: { virtualHosts: [] } });
    delete (inline["typedConfig"] as JsonObject)["rds"];
    const made = good<CompiledListener>(
      listener([{ filters: [hcm()] }], { defaultFilterChain: { filters: [inline] } }),
    );
    expect(made.routeTables).toEqual(["t"]);
    expect(made.inlineRoutes).toEqual([{ name: "inline:l/default", virtualHosts: [] }]);
  });

  test("accept and close where a chain has no filter, with the policy's name", () => {
    const metadata = { filterMetadata: { weft: { owner: "PeerAuthentication/default/strict" } } };
    expect(chain(listener([{ metadata }]))).toMatchObject({
      filter: { kind: "close" },
      owner: { object: "PeerAuthentication/default/strict" },
    });
  });

  test("take downstream TLS with names or files, and require what a client's certificate is verified with", () => {
    const tls = (commonTlsContext: JsonObject, requireClientCertificate = true): JsonObject => ({
      filters: [hcm()],
      transportSocket: {
        name: "tls",
        typedConfig: {
          "@type": `${ext}transport_sockets.tls.v3.DownstreamTlsContext`,
          requireClientCertificate,
          commonTlsContext,
        },
      },
    });
    const files = {
      tlsCertificates: [{ certificateChain: { filename: "c.pem" }, privateKey: { filename: "k.pem" } }],
      validationContext: { trustedCa: { filename: "ca.pem" } },
      tlsParams: { tlsMinimumProtocolVersion: "TLSv1_3" },
    };
    const made = good<CompiledListener>(listener([tls(files)]));
    expect(made.config.filterChains[0]!.tls).toEqual({
      certSecret: "listener/l/0/certificate",
      requireClientCertificate: true,
      validation: { caSecret: "listener/l/0/trusted_ca", sans: [], mode: "chain" },
      alpn: [],
      minVersion: 772,
      maxVersion: 772,
    });
    expect(made.secrets).toEqual([
      {
        name: "listener/l/0/certificate",
        cert: { kind: "file", path: "c.pem" },
        key: { kind: "file", path: "k.pem" },
      },
      { name: "listener/l/0/trusted_ca", ca: { kind: "file", path: "ca.pem" } },
    ]);
    const { validationContext: _, ...unverified } = files;
    expect(said(listener([tls(unverified)]))[0]).toContain(
      "require_client_certificate: needs a validation context",
    );
    expect(said(listener([tls({})]))[0]).toContain("tls_certificates or tls_certificate_sds_secret_configs");
    const old = { ...files, tlsParams: { tlsMinimumProtocolVersion: "TLSv1_0" } };
    expect(said(listener([tls(old)]))[0]).toContain("TLS below 1.2 is not supported");
  });

  test("refuse two chains that match the same, filters out of order and unknown ones", () => {
    const match = { filterChainMatch: { serverNames: ["a", "b"] } };
    const other = { filterChainMatch: { serverNames: ["B"] } };
    expect(said(listener([match, other]))).toEqual([
      "listener.filter_chains[1]: matches the same connections as filter_chains[0]",
    ]);
    const router = { name: "r", typedConfig: { "@type": `${ext}filters.http.router.v3.Router` } };
    expect(said(listener([{ filters: [hcm({ httpFilters: [router, router] })] }]))).toEqual([
      "listener.filter_chains[0].filters[0].http_connection_manager.http_filters[0]: the router filter must be the last one",
    ]);
    const upgrade = { upgradeConfigs: [{ upgradeType: "websocket" }] };
    expect(said(listener([{ filters: [hcm(upgrade)] }]))[0]).toContain(
      "http_connection_manager.upgrade_configs[0].upgrade_type: only CONNECT is supported",
    );
    expect(said(listener([{ filterChainMatch: { sourcePorts: [1] } }]))).toEqual([
      "listener.filter_chains[0].filter_chain_match.source_ports: this field is not supported",
    ]);
  });

  test("take access logs, and refuse operators that nothing fills in", () => {
    const log = (more: JsonObject): JsonObject => ({
      accessLog: [
        {
          name: "f",
          typedConfig: {
            "@type": `${ext}access_loggers.file.v3.FileAccessLog`,
            path: "/dev/stdout",
            ...more,
          },
        },
      ],
    });
    const made = chain(
      listener([{ filters: [hcm(log({ logFormat: { jsonFormat: { code: "%RESPONSE_CODE%" } } }))] }]),
    );
    expect(made.filter).toMatchObject({
      http: {
        accessLogs: [{ path: "stdout", format: { kind: "json", fields: { code: "%RESPONSE_CODE%" } } }],
      },
    });
    const bad = log({ logFormat: { textFormatSource: { inlineString: "%NO_SUCH%\n" } } });
    expect(said(listener([{ filters: [hcm(bad)] }]))[0]).toContain("%NO_SUCH% is not supported");
  });
});

describe("bytes", () => {
  test("that do not decode, unknown fields and unknown types are errors, not exceptions", () => {
    const typeUrl = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    const of = (url: string, value: number[]): string =>
      said(compileAny({ $typeName: "google.protobuf.Any", typeUrl: url, value: new Uint8Array(value) }))[0] ??
      "";
    expect(of(typeUrl, [0xff])).toContain("does not decode as envoy.config.cluster.v3.Cluster");
    expect(of("type.googleapis.com/x.Y", [])).toContain("is not a resource that a proxy runs");
    // Field 1999, a varint, behind the name "c".
    expect(of(typeUrl, [0x0a, 1, 0x63, 0xf8, 0x7c, 1])).toBe(
      "cluster: field number 1999 of envoy.config.cluster.v3.Cluster is not known to this version",
    );
  });
});
