/**
 * Garbage connections to each port of a mesh of real processes, by seed, while one stream takes pushes: none may be
 * missed, nothing may crash, and memory may not grow. The short form is a test, `make garbage` the long one.
 */
import { readFileSync } from "node:fs";
import { createServer, connect as netConnect, type Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { delay, type Rng, seededRng, systemClock } from "../../src/base/index.ts";
import { keyFromPem, parseCertificates } from "../../src/identity/x509/index.ts";
import { type KubeObject, refs } from "../../src/kube/client/index.ts";
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from "../../src/proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import { type IssuingCa, issue } from "../../src/testkit/issue.ts";
import { eventually } from "../../src/testkit/mesh-harness.ts";
import { createGrpcChannel } from "../../src/wire/grpc/index.ts";
import { typeUrl } from "../../src/xds/protocol/index.ts";
import { createMesh, type Member, type Mesh } from "../faults/processes.ts";
import * as bytes from "./garbage-bytes.ts";

export interface GarbageOptions {
  /** To each port. */
  readonly connections: number;
  /** Before memory is looked at: code is compiled and buffers are allotted once. */
  readonly warmUp: number;
  readonly seed: number;
  readonly say?: (line: string) => void;
}

export interface GarbageResult {
  readonly ports: Readonly<Record<string, Tally>>;
  readonly pushes: number;
  readonly missed: readonly string[];
  readonly slowestPushMs: number;
  /** Resident memory in MiB of each process, after the warm-up, at its highest, and at the end. */
  readonly memory: Readonly<
    Record<string, { readonly before: number; readonly peak: number; readonly after: number }>
  >;
  /** What must not be; empty. */
  readonly faults: readonly string[];
  readonly seconds: number;
}

interface Target {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** How a client gets past the handshake; absent: a plaintext port. */
  readonly tls?: {
    readonly ca: string;
    readonly alpn: string;
    readonly cert?: string;
    readonly key?: string;
    readonly sni?: string;
  };
  /** What goes over a connection that stands. */
  readonly payload: (rng: Rng) => Buffer;
}

const concurrency = 16;
/** A server that does nothing about a connection is left after this. */
const patienceMs = 250;
const pushLimitMs = 15_000;
const nodeId = "sidecar~127.66.0.9~watcher-v1.default~default.svc.cluster.local";
const adsPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const caPath = "/istio.v1.auth.IstioCertificateService/CreateCertificate";

const rssOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;

/** A sound ClientHello, caught from a real client. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.once("data", (hello: Buffer) => {
        socket.destroy();
        server.close();
        resolve(hello);
      });
      socket.on("error", () => {});
    });
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      tlsConnect({ host: "127.0.0.1", port, ALPNProtocols: ["h2"] }).on("error", () => {});
    });
  });
}

/** What became of the connections to a port. */
export interface Tally {
  readonly connections: number;
  /** The connection stood, through TLS where that was tried. */
  readonly stood: number;
  /** The server said something. */
  readonly answered: number;
}

/** Sends it, leaves in one of three ways, and resolves when the connection is over. */
function bother(target: Target, rng: Rng, hello: Buffer): Promise<{ stood: boolean; answered: boolean }> {
  const { host, port, tls } = target;
  const through = tls !== undefined && rng.int(3) > 0;
  const payload =
    tls !== undefined && !through
      ? rng.int(4) === 0
        ? bytes.noise(rng)
        : bytes.brokenTls(rng, hello)
      : target.payload(rng);
  const leave = rng.int(4);
  const met = { stood: false, answered: false };
  return new Promise((resolve) => {
    const socket: Socket = through
      ? tlsConnect({
          ...{ host, port, ca: tls.ca, ALPNProtocols: [tls.alpn], rejectUnauthorized: false },
          ...(tls.sni === undefined ? {} : { servername: tls.sni }),
          ...(tls.cert !== undefined && tls.key !== undefined && rng.int(4) > 0
            ? { cert: tls.cert, key: tls.key }
            : {}),
        })
      : netConnect(port, host);
    const tooLong = systemClock.after(patienceMs, () => socket.destroy());
    socket.on("error", () => {});
    socket.on("close", () => {
      tooLong.cancel();
      resolve(met);
    });
    socket.on("data", () => {
      met.answered = true;
    });
    socket.once(through ? "secureConnect" : "connect", () => {
      met.stood = true;
      if (leave === 0) socket.write(payload, () => socket.destroy());
      else if (leave === 1)
        socket.write(payload, () => (through ? socket.destroy() : socket.resetAndDestroy()));
      else if (leave === 2) socket.end(payload);
      else socket.write(payload);
    });
  });
}

/** `count` connections to a port, the i-th by a seed of its own. */
async function attack(target: Target, count: number, seed: number, hello: Buffer): Promise<Tally> {
  const tally = { connections: 0, stood: 0, answered: 0 };
  const one = async (): Promise<void> => {
    while (tally.connections < count) {
      const met = await bother(target, seededRng(seed * 1_000_003 + tally.connections++), hello);
      if (met.stood) tally.stood++;
      if (met.answered) tally.answered++;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  return tally;
}

interface Trust {
  readonly caPem: string;
  readonly ca: IssuingCa;
}

async function trustOf(mesh: Mesh): Promise<Trust> {
  const secret = (await mesh.client.get<KubeObject>(refs.secret, "weft-ca", "weft-system")) as unknown as {
    data: Record<string, string>;
  };
  const map = (await mesh.client.get<KubeObject>(
    refs.configMap,
    "weft-ca-root-cert",
    "weft-system",
  )) as unknown as { data: Record<string, string> };
  const caPem = map.data["root-cert.pem"]!;
  const key = keyFromPem(Buffer.from(secret.data["ca-key.pem"]!, "base64").toString());
  return { caPem, ca: { key, pem: caPem, subject: Buffer.from(parseCertificates(caPem)[0]!.subject) } };
}

/** Only `weft dev` says where it is. */
function plainXds(mesh: Mesh): string {
  const address = /\(TLS\), (\S+) \(plain/.exec(mesh.logs(Number.POSITIVE_INFINITY))?.[1];
  if (address === undefined) throw new Error(`no plain xDS port is told:\n${mesh.logs()}`);
  return address;
}

async function targetsOf(
  mesh: Mesh,
  member: Member,
  { caPem, ca }: Trust,
  bearer: string,
): Promise<Target[]> {
  const map = (await mesh.client.get<KubeObject>(
    refs.configMap,
    "weft-control-plane",
    "weft-system",
  )) as unknown as { data: Record<string, string> };
  const at = (address: string): { host: string; port: number } => {
    const colon = address.lastIndexOf(":");
    return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
  };
  const api = new URL(mesh.client.config.server);
  const grpc = (path: string) => (rng: Rng) =>
    [bytes.noise, bytes.frames, (r: Rng) => bytes.call(r, path, `Bearer ${rng.int(2) ? bearer : "x.y.z"}`)][
      rng.int(3)
    ]!(rng);
  const http =
    (...paths: string[]) =>
    (rng: Rng): Buffer =>
      rng.int(5) === 0 ? bytes.noise(rng) : rng.int(8) === 0 ? bytes.frames(rng) : bytes.request(rng, paths);
  const objects = [
    "/",
    "/api",
    "/api/v1/namespaces/default/services",
    "/apis/%2e%2e/x?watch=1",
    "/openapi/v3",
    "*",
    "/api/v1/services?limit=-1&continue=%00",
    "/api/v1/namespaces?labelSelector=(((((",
  ];
  const own = issue({ ca, spiffe: "spiffe://cluster.local/ns/default/sa/stranger" });
  const sni = `outbound_.9080_._.${member.name.replace(/-v1$/, "")}.default.svc.cluster.local`;
  const h2 = { ca: caPem, alpn: "h2" };
  const host = member.address;
  return [
    { name: "xds", ...at(map.data["xdsAddress"]!), tls: h2, payload: grpc(adsPath) },
    { name: "plain xds", ...at(plainXds(mesh)), payload: grpc(adsPath) },
    { name: "ca", ...at(map.data["xdsAddress"]!), tls: h2, payload: grpc(caPath) },
    {
      name: "api",
      host: api.hostname,
      port: Number(api.port),
      tls: { ca: caPem, alpn: "http/1.1" },
      payload: http(...objects),
    },
    {
      name: "debug",
      ...at(map.data["debugAddress"]!),
      payload: http("/metrics", "/debug/syncz", "/debug/../x", "*"),
    },
    {
      name: "mesh",
      host,
      port: 15_008,
      tls: { ca: caPem, alpn: "http/1.1", cert: own.cert, key: own.key, sni },
      payload: http("/", "/a/../b", "http://x/"),
    },
    {
      name: "outbound",
      host,
      port: 15_001,
      payload: http("/", "http://other:9080/", "other:9080", "http://\0/"),
    },
    { name: "plaintext", host, port: 9080, payload: http("/") },
    {
      name: "admin",
      host,
      port: 15_000,
      payload: http("/config_dump", "/clusters", "/stats/prometheus", "/logging?level=x"),
    },
    { name: "metrics", host, port: 15_020, payload: http("/stats/prometheus", "/healthz/ready") },
    { name: "ready", host, port: 15_021, payload: http("/healthz/ready", "/") },
  ];
}

const service = (port: number): KubeObject =>
  ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "pushed", namespace: "default" },
    spec: { selector: { app: "pushed" }, ports: [{ name: "http", port }] },
  }) as unknown as KubeObject;

/** Changes a Service again and again, and sees that a stream is told of each change. */
class Pusher {
  pushes = 0;
  slowestMs = 0;
  readonly missed: string[] = [];
  private going = true;
  private readonly mesh: Mesh;

  constructor(mesh: Mesh) {
    this.mesh = mesh;
  }

  async run(caPem: string, target: string, bearer: () => Promise<string>): Promise<void> {
    const channel = createGrpcChannel({ target, caPem, token: bearer, clock: systemClock });
    const seen = new Set<string>();
    const stream = await channel.bidi(adsPath, (message) =>
      fromBinary(DeltaDiscoveryResponseSchema, message),
    );
    const send = (responseNonce: string): void => {
      const message = { node: { id: nodeId }, typeUrl: typeUrl.cluster, responseNonce };
      stream.write(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, message)));
    };
    stream.onMessage = (response) => {
      for (const { name } of response.resources) seen.add(name);
      send(response.nonce);
    };
    stream.onClose = ({ code, message }) => {
      if (this.going) this.missed.push(`the stream ended: ${code} ${message}`);
      this.going = false;
    };
    send("");
    await this.mesh.client.create(refs.service, service(1));
    for (let port = 2; this.going; port++) {
      await this.mesh.client.patch(
        refs.service,
        { name: "pushed", namespace: "default" },
        { spec: service(port)["spec" as never] },
      );
      this.pushes++;
      const began = systemClock.now();
      const name = `outbound|${port}||pushed.default.svc.cluster.local`;
      const arrived = eventually(async () => seen.has(name), pushLimitMs);
      await arrived.catch(() => this.missed.push(name));
      this.slowestMs = Math.max(this.slowestMs, systemClock.now() - began);
      await delay(systemClock, 20);
    }
    stream.cancel();
    channel.close();
  }

  stop(): void {
    this.going = false;
  }
}

/** A line of a log that should not be there, without what differs from time to time; else undefined. */
function complaint(line: string): string | undefined {
  if (!line.startsWith("{"))
    return /panic|unhandled|uncaught|error:/i.test(line) ? line.slice(0, 300) : undefined;
  const { level, scope, message, error } = JSON.parse(line) as Record<string, unknown>;
  return level === "error" ? `${scope}: ${message}: ${String(error).slice(0, 300)}` : undefined;
}

/** What logs and metrics say of the time. */
async function faultsOf(mesh: Mesh, member: Member): Promise<string[]> {
  const counts = new Map<string, number>();
  for (const line of mesh.logs(Number.POSITIVE_INFINITY).split("\n")) {
    const text = complaint(line);
    if (text !== undefined) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const page = await (await fetch(`http://${member.address}:15020/stats/prometheus`)).text();
  const wrong = /^(?:weft_data_thread_restarts_total|weft_connection_faults_total\{kind="internal"\}) (?!0$)/;
  return [
    ...[...counts].map(([text, times]) => `${times} x ${text}`),
    ...page.split("\n").filter((line) => wrong.test(line)),
  ];
}

export async function runGarbage(o: GarbageOptions): Promise<GarbageResult> {
  const say = o.say ?? (() => {});
  const mesh = createMesh();
  const began = systemClock.now();
  try {
    await mesh.startDev();
    const [member, other] = [await mesh.add("target", "v1"), await mesh.add("other", "v1")];
    const trust = await trustOf(mesh);
    const account = "target";
    const bearer = async (): Promise<string> =>
      (await mesh.client.tokenRequest("default", account, { audience: "weft-ca", seconds: 3600 })).token;
    const targets = await targetsOf(mesh, member, trust, await bearer());
    const xds = targets[0]!;
    const pusher = new Pusher(mesh);
    const pushing = pusher.run(trust.caPem, `${xds.host}:${xds.port}`, bearer);
    pushing.catch((error: unknown) => pusher.missed.push(String(error)));
    const hello = await clientHello();
    const pids: Readonly<Record<string, number>> = { "control plane": mesh.pid, sidecar: member.process.pid };
    const warmUpSeed = o.seed + 1;
    for (const [i, t] of targets.entries()) await attack(t, o.warmUp, 100 * warmUpSeed + i, hello);
    const look = (): Record<string, number> =>
      Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, rssOf(pid)]));
    const before = look();
    const peak = { ...before };
    const ports: Record<string, Tally> = {};
    for (const [i, t] of targets.entries()) {
      const from = systemClock.now();
      const tally = await attack(t, o.connections, 100 * o.seed + i, hello);
      ports[t.name] = tally;
      const now = look();
      for (const [name, mib] of Object.entries(now)) peak[name] = Math.max(peak[name]!, mib);
      const memory = Object.entries(now).map(([name, mib]) => `${name} ${mib.toFixed(1)} MiB`);
      say(
        `${t.name}: ${o.connections}, ${tally.stood} stood, ${tally.answered} answered, ${((systemClock.now() - from) / 1000).toFixed(1)} s; ${memory.join(", ")}`,
      );
    }
    pusher.stop();
    await pushing;
    const answer = await member.tell(`/get?url=${encodeURIComponent("http://other:9080/")}`);
    const faults = await faultsOf(mesh, member);
    if (answer !== "200 other v1") faults.push(`a call after it all: ${answer}`);
    for (const m of [member, other]) if (m.process.exitCode !== null) faults.push(`${m.name} ended`);
    const after = look();
    const memory = Object.fromEntries(
      Object.keys(pids).map((name) => [
        name,
        { before: before[name]!, peak: peak[name]!, after: after[name]! },
      ]),
    );
    const { pushes, missed, slowestMs } = pusher;
    const seconds = (systemClock.now() - began) / 1000;
    return { ports, pushes, missed, slowestPushMs: slowestMs, memory, faults, seconds };
  } finally {
    await mesh.stop();
  }
}
