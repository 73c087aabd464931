/** HARDENING 32-34 and 37 on the xDS and CA port: strangers get nothing, and who is served goes on being served. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Clock, systemClock } from "../../src/base/index.ts";
import {
  buildCsr,
  createCsr,
  encodePem,
  keyFromPem,
  parseCertificates,
} from "../../src/identity/x509/index.ts";
import { type KubeObject, refs } from "../../src/kube/client/index.ts";
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from "../../src/proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import {
  IstioCertificateRequestSchema,
  IstioCertificateService,
} from "../../src/proto/gen/istio/v1/auth/ca_pb.js";
import { frame } from "../../src/testkit/http2-frame.ts";
import { type IssuingCa, issue, issuingCa } from "../../src/testkit/issue.ts";
import { eventually, type MeshHarness, startMesh } from "../../src/testkit/mesh-harness.ts";
import { createGrpcChannel, grpcCode } from "../../src/wire/grpc/index.ts";
import { typeUrl } from "../../src/xds/protocol/index.ts";

/** A real mesh starts and stops here: on a starved machine that takes longer than the default of 5 s. */
setDefaultTimeout(60_000);

const id = "spiffe://cluster.local/ns/default/sa/reviews";
const path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const hour = 3_600_000;

let ahead = 0;
/** The machine's clock, which this file may put forward: tokens expire by it. */
const clock: Clock = { ...systemClock, wall: () => systemClock.wall() + ahead };

let mesh: MeshHarness;
let caPem = "";
let meshCa: IssuingCa | undefined;
let good: Ads;

interface Credentials {
  readonly token?: string;
  readonly identity?: { readonly certPem: string; readonly keyPem: string };
}

interface Ads {
  /** Names of the resources received. */
  readonly names: Set<string>;
  readonly closed: Promise<number>;
  stop(): void;
}

function channelOf(shown: Credentials) {
  const { token, identity } = shown;
  return createGrpcChannel({
    target: mesh.dev.plane.xdsAddress,
    caPem,
    clock: systemClock,
    ...(token === undefined ? {} : { token: async () => token }),
    ...(identity === undefined ? {} : { identity }),
  });
}

/** A stream that asks for all clusters and acknowledges what comes. */
async function ads(shown: Credentials): Promise<Ads> {
  const channel = channelOf(shown);
  const names = new Set<string>();
  const stream = await channel.bidi<DeltaDiscoveryResponse>(path, (bytes) =>
    fromBinary(DeltaDiscoveryResponseSchema, bytes),
  );
  const send = (responseNonce: string): void =>
    stream.write(
      toBinary(
        DeltaDiscoveryRequestSchema,
        create(DeltaDiscoveryRequestSchema, {
          node: { id: "sidecar~127.66.0.9~reviews-v1.default~default.svc.cluster.local" },
          typeUrl: typeUrl.cluster,
          responseNonce,
        }),
      ),
    );
  stream.onMessage = (response) => {
    for (const { name } of response.resources) names.add(name);
    send(response.nonce);
  };
  const closed = new Promise<number>((resolve) => {
    stream.onClose = ({ code }) => {
      channel.close();
      resolve(code);
    };
  });
  send("");
  return { names, closed, stop: () => stream.cancel() };
}

const token = async (audience = "weft-ca"): Promise<string> =>
  (await mesh.dev.client.tokenRequest("default", "reviews", { audience, seconds: 600 })).token;

const identityOf = (options: Parameters<typeof issue>[0]): NonNullable<Credentials["identity"]> => {
  const { cert, key } = issue(options);
  return { certPem: cert, keyPem: key };
};

let services = 0;
/** A push reaches the good stream: nothing that happened before has hurt it. */
async function stillServed(): Promise<void> {
  const name = `later${++services}`;
  await mesh.apply(
    `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: default}\nspec: {selector: {app: ${name}}, ports: [{port: 80, name: http}]}\n`,
  );
  await eventually(async () => [...good.names].some((n) => n.includes(`${name}.default`)));
}

beforeAll(async () => {
  mesh = await startMesh({ clock });
  await mesh.apply("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: reviews, namespace: default}\n");
  const map = await mesh.dev.client.get<KubeObject>(refs.configMap, "weft-ca-root-cert", "weft-system");
  caPem = (map as unknown as { data: Record<string, string> }).data["root-cert.pem"]!;
  good = await ads({ token: await token() });
  await stillServed();
});
afterAll(async () => {
  good?.stop();
  await mesh?.stop();
});

async function expired(): Promise<Credentials> {
  const old = await token();
  ahead += 11 * 60_000;
  return { token: old };
}

const callers: readonly (readonly [string, () => Promise<Credentials>, number])[] = [
  ["no credential", async () => ({}), grpcCode.unauthenticated],
  ["a tampered token", async () => ({ token: `${await token()}x` }), grpcCode.unauthenticated],
  ["a token for another audience", async () => ({ token: await token("other") }), grpcCode.unauthenticated],
  ["an expired token", expired, grpcCode.unauthenticated],
  [
    "a foreign certificate and a good token",
    async () => ({ token: await token(), identity: identityOf({ ca: issuingCa(), spiffe: id }) }),
    grpcCode.unavailable,
  ],
  [
    "an expired certificate and a good token",
    async () => {
      const now = systemClock.wall();
      const times = { notBefore: now - 2 * hour, notAfter: now - hour };
      return { token: await token(), identity: identityOf({ ca: await ownCa(), spiffe: id, ...times }) };
    },
    grpcCode.unavailable,
  ],
];

/** The mesh's own CA, out of its Secret. */
async function ownCa(): Promise<IssuingCa> {
  if (meshCa) return meshCa;
  const secret = await mesh.dev.client.get<KubeObject>(refs.secret, "weft-ca", "weft-system");
  const data = (secret as unknown as { data: Record<string, string> }).data;
  const key = keyFromPem(Buffer.from(data["ca-key.pem"]!, "base64").toString());
  meshCa = { key, pem: caPem, subject: Buffer.from(parseCertificates(caPem)[0]!.subject) };
  return meshCa;
}

describe("a configuration stream", () => {
  test("with a certificate of the mesh's own CA gets its resources, with and without a token", async () => {
    const identity = identityOf({ ca: await ownCa(), spiffe: id });
    for (const shown of [{ identity }, { token: await token(), identity }]) {
      const stream = await ads(shown);
      await eventually(async () => stream.names.size > 0);
      stream.stop();
      expect(await stream.closed).toBe(grpcCode.cancelled);
    }
  });

  test.each(callers)("with %s is refused and gets no resource; others go on", async (_, shown, code) => {
    const stranger = await ads(await shown());
    expect(await stranger.closed).toBe(code);
    expect([...stranger.names]).toEqual([]);
    await stillServed();
  });
});

async function sign(csr: string): Promise<number | readonly string[]> {
  const channel = channelOf({ token: await token() });
  try {
    const request = create(IstioCertificateRequestSchema, { csr });
    return (await channel.unary(IstioCertificateService.method.createCertificate, request)).certChain;
  } catch (error) {
    return (error as { code: number }).code;
  } finally {
    channel.close();
  }
}

describe("the CA", () => {
  test("signs no other name and no weak key", async () => {
    expect(await sign(createCsr(id).csrPem)).toBeArray();
    for (const other of [
      "spiffe://cluster.local/ns/default/sa/admin",
      "spiffe://evil.example/ns/default/sa/reviews",
    ])
      expect(await sign(createCsr(other).csrPem)).toBe(grpcCode.invalidArgument);
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
    expect(await sign(encodePem(buildCsr(weak, [id]), "CERTIFICATE REQUEST"))).toBe(grpcCode.invalidArgument);
    expect(await sign("garbage")).toBe(grpcCode.invalidArgument);
  });
});

/** Sends bytes after the handshake; resolves when the server has closed the connection. */
function shout(bytes: Buffer): Promise<void> {
  const [host, port] = mesh.dev.plane.xdsAddress.split(":");
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = tlsConnect(
      { host: host!, port: Number(port), ca: caPem, ALPNProtocols: ["h2"] },
      () => void socket.write(bytes),
    );
    socket.on("secureConnect", () => socket.resume());
    socket.on("close", () => resolve());
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
  });
}

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

describe("garbage", () => {
  test.each([
    ["no HTTP/2 at all", Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n")],
    ["random bytes", Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 167 + 13) & 0xff))],
    [
      "a frame larger than allowed",
      Buffer.concat([preface, frame(4, 0, 0, Buffer.alloc(0)), frame(0, 0, 1, Buffer.alloc(100_000))]),
    ],
  ])("%s ends that connection only", async (_, bytes) => {
    await shout(bytes);
    await stillServed();
  });

  test("a message that claims 4 GiB is refused by its length, unread", async () => {
    const { connect } = await import("node:http2");
    const session = connect(`https://${mesh.dev.plane.xdsAddress}`, { ca: caPem });
    const request = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      authorization: `Bearer ${await token()}`,
    });
    const status = new Promise<unknown>((resolve, reject) => {
      request.on("response", (head) => head["grpc-status"] !== undefined && resolve(head["grpc-status"]));
      request.on("trailers", (trailers) => resolve(trailers["grpc-status"]));
      request.on("error", reject);
    });
    request.resume();
    request.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
    expect(Number(await status)).toBe(grpcCode.resourceExhausted);
    session.destroy();
    await stillServed();
  });
});
