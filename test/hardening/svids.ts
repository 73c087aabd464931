/**
 * Certificates of a short life renew under load, those of the proxies and of the gRPC port alike: connections are made
 * all the time, no request and no call may fail, and nobody may ever show a certificate that is over.
 */
import { connect as tlsConnect } from "node:tls";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { delay, systemClock } from "../../src/base/index.ts";
import { createCsr, parseCertificate, parseCertificates } from "../../src/identity/x509/index.ts";
import { type KubeObject, refs } from "../../src/kube/client/index.ts";
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from "../../src/proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import {
  IstioCertificateRequestSchema,
  IstioCertificateService,
} from "../../src/proto/gen/istio/v1/auth/ca_pb.js";
import { applyText } from "../../src/testkit/manifest.ts";
import { eventually } from "../../src/testkit/mesh-harness.ts";
import { createGrpcChannel } from "../../src/wire/grpc/index.ts";
import { typeUrl } from "../../src/xds/protocol/index.ts";
import { createMesh, type Member, type Mesh } from "../faults/processes.ts";

export interface SvidOptions {
  readonly seconds: number;
  readonly ttlSeconds: number;
  readonly perSecond: number;
  readonly say?: (line: string) => void;
}

/** Certificates that one server showed. */
export interface Shown {
  readonly different: number;
  /** Shortest time that one had left when it was shown. */
  readonly leastSecondsLeft: number;
}

export interface SvidResult {
  readonly sent: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
  /** Mutual TLS connections that the caller's proxy made. */
  readonly handshakes: number;
  /** Proxies by name, and the gRPC port. */
  readonly shown: Readonly<Record<string, Shown>>;
  /** Calls over connections of their own: to the CA with a token, for configuration with a certificate. */
  readonly calls: number;
  /** What must not be; empty. */
  readonly faults: readonly string[];
}

/** Every connection to the service serves five requests. */
const rule = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: versions}
spec:
  host: versions
  trafficPolicy:
    connectionPool: {http: {maxRequestsPerConnection: 5}}
`;
const account = "caller";
const id = `spiffe://cluster.local/ns/default/sa/${account}`;
const nodeId = "sidecar~127.66.0.9~visitor-v1.default~default.svc.cluster.local";
const adsPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const sni = "outbound_.9080_._.versions.default.svc.cluster.local";

const configMap = async (mesh: Mesh, name: string): Promise<Readonly<Record<string, string>>> =>
  (
    (await mesh.client.get<KubeObject>(refs.configMap, name, "weft-system")) as unknown as {
      data: Record<string, string>;
    }
  ).data;

interface Svid {
  readonly certPem: string;
  readonly keyPem: string;
}

/** Keeps a book of what servers show. */
class Book {
  readonly shown: Record<string, { serials: Set<string>; least: number }> = {};

  enter(name: string, der: Uint8Array): void {
    const cert = parseCertificate(der);
    this.shown[name] ??= { serials: new Set(), least: Number.POSITIVE_INFINITY };
    const entry = this.shown[name];
    entry.serials.add(Buffer.from(der).toString("base64"));
    entry.least = Math.min(entry.least, (cert.notAfter - systemClock.wall()) / 1000);
  }

  result(): Record<string, Shown> {
    return Object.fromEntries(
      Object.entries(this.shown).map(([name, { serials, least }]) => [
        name,
        { different: serials.size, leastSecondsLeft: least },
      ]),
    );
  }
}

/** The certificate that a server shows; rejects where it does not chain to the root. */
function look(
  at: { host: string; port: number },
  caPem: string,
  alpn: string,
  svid?: Svid,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect(
      {
        ...{ ...at, ca: caPem, ALPNProtocols: [alpn] },
        // Workloads have no DNS name; the chain is checked all the same.
        checkServerIdentity: () => undefined,
        ...(svid ? { cert: svid.certPem, key: svid.keyPem, servername: sni } : {}),
      },
      () => {
        const { raw } = socket.getPeerCertificate();
        socket.end();
        resolve(new Uint8Array(raw));
      },
    );
    socket.on("error", reject);
  });
}

/** Connects anew all the time, as sidecars and strangers would, and writes down what fails. */
class Visitor {
  calls = 0;
  readonly faults: string[] = [];
  readonly book = new Book();
  private readonly mesh: Mesh;
  private readonly caPem: string;
  private readonly xds: string;

  constructor(mesh: Mesh, caPem: string, xds: string) {
    this.mesh = mesh;
    this.caPem = caPem;
    this.xds = xds;
  }

  private channel(shown: { token?: string; identity?: Svid }) {
    const { token, identity } = shown;
    return createGrpcChannel({
      target: this.xds,
      caPem: this.caPem,
      clock: systemClock,
      ...(token === undefined ? {} : { token: async () => token }),
      ...(identity === undefined ? {} : { identity }),
    });
  }

  /** Asks the CA over a connection of its own; a token is what it wants. */
  private async certificate(token: string): Promise<Svid> {
    const channel = this.channel({ token });
    try {
      const { csrPem, keyPem } = createCsr(id);
      const request = create(IstioCertificateRequestSchema, { csr: csrPem });
      const { certChain } = await channel.unary(IstioCertificateService.method.createCertificate, request);
      return { certPem: certChain[0]!, keyPem };
    } finally {
      channel.close();
    }
  }

  /** Asks for configuration over a connection of its own, as whom the certificate names. */
  private async configuration(identity: Svid): Promise<void> {
    const channel = this.channel({ identity });
    try {
      const stream = await channel.bidi(adsPath, (bytes) => fromBinary(DeltaDiscoveryResponseSchema, bytes));
      const answered = new Promise<void>((resolve, reject) => {
        stream.onMessage = () => resolve();
        stream.onClose = ({ code, message }) => reject(new Error(`the stream ended: ${code} ${message}`));
      });
      const message = { node: { id: nodeId }, typeUrl: typeUrl.cluster };
      stream.write(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, message)));
      await answered;
      stream.onClose = () => {};
      stream.cancel();
    } finally {
      channel.close();
    }
  }

  /** One round: a certificate by token, configuration by that certificate, and a look at what everybody shows. */
  async round(members: readonly Member[], token: string): Promise<void> {
    try {
      const svid = await this.certificate(token);
      await this.configuration(svid);
      this.calls += 2;
      this.book.enter("issued", parseCertificates(svid.certPem)[0]!.der);
      const colon = this.xds.lastIndexOf(":");
      const grpc = { host: this.xds.slice(0, colon), port: Number(this.xds.slice(colon + 1)) };
      this.book.enter("gRPC port", await look(grpc, this.caPem, "h2"));
      for (const { name, address } of members)
        this.book.enter(name, await look({ host: address, port: 15_008 }, this.caPem, "http/1.1", svid));
    } catch (error) {
      this.faults.push(`${new Date(systemClock.wall()).toISOString()} ${String(error)}`);
    }
  }

  async token(): Promise<string> {
    const { token } = await this.mesh.client.tokenRequest("default", account, {
      audience: "weft-ca",
      seconds: 3600,
    });
    return token;
  }
}

/** Sum of a metric's series that hold all of the words. */
async function metric(member: Member, name: string, ...words: readonly string[]): Promise<number> {
  const page = await (await fetch(`http://${member.address}:15020/stats/prometheus`)).text();
  return page
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) && words.every((w) => line.includes(w)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

async function metricFaults(caller: Member, servers: readonly Member[]): Promise<string[]> {
  const faults: string[] = [];
  const none = async (member: Member, name: string, ...words: readonly string[]): Promise<void> => {
    const count = await metric(member, name, ...words);
    if (count !== 0) faults.push(`${member.name}: ${name} ${words.join(" ")} is ${count}`);
  };
  await none(caller, "envoy_cluster_upstream_cx_connect_fail", "versions");
  await none(caller, "envoy_cluster_upstream_rq_retry", "versions");
  for (const server of servers) await none(server, "envoy_listener_ssl_connection_error");
  return faults;
}

export async function runSvids(o: SvidOptions): Promise<SvidResult> {
  const say = o.say ?? (() => {});
  const mesh = createMesh();
  try {
    await mesh.startDev("--certificate-ttl", `${o.ttlSeconds}s`);
    const servers = [await mesh.add("versions", "v1"), await mesh.add("versions", "v2")];
    const caller = await mesh.add(account, "v1");
    await applyText(mesh.client, rule);
    const url = encodeURIComponent("http://versions:9080/");
    await eventually(async () => (await caller.tell(`/get?url=${url}`)).startsWith("200 versions"), 20_000);
    const caPem = (await configMap(mesh, "weft-ca-root-cert"))["root-cert.pem"]!;
    const visitor = new Visitor(mesh, caPem, (await configMap(mesh, "weft-control-plane"))["xdsAddress"]!);
    const token = await visitor.token();
    await caller.tell(`/load?url=${url}&rate=${o.perSecond}`);
    const began = systemClock.now();
    let said = began;
    while (systemClock.now() - began < o.seconds * 1000) {
      await visitor.round([...servers, caller], token);
      await delay(systemClock, 500);
      if (systemClock.now() - said < 60_000) continue;
      said = systemClock.now();
      say(`${Math.round((said - began) / 1000)} s: ${await caller.tell("/stats")}`);
    }
    await caller.tell("/stop");
    type Stats = Pick<SvidResult, "sent" | "statuses" | "failures">;
    const stats = await eventually(async () => {
      const now = JSON.parse(await caller.tell("/stats")) as Stats;
      return Object.values(now.statuses).reduce((a, b) => a + b, 0) === now.sent && now;
    });
    const faults = [...visitor.faults, ...(await metricFaults(caller, servers))];
    for (const member of [...servers, caller])
      if (member.process.exitCode !== null) faults.push(`${member.name} ended:\n${mesh.logs()}`);
    return {
      ...{ sent: stats.sent, statuses: stats.statuses, failures: stats.failures, faults },
      handshakes: await metric(caller, "envoy_cluster_upstream_cx_total", "versions"),
      shown: visitor.book.result(),
      calls: visitor.calls,
    };
  } finally {
    await mesh.stop();
  }
}
