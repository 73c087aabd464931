import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type TLSSocket } from "node:tls";
import { createLogger, systemClock } from "../../base/index.ts";
import { createTestCa } from "../../testkit/index.ts";
import { grpcBootstrap } from "./bootstrap.ts";
import { certificatePaths, writeCertificates } from "./certificate-files.ts";
import { ProxylessPlane } from "./data-plane.ts";
import { limits } from "./limits.ts";
import { Relay } from "./relay.ts";

const dir = mkdtempSync(join(tmpdir(), "weft-proxyless-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const log = createLogger({ format: "json", sink: () => {} });
const ca = await createTestCa();
const own = { ...(await ca.leaf({ uris: ["spiffe://cluster.local/ns/default/sa/a"] })), caPem: ca.caPem };
const mode = (path: string): number => statSync(path).mode & 0o777;

describe("certificate files", () => {
  const at = join(dir, "certificates");
  const paths = certificatePaths(at);
  const texts = (n: number) => ({ certPem: `cert ${n}`, keyPem: `key ${n}`, caPem: `ca ${n}` });

  test("0600 in 0700; the paths lead to the newest, the one before stays for a slow reader", () => {
    for (const n of [1, 2, 3]) writeCertificates(at, texts(n));
    expect([paths.certificate, paths.key, paths.roots].map((p) => readFileSync(p, "utf8"))).toEqual([
      "cert 3",
      "key 3",
      "ca 3",
    ]);
    for (const path of [paths.certificate, paths.key, paths.roots]) expect(mode(path)).toBe(0o600);
    expect([at, realpathSync(join(at, "current"))].map(mode)).toEqual([0o700, 0o700]);
    expect(readdirSync(at).sort()).toEqual(["2", "3", "current"]);
  });

  test("a reader at any moment finds key and certificate of one generation", () => {
    const folder = realpathSync(join(at, "current"));
    writeCertificates(at, texts(4));
    expect(["cert-chain.pem", "key.pem"].map((f) => readFileSync(join(folder, f), "utf8"))).toEqual([
      "cert 3",
      "key 3",
    ]);
  });
});

test("the bootstrap names socket, provider and both templates, and what the libraries ask for", () => {
  const made = grpcBootstrap({
    node: { id: "sidecar~1", cluster: "echo" },
    metadata: { NAME: "echo-1", WEFT_VERSION: "1" },
    socket: "/run/xds.sock",
    certificates: certificatePaths("/state/certificates"),
  });
  expect(made).toEqual({
    xds_servers: [
      {
        server_uri: "unix:/run/xds.sock",
        channel_creds: [{ type: "insecure" }],
        server_features: ["xds_v3"],
      },
    ],
    node: { id: "sidecar~1", cluster: "echo", metadata: { NAME: "echo-1", GENERATOR: "grpc" }, locality: {} },
    certificate_providers: {
      default: {
        plugin_name: "file_watcher",
        config: {
          certificate_file: "/state/certificates/current/cert-chain.pem",
          private_key_file: "/state/certificates/current/key.pem",
          ca_certificate_file: "/state/certificates/current/root-cert.pem",
          refresh_interval: "10s",
        },
      },
    },
    server_listener_resource_name_template: "grpc/server?xds.resource.listening_address=%s",
  });
});

/** A control plane that says back what it hears, and as whom it knows the speaker. */
async function plane(ips: readonly string[]) {
  const leaf = await ca.leaf({ ips });
  const callers: string[] = [];
  const server = createServer(
    {
      cert: leaf.certPem,
      key: leaf.keyPem,
      ca: ca.caPem,
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ["h2"],
      allowHalfOpen: true,
    },
    (socket: TLSSocket) => {
      callers.push(String(socket.getPeerCertificate().subjectaltname));
      socket.on("error", () => {});
      socket.pipe(socket);
    },
  );
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return { target: `127.0.0.1:${port}`, callers, stop: () => server.close() };
}

/** Sends bytes, ends its side, and hears the rest. */
async function say(path: string, bytes: Uint8Array): Promise<Uint8Array> {
  const heard: Uint8Array[] = [];
  const over = Promise.withResolvers<void>();
  let rest = bytes;
  const push = (socket: Bun.Socket<unknown>): void => {
    while (rest.length > 0) {
      const taken = socket.write(rest);
      if (taken <= 0) return;
      rest = rest.subarray(taken);
    }
    socket.shutdown();
  };
  await Bun.connect({
    unix: path,
    socket: {
      open: push,
      drain: push,
      data: (_, chunk) => void heard.push(chunk.slice()),
      end: (socket) => void socket.end(),
      close: () => over.resolve(),
      error: () => over.resolve(),
    },
  }).catch(() => over.resolve());
  await over.promise;
  return Buffer.concat(heard);
}

describe("the relay", () => {
  let count = 0;
  const relayTo = (target: string): { relay: Relay; path: string } => {
    const path = join(dir, `relay-${count++}.sock`);
    const relay = new Relay({ path, target: () => target, clock: systemClock, log });
    relay.start();
    return { relay, path };
  };

  test("carries megabytes both ways at once, in the agent's name, and passes the end on", async () => {
    const server = await plane(["127.0.0.1"]);
    const { relay, path } = relayTo(server.target);
    relay.setIdentity(own);
    expect(mode(path)).toBe(0o600);
    const bytes = new Uint8Array(8 * 2 ** 20).map((_, i) => (i * 31) % 251);
    const back = await say(path, bytes);
    expect(Bun.hash(back)).toBe(Bun.hash(bytes));
    expect(server.callers).toEqual(["URI:spiffe://cluster.local/ns/default/sa/a"]);
    expect(relay.connections).toBe(0);
    relay.stop();
    server.stop();
    expect(existsSync(path)).toBe(false);
  }, 30_000);

  test("says nothing to a server that is not the control plane, nor before it has a certificate", async () => {
    const server = await plane(["127.0.0.9"]);
    const { relay, path } = relayTo(server.target);
    expect(await say(path, Buffer.from("early"))).toHaveLength(0);
    relay.setIdentity(own);
    expect(await say(path, Buffer.from("secret"))).toHaveLength(0);
    expect(relay.connections).toBe(0);
    relay.stop();
    server.stop();
  });

  test("holds as many connections as its limit says, and not one more", async () => {
    const server = await plane(["127.0.0.1"]);
    const { relay, path } = relayTo(server.target);
    relay.setIdentity(own);
    const closed: number[] = [];
    const open = async (n: number): Promise<Bun.Socket<unknown>> => {
      const echoed = Promise.withResolvers<void>();
      const socket = await Bun.connect<unknown>({
        unix: path,
        socket: {
          open: (s) => void s.write("x"),
          data: () => echoed.resolve(),
          close() {
            closed.push(n);
            echoed.resolve();
          },
        },
      });
      await echoed.promise;
      return socket;
    };
    const sockets = await Promise.all(Array.from({ length: limits.maxConnections }, (_, n) => open(n)));
    expect([relay.connections, closed]).toEqual([limits.maxConnections, []]);
    sockets.push(await open(limits.maxConnections));
    expect(closed).toEqual([limits.maxConnections]);
    for (const socket of sockets) socket.terminate();
    relay.stop();
    server.stop();
  }, 30_000);
});

test("a plane is ready with its certificate, tells the application where, and cleans up", async () => {
  const stateDir = join(dir, "x".repeat(120));
  const proxyless = new ProxylessPlane({
    node: { id: "n", cluster: "c" },
    metadata: {},
    listen: { address: "127.66.0.1", port: 50051 },
    stateDir,
    target: () => "127.0.0.1:1",
    clock: systemClock,
    log,
  });
  proxyless.start();
  const told: boolean[] = [];
  proxyless.on(() => told.push(proxyless.ready()));
  expect(proxyless.unready()).toEqual(["there is no certificate yet"]);
  await proxyless.setSecret({ name: "ROOTCA", caPem: own.caPem });
  expect(proxyless.ready()).toBe(false);
  await proxyless.setSecret({ name: "default", certPem: own.certPem, keyPem: own.keyPem });
  // The same roots again are no news.
  await proxyless.setSecret({ name: "ROOTCA", caPem: own.caPem });
  expect(told).toEqual([true]);
  const env = proxyless.environment({ PATH: "/bin", EMPTY: undefined });
  const file = env["GRPC_XDS_BOOTSTRAP"]!;
  expect(env).toEqual({ PATH: "/bin", HOST: "127.66.0.1", PORT: "50051", GRPC_XDS_BOOTSTRAP: file });
  expect(mode(file)).toBe(0o600);
  const uri = (JSON.parse(readFileSync(file, "utf8")) as { xds_servers: { server_uri: string }[] })
    .xds_servers[0]!.server_uri;
  const socket = uri.slice("unix:".length);
  expect(socket.length).toBeLessThanOrEqual(limits.maxSocketPath);
  expect([mode(socket), mode(join(socket, ".."))]).toEqual([0o600, 0o700]);
  const admin = proxyless.startPages("127.0.0.1", 0);
  const dump = await (await fetch(`http://127.0.0.1:${admin.port}/config_dump`)).text();
  expect(dump).toContain("certificate_chain");
  expect(dump).not.toContain("PRIVATE KEY");
  expect(
    (await fetch(`http://127.0.0.1:${admin.port}/config_dump`, { headers: { host: "evil.example" } })).status,
  ).toBe(403);
  await admin.stop();
  await proxyless.stop();
  expect([existsSync(socket), existsSync(file)]).toEqual([false, false]);
});
