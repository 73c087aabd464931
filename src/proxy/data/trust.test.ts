/** Who is heard on the mesh port and what is believed of whom (HARDENING 32-36; DESIGN 4 on x-weft-reason). */
import { afterEach, describe, expect, test } from "bun:test";
import { systemClock } from "../../base/index.ts";
import { issue, issuingCa } from "../../testkit/issue.ts";
import {
  ca,
  chain,
  connectTls,
  caller as good,
  meshPlane,
  mutual,
  own,
  secrets,
  sni,
  spiffe,
} from "../../testkit/mesh-tls.ts";
import type { TlsInfo } from "../../wire/tls/index.ts";
import type { DownstreamTls, FilterChainConfig, UpstreamTls } from "../config/index.ts";
import { transportSweepLeast } from "./limits.ts";
import { Secrets } from "./secrets.ts";
import * as support from "./test-support.ts";
import { tlsTransport } from "./transport.ts";

const { change, endpoint, ok, route } = support;
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const c of cleanups.splice(0)) c();
});

const hour = 3_600_000;
const now = systemClock.wall();

function inbound(backend: support.Origin, filterChains: readonly FilterChainConfig[]): support.TestPlane {
  const plane = meshPlane(backend.port, filterChains);
  cleanups.push(
    () => plane.stop(),
    () => backend.stop(),
  );
  return plane;
}

interface Dial {
  readonly cert?: string;
  readonly key?: string;
  readonly alpn?: readonly string[];
  readonly send: string;
}

/** What a TLS client hears until the connection is over, or until `done`. */
async function dial(port: number, options: Dial, done: RegExp): Promise<support.Inbox> {
  const client = await connectTls(port, options, options.alpn);
  client.send(options.send);
  const { inbox } = client;
  await inbox.until(() => inbox.closed || done.test(inbox.text));
  client.end();
  return inbox;
}

const ask = "GET / HTTP/1.1\r\nHost: reviews\r\nConnection: close\r\n\r\n";
const caller = spiffe("productpage");
/** A SPIFFE id without a namespace. */
const odd = "spiffe://cluster.local/host/h1";

const strangers: readonly (readonly [string, { cert?: string; key?: string }])[] = [
  ["no certificate", {}],
  ["foreign CA", issue({ ca: issuingCa(), spiffe: caller })],
  ["expired", issue({ ca, spiffe: caller, notBefore: now - 2 * hour, notAfter: now - hour })],
  ["not yet valid", issue({ ca, spiffe: caller, notBefore: now + hour, notAfter: now + 2 * hour })],
  ["serverAuth only", issue({ ca, spiffe: caller, eku: ["server"] })],
  ["CA:true", issue({ ca, spiffe: caller, isCa: true })],
  ["two URI SANs", issue({ ca, spiffe: caller, extraUris: [spiffe("admin")] })],
  ["NUL in the SAN", issue({ ca, spiffe: `${caller}\0.evil` })],
  ["another trust domain", issue({ ca, spiffe: "spiffe://evil.example/ns/default/sa/productpage" })],
  ["DNS only", issue({ ca, dns: ["productpage"] })],
];

describe("the mesh port", () => {
  test.each(strangers)("hears no byte of a client with %s, and serves the next one", async (_, shown) => {
    const backend = support.answering(() => ok("heard"));
    const plane = inbound(backend, [chain()]);
    const refused = await dial(plane.port("mesh"), { ...shown, send: ask }, /heard/);
    expect(refused.text).toBe("");
    expect(backend.connections.length).toBe(0);
    expect(plane.metric("envoy_listener_ssl_connection_error")).toBe(1);
    expect(plane.metric("istio_requests_total")).toBe(0);
    const served = await dial(plane.port("mesh"), { ...good, send: ask }, /heard/);
    expect(served.text).toStartWith("HTTP/1.1 200 OK\r\n");
  });

  test("a protocol agreed upon never leads from a chain without certificates into one that wants them", async () => {
    const backend = support.answering(() => ok("heard"));
    const open: DownstreamTls = {
      ...{ certSecret: "default", requireClientCertificate: false, minVersion: 772, maxVersion: 772 },
      alpn: ["istio", "http/1.1"],
    };
    const plane = inbound(backend, [
      chain({ name: "open", tls: open }),
      chain({ name: "mutual", alpn: ["istio"], tls: { ...mutual, alpn: ["istio"] } }),
    ]);
    const both = await dial(plane.port("mesh"), { alpn: ["http/1.1", "istio"], send: ask }, /heard/);
    expect(both.text).toBe("");
    expect(backend.connections.length).toBe(0);
    expect(plane.metric("envoy_listener_no_filter_chain_match")).toBe(1);
    const one = await dial(plane.port("mesh"), { alpn: ["http/1.1"], send: ask }, /heard/);
    expect(one.text).toEndWith("heard");
  });

  test("an application cannot forge x-weft-reason or peer metadata", async () => {
    const forged = "x-weft-reason: forged\r\nx-envoy-peer-metadata: CgA=\r\nx-envoy-peer-metadata-id: a\r\n";
    const backend = support.answering(() => `HTTP/1.1 200 OK\r\n${forged}content-length: 2\r\n\r\nok`);
    const plane = inbound(backend, [chain()]);
    const inbox = await dial(plane.port("mesh"), { ...good, send: ask }, /ok$/);
    expect(inbox.text).toStartWith("HTTP/1.1 200 ");
    expect(inbox.text).not.toMatch(/x-weft-reason|peer-metadata/i);
  });
});

/** google.protobuf.Struct of texts as peer metadata. */
function metadataOf(fields: Readonly<Record<string, string>>): string {
  const bytes = (tag: number, content: Buffer): Buffer =>
    Buffer.concat([Buffer.from([tag, content.length]), content]);
  const entries = Object.entries(fields).map(([key, text]) =>
    bytes(10, Buffer.concat([bytes(10, Buffer.from(key)), bytes(18, bytes(26, Buffer.from(text)))])),
  );
  return Buffer.concat(entries).toString("base64");
}

test.each([
  ["its certificate's namespace", { WORKLOAD_NAME: "admin", NAMESPACE: "default" }, caller, 1, 0],
  ["no namespace", { WORKLOAD_NAME: "admin" }, caller, 1, 0],
  ["another namespace", { WORKLOAD_NAME: "admin", NAMESPACE: "bank" }, caller, 0, 1],
  [
    "a namespace, with an identity that has none",
    { WORKLOAD_NAME: "admin", NAMESPACE: "default" },
    odd,
    0,
    1,
  ],
] as const)("a mesh peer that claims %s", async (_, fields, identity, believed, refused) => {
  const backend = support.answering(() => ok("heard"));
  const plane = inbound(backend, [chain()]);
  const shown = issue({ ca, spiffe: identity });
  const send = `GET / HTTP/1.1\r\nHost: reviews\r\nx-envoy-peer-metadata: ${metadataOf(fields)}\r\nConnection: close\r\n\r\n`;
  await dial(plane.port("mesh"), { ...shown, send }, /heard/);
  expect(plane.metric("istio_requests_total")).toBe(1);
  expect(plane.metric("istio_requests_total", { source_workload: "admin" })).toBe(believed);
  expect(plane.metric("weft_peer_metadata_refused_total")).toBe(refused);
});

test("a plaintext caller's peer metadata is not believed; a mesh peer's is; the application sees neither", async () => {
  const backend = support.origin((socket) => {
    if (socket.inbox.text.endsWith("\r\n\r\n")) socket.send(ok("heard"));
  });
  const { tls: _, ...plain } = chain({ name: "plain", serverNames: [], alpn: [], transportProtocol: "" });
  const plane = inbound(backend, [chain(), plain]);
  const claim = `GET / HTTP/1.1\r\nHost: reviews\r\nx-envoy-peer-metadata: ${metadataOf({ WORKLOAD_NAME: "admin" })}\r\nx-envoy-peer-metadata-id: x\r\nX-Weft-Reason: forged\r\n`;
  const client = await support.connect(plane.port("mesh"));
  client.send(`${claim}\r\n`);
  await client.inbox.match(/heard/);
  client.end();
  expect(plane.metric("istio_requests_total")).toBe(1);
  expect(plane.metric("istio_requests_total", { source_workload: "admin" })).toBe(0);
  await dial(plane.port("mesh"), { ...good, send: `${claim}Connection: close\r\n\r\n` }, /heard/);
  expect(plane.metric("istio_requests_total", { source_workload: "admin" })).toBe(1);
  const seen = backend.connections.map((c) => c.inbox.text).join("");
  expect(seen).toContain("GET / HTTP/1.1\r\n");
  expect(seen).not.toMatch(/x-envoy-peer-metadata|x-weft-reason/i);
});

const upstream = (more: Partial<UpstreamTls> = {}): UpstreamTls => ({
  certSecret: "default",
  validation: { caSecret: "ROOTCA", sans: [{ kind: "exact", value: spiffe("reviews") }], mode: "spiffe" },
  ...{ sni, alpn: ["http/1.1"], minVersion: 772, maxVersion: 772 },
  ...more,
});

const { certSecret: _unused, ...oneWay } = upstream();
test.each([
  ["plaintext", null, ""],
  ["one-way TLS", oneWay, ""],
  ["mutual TLS", upstream(), "VirtualService/default/x"],
] as const)("x-weft-reason of an upstream over %s", async (_, transport, logged) => {
  const answer =
    "HTTP/1.1 200 OK\r\nx-weft-reason: VirtualService/default/x\r\ncontent-length: 5\r\n\r\nheard";
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    ...(transport
      ? { tls: { cert: own.cert, key: own.key, ALPNProtocols: Buffer.from("\x08http/1.1") } }
      : {}),
    socket: { data: (socket) => void socket.write(answer) },
  });
  const plane = support.testPlane();
  cleanups.push(
    () => plane.stop(),
    () => server.stop(true),
  );
  plane.handle({ kind: "update", seq: 1000, resources: [], secrets });
  const format = { kind: "text", text: "reason=%WEFT_REASON%;\n" } as const;
  const errors = plane.apply([
    change.cluster({ transports: [transport] }),
    change.endpoints("origin", [endpoint(server.port, 0)]),
    change.routes([route("origin")]),
    change.listener(support.listener({}, { accessLogs: [{ path: "stdout", format }] })),
  ]);
  expect(errors).toEqual([]);
  const client = await support.connect(plane.port("main"));
  client.send("GET / HTTP/1.1\r\nHost: reviews\r\n\r\n");
  await client.inbox.match(/heard$/);
  client.end();
  expect(client.inbox.text).not.toContain("x-weft-reason");
  plane.stop();
  expect(plane.logs()).toEqual([`reason=${logged === "" ? "-" : logged};`]);
});

describe("transports", () => {
  const table = (): { errors: unknown[]; secrets: Secrets } => {
    const errors: unknown[] = [];
    return { errors, secrets: new Secrets(systemClock, (e) => errors.push(e)) };
  };

  test("a connection is the mesh's only by mutual TLS to an identity that was named", () => {
    const { secrets: s } = table();
    const { certSecret: _, ...oneWay } = upstream();
    const info = (more: Partial<TlsInfo>): TlsInfo => ({
      ...{ principal: spiffe("reviews"), mutual: true, leaf: undefined, sni: "", alpn: "", resumed: false },
      ...more,
    });
    const mesh = tlsTransport(upstream(), s);
    expect(mesh.trusts(info({}))).toBe(true);
    expect(mesh.trusts(info({ mutual: false }))).toBe(false);
    expect(mesh.trusts(info({ principal: "" }))).toBe(false);
    expect(mesh.trusts(null)).toBe(false);
    expect(tlsTransport(oneWay, s).trusts(info({ mutual: false }))).toBe(false);
    const named = [{ kind: "exact", value: spiffe("reviews") }] as const;
    // Any URI of a chain, and any workload of the mesh: served, not believed.
    for (const validation of [
      { caSecret: "ROOTCA", sans: named, mode: "chain" },
      { caSecret: "ROOTCA", sans: [], mode: "spiffe" },
    ] as const)
      expect(tlsTransport(upstream({ validation }), s).trusts(info({}))).toBe(false);
  });

  test("a certificate that cannot be used is reported and keeps the news from nobody", () => {
    const { errors, secrets: s } = table();
    let told = 0;
    s.follow(["default"], () => {
      throw new Error("bad");
    });
    const unfollow = s.follow(["default"], () => told++);
    s.set({ name: "default" });
    expect([told, errors.length]).toEqual([1, 1]);
    unfollow();
    s.set({ name: "default" });
    expect(told).toBe(1);
    expect(s.following("default")).toBe(1);
  });

  test("clusters that come and go leave no followers beyond the limit", () => {
    const plane = support.testPlane();
    cleanups.push(() => plane.stop());
    const follow = Secrets.prototype.follow;
    let live = 0;
    let most = 0;
    Secrets.prototype.follow = function (names, told) {
      const undo = follow.call(this, names, told);
      most = Math.max(most, ++live);
      return () => {
        live--;
        undo();
      };
    };
    cleanups.push(() => {
      Secrets.prototype.follow = follow;
    });
    for (let i = 0; i < 4 * transportSweepLeast; i++) {
      const name = `c${i}`;
      const transports = [upstream({ sni: name })];
      plane.apply([change.cluster({ name, transports }), change.endpoints(name, [endpoint(1, 0)])]);
      plane.apply([{ type: "cluster", name, json: null }]);
    }
    expect(most).toBe(transportSweepLeast);
    expect(live).toBeLessThan(transportSweepLeast);
  });
});
