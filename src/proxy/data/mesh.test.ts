import { afterEach, describe, expect, test } from "bun:test";
import { type IssuingCa, issue, issuingCa } from "../../testkit/issue.ts";
import { chain, sni, spiffe } from "../../testkit/mesh-tls.ts";
import type { ListenerConfig, SecretChange, UpstreamTls } from "../config/index.ts";
import {
  answering,
  change,
  connect,
  endpoint,
  listener,
  type Origin,
  ok,
  origin,
  peer,
  route,
  type TestPlane,
  tcpTo,
  testPlane,
} from "./test-support.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const c of cleanups.splice(0)) c();
});

function identity(ca: IssuingCa, sa: string): readonly SecretChange[] {
  const issued = issue({ ca, spiffe: spiffe(sa) });
  return [
    { name: "default", certPem: issued.cert, keyPem: issued.key },
    { name: "ROOTCA", caPem: ca.pem },
  ];
}

function give(plane: TestPlane, secrets: readonly SecretChange[]): void {
  plane.handle({ kind: "update", seq: 1000, resources: [], secrets });
}

const upstreamTls = (allowed: string): UpstreamTls => ({
  certSecret: "default",
  validation: { caSecret: "ROOTCA", sans: [{ kind: "exact", value: spiffe(allowed) }], mode: "spiffe" },
  sni,
  alpn: ["http/1.1"],
  minVersion: 772,
  maxVersion: 772,
});

const meshListener = (): ListenerConfig => ({
  ...listener(),
  name: "mesh",
  direction: "inbound",
  filterChains: [chain()],
});

/** client -> outbound plane -> mutual TLS -> inbound plane -> origin. */
function meshPair(
  backend: Origin,
  options: { serverCa?: IssuingCa; serverSa?: string } = {},
): { out: TestPlane; inn: TestPlane } {
  const ca = issuingCa();
  const inn = testPlane();
  give(inn, identity(options.serverCa ?? ca, options.serverSa ?? "reviews"));
  const inbound = [
    change.cluster({
      service: { host: "reviews.default.svc.cluster.local", name: "reviews", namespace: "default" },
    }),
    change.endpoints("origin", [endpoint(backend.port, 0)]),
    change.routes([route("origin")]),
    change.listener(meshListener()),
  ];
  expect(inn.apply(inbound)).toEqual([]);
  const out = testPlane();
  give(out, identity(ca, "productpage"));
  const outbound = [
    change.cluster({
      transports: [upstreamTls("reviews")],
      service: { host: "reviews.default.svc.cluster.local", name: "reviews", namespace: "default" },
    }),
    change.endpoints("origin", [
      endpoint(inn.port("mesh"), 0, { peer: { ...peer, workload: "reviews-v1" } }),
    ]),
    change.routes([route("origin")]),
    change.listener(listener()),
  ];
  expect(out.apply(outbound)).toEqual([]);
  cleanups.push(
    () => out.stop(),
    () => inn.stop(),
    () => backend.stop(),
  );
  return { out, inn };
}

describe("mutual TLS between two data planes", () => {
  test("carries requests on one connection and knows both principals", async () => {
    const backend = answering((n) => ok(`mesh ${n}`));
    const { out, inn } = meshPair(backend);
    const client = await connect(out.port("main"));
    for (const n of [1, 2, 3]) {
      client.send("GET / HTTP/1.1\r\nHost: reviews\r\n\r\n");
      await client.inbox.match(new RegExp(`mesh ${n}$`));
    }
    const principals = {
      source_principal: "spiffe://cluster.local/ns/default/sa/productpage",
      destination_principal: "spiffe://cluster.local/ns/default/sa/reviews",
    };
    expect(
      inn.metric("istio_requests_total", {
        ...principals,
        connection_security_policy: "mutual_tls",
        response_code: "200",
      }),
    ).toBe(3);
    expect(
      out.metric("istio_requests_total", {
        ...principals,
        reporter: "source",
        destination_workload: "reviews-v1",
      }),
    ).toBe(3);
    expect(out.metric("envoy_cluster_upstream_cx_total")).toBe(1);
  });

  test("a relayed TCP connection is opened and closed under both principals", async () => {
    const backend = answering(() => ok("relayed"));
    const { out } = meshPair(backend);
    const chains = [{ ...listener().filterChains[0]!, filter: tcpTo("origin") }];
    expect(out.apply([change.listener(listener({ name: "tcp", filterChains: chains }))])).toEqual([]);
    const client = await connect(out.port("tcp"));
    client.send("GET / HTTP/1.1\r\nHost: reviews\r\nConnection: close\r\n\r\n");
    await client.inbox.match(/relayed$/);
    client.end();
    const count = (what: string): number =>
      out.metric(`istio_tcp_connections_${what}_total`, {
        source_principal: spiffe("productpage"),
        destination_principal: spiffe("reviews"),
      });
    while (count("closed") === 0) await new Promise((resolve) => setImmediate(resolve));
    expect([count("opened"), count("closed")]).toEqual([1, 1]);
    expect(out.metric("istio_tcp_connections_opened_total")).toBe(1);
  });

  test("peer metadata never reaches the application", async () => {
    const backend = origin((socket) => {
      if (socket.inbox.text.endsWith("\r\n\r\n")) socket.send(ok("x"));
    });
    const { out } = meshPair(backend);
    const client = await connect(out.port("main"));
    client.send("GET / HTTP/1.1\r\nHost: reviews\r\nX-Weft-Reason: forged\r\n\r\n");
    await client.inbox.match(/x$/);
    expect(backend.connections[0]!.inbox.text).not.toMatch(/x-envoy-peer-metadata|x-weft-reason/i);
  });

  test.each([
    ["a server of a foreign CA", { serverCa: issuingCa() }],
    ["a server with another identity", { serverSa: "ratings" }],
  ])("%s gets no byte of the request", async (_, options) => {
    const backend = answering(() => ok("never"));
    const { out, inn } = meshPair(backend, options);
    const client = await connect(out.port("main"));
    client.send("GET / HTTP/1.1\r\nHost: reviews\r\n\r\n");
    await client.inbox.match(/reset reason: remote connection failure/);
    expect(client.inbox.text).toStartWith("HTTP/1.1 503 ");
    expect(backend.connections.length).toBe(0);
    expect(inn.metric("istio_requests_total")).toBe(0);
  });

  test("local replies name the deciding object to mesh peers only", async () => {
    const backend = answering(() => ok("never"));
    const { inn, out } = meshPair(backend);
    const owned = {
      ...route("missing"),
      owner: { object: "VirtualService/default/x", field: "spec.http[0]" },
    };
    inn.apply([change.routes([owned])]);
    const client = await connect(out.port("main"));
    client.send("GET / HTTP/1.1\r\nHost: reviews\r\n\r\n");
    await client.inbox.match(/503[\s\S]*\r\n\r\n/);
    expect(client.inbox.text).not.toContain("x-weft-reason");
  });

  test("a rotated certificate serves new connections; old ones go on", async () => {
    const backend = answering((n) => ok(`r${n}`));
    const { out } = meshPair(backend);
    const client = await connect(out.port("main"));
    client.send("GET / HTTP/1.1\r\nHost: reviews\r\n\r\n");
    await client.inbox.match(/r1$/);
    const other = issuingCa();
    give(out, identity(other, "productpage"));
    client.send("GET / HTTP/1.1\r\nHost: reviews\r\n\r\n");
    await client.inbox.match(/r2$/);
  });
});
