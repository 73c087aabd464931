import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { createLogger, systemClock } from "../../base/index.ts";
import { AggregatedDiscoveryService } from "../../proto/gen/envoy/service/discovery/v3/ads_pb.js";
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
} from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import {
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
  IstioCertificateService,
} from "../../proto/gen/istio/v1/auth/ca_pb.js";
import { createTestCa, type TestIdentity } from "../../testkit/index.ts";
import {
  bidiMethod,
  type CallContext,
  createGrpcChannel,
  createGrpcServer,
  type GrpcChannel,
  GrpcError,
  type GrpcServer,
  grpcCode,
  limits,
  methodPath,
  type ServerStream,
  unaryMethod,
} from "./index.ts";

const log = createLogger({ sink: () => {} });
const clock = systemClock;
const csr = IstioCertificateService.method.createCertificate;
const ads = AggregatedDiscoveryService.method.deltaAggregatedResources;

const ca = createTestCa();
const foreign = createTestCa("foreign root");
const serverIdentity = await ca.leaf({ ips: ["127.0.0.1"], dns: ["weft.test"] });
const tls = { ...serverIdentity, caPem: ca.caPem };
const spiffe = "spiffe://cluster.local/ns/default/sa/reviews";

const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const fn of cleanup.splice(0).reverse()) await fn();
});

async function serve(options: {
  plain?: boolean;
  unary?: (context: CallContext) => Promise<string>;
  bidi?: (stream: ServerStream<DeltaDiscoveryRequest>) => void;
}): Promise<GrpcServer> {
  const server = await createGrpcServer({
    host: "127.0.0.1",
    port: 0,
    ...(options.plain ? {} : { tls }),
    verifyPeer: (leaf) =>
      Buffer.from(leaf).includes(spiffe)
        ? { ok: true, principal: spiffe }
        : { ok: false, reason: "no identity" },
    methods: [
      unaryMethod(csr, async (request, context) => {
        const text = await (options.unary ?? (async () => request.csr))(context);
        return create(IstioCertificateResponseSchema, { certChain: [text] });
      }),
      bidiMethod(ads, options.bidi ?? (() => {})),
    ],
    log,
    clock,
  });
  cleanup.push(() => server.stop());
  return server;
}

function channel(server: GrpcServer, o: Partial<Parameters<typeof createGrpcChannel>[0]> = {}): GrpcChannel {
  const c = createGrpcChannel({ target: `127.0.0.1:${server.port}`, caPem: ca.caPem, clock, ...o });
  cleanup.push(() => c.close());
  return c;
}

const call = (c: GrpcChannel, text = "x") =>
  c.unary(csr, create(IstioCertificateRequestSchema, { csr: text }));

describe("createGrpcServer()", () => {
  test("unary over TLS with a token in metadata and no client certificate", async () => {
    const server = await serve({
      unary: async (context) =>
        `${context.metadata.get("authorization")} ${context.peer.principal} ${context.peer.encrypted}`,
    });
    let n = 0;
    const c = channel(server, { token: async () => `t${++n}` });
    expect((await call(c)).certChain).toEqual(["Bearer t1 undefined true"]);
    expect((await call(c)).certChain).toEqual(["Bearer t2 undefined true"]);
  });

  test("a verified client certificate gives the principal", async () => {
    const server = await serve({ unary: async (context) => String(context.peer.principal) });
    const identity = await ca.leaf({ uris: [spiffe] });
    expect((await call(channel(server, { identity }))).certChain).toEqual([spiffe]);
  });

  const hour = 3_600_000;
  const bad: [string, () => TestIdentity][] = [
    ["foreign", () => foreign.leaf({ uris: [spiffe] })],
    [
      "expired",
      () => ca.leaf({ uris: [spiffe], notBefore: clock.wall() - 2 * hour, notAfter: clock.wall() - hour }),
    ],
    [
      "not yet valid",
      () => ca.leaf({ uris: [spiffe], notBefore: clock.wall() + hour, notAfter: clock.wall() + 2 * hour }),
    ],
    ["wrong identity", () => ca.leaf({ uris: ["spiffe://other/ns/a/sa/b"] })],
  ];
  for (const [name, make] of bad)
    test(`a client certificate that is ${name} is refused before any handler runs`, async () => {
      let called = 0;
      const server = await serve({
        unary: async () => {
          called++;
          return "";
        },
      });
      const error = await call(channel(server, { identity: await make() })).catch((e) => e);
      expect(error).toBeInstanceOf(GrpcError);
      expect(error.code).toBe(grpcCode.unavailable);
      expect(called).toBe(0);
      expect(server.refused).toBeGreaterThanOrEqual(1);
      // Without a certificate the same port serves.
      expect((await call(channel(server))).certChain).toEqual([""]);
    });

  test("a client refuses a server under another root, and one of another name", async () => {
    const server = await serve({});
    for (const o of [{ caPem: foreign.caPem }, { serverName: "other.test" }]) {
      const error = await call(channel(server, o)).catch((e) => e);
      expect(error.code).toBe(grpcCode.unavailable);
    }
    expect((await call(channel(server, { serverName: "weft.test" }))).certChain).toEqual(["x"]);
  });

  test("rotate() gives connections to come the new certificate", async () => {
    const server = await serve({});
    const before = channel(server);
    await call(before);
    server.rotate({ ...(await foreign.leaf({ ips: ["127.0.0.1"] })), caPem: ca.caPem });
    expect((await call(before)).certChain).toEqual(["x"]);
    expect((await call(channel(server, { caPem: foreign.caPem }))).certChain).toEqual(["x"]);
    expect((await call(channel(server)).catch((e) => e)).code).toBe(grpcCode.unavailable);
  });

  test("handlers answer with a status by GrpcError; other errors do not leak", async () => {
    let error: Error = new GrpcError(grpcCode.permissionDenied, "not yours");
    const server = await serve({
      unary: async () => {
        throw error;
      },
    });
    const c = channel(server);
    expect(await call(c).catch((e) => [e.code, e.message])).toEqual([grpcCode.permissionDenied, "not yours"]);
    error = new Error("secret path");
    expect(await call(c).catch((e) => [e.code, e.message])).toEqual([grpcCode.internal, "internal error"]);
  });

  test("a message at the limit is served, over it refused", async () => {
    const server = await serve({ unary: async () => "ok" });
    const c = channel(server);
    const text = "a".repeat(limits.maxServerReceiveBytes - 5);
    expect((await call(c, text)).certChain).toEqual(["ok"]);
    expect((await call(c, `${text}aaaaaa`).catch((e) => e)).code).toBe(grpcCode.resourceExhausted);
  });

  test("a token over plaintext is a mistake of the caller", () => {
    expect(() => createGrpcChannel({ target: "127.0.0.1:1", token: async () => "t", clock })).toThrow(
      RangeError,
    );
  });

  test("DATA on a stream that nobody opened ends the connection", async () => {
    const server = await serve({ plain: true });
    const socket = connect(server.port, "127.0.0.1");
    const ended = new Promise((resolve) => socket.on("close", resolve).on("error", () => {}));
    socket.resume();
    socket.write(preface);
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 7, 65]));
    await ended;
    expect(server.connections).toBe(0);
  });

  test("garbage on the port harms nobody", async () => {
    for (const plain of [true, false]) {
      const server = await serve({ plain });
      const c = plain ? createGrpcChannel({ target: `127.0.0.1:${server.port}`, clock }) : channel(server);
      for (const bytes of garbage()) {
        await new Promise<void>((resolve) => {
          const socket = connect(server.port, "127.0.0.1", () => socket.end(bytes));
          socket.on("error", () => resolve());
          socket.on("close", () => resolve());
          socket.resume();
        });
      }
      expect((await call(c)).certChain).toEqual(["x"]);
      c.close();
    }
  });
});

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
function* garbage(): Generator<Buffer> {
  yield Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  yield Buffer.alloc(64 * 1024, 0xff);
  yield Buffer.concat([preface, Buffer.alloc(1000, 0xff)]);
  yield Buffer.concat([preface, Buffer.from([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff])]);
  yield Buffer.concat([preface, Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 7, 65])]);
  yield preface.subarray(0, 10);
  yield Buffer.from([0x16, 3, 1, 0xff, 0xff, 1, 2, 3]);
}

describe("bidi streams", () => {
  test("carry 20 MB to a client in messages of 2 MB, with backpressure", async () => {
    const big = new Uint8Array(2 * 1024 * 1024).fill(7);
    const server = await serve({
      bidi: (stream) => {
        let left = 10;
        const pump = (): void => {
          while (left > 0) {
            left--;
            if (!stream.write(big)) return;
          }
          stream.end();
        };
        stream.onDrain = pump;
        pump();
      },
    });
    const stream = await channel(server).bidi(methodPath(ads), (bytes) => bytes.length);
    const got: number[] = [];
    const status = await new Promise<{ code: number }>((resolve) => {
      stream.onMessage = (n) => got.push(n);
      stream.onClose = resolve;
    });
    expect(status.code).toBe(grpcCode.ok);
    expect(got).toEqual(Array(10).fill(big.length));
  });

  test("onClose comes once when the client goes away, and an undecodable message ends the stream", async () => {
    const closes: string[] = [];
    let opened: () => void = () => {};
    const server = await serve({
      bidi: (stream) => {
        stream.onMessage = () => opened();
        stream.onClose = () => {
          closes.push("closed");
          done();
        };
      },
    });
    let done: () => void = () => {};
    const closed = () => new Promise<void>((resolve) => (done = resolve));
    const c = channel(server);
    const first = await c.bidi(methodPath(ads), (bytes) => bytes);
    const isOpen = new Promise<void>((resolve) => {
      opened = resolve;
    });
    first.write(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, { typeUrl: "t" })));
    await isOpen;
    const gone = closed();
    first.cancel();
    await gone;
    const second = await c.bidi(methodPath(ads), (bytes) => bytes);
    const status = new Promise<{ code: number }>((resolve) => {
      second.onClose = resolve;
    });
    second.write(new Uint8Array([0xff, 0xff, 0xff]));
    expect((await status).code).toBe(grpcCode.internal);
    expect(closes.length).toBe(2);
  });

  test("stop() tells the clients and closes the port", async () => {
    const server = await serve({ bidi: () => {} });
    const stream = await channel(server).bidi(methodPath(ads), (bytes) => bytes);
    const status = new Promise<{ code: number }>((resolve) => {
      stream.onClose = resolve;
    });
    stream.write(new Uint8Array());
    await call(channel(server));
    await server.stop();
    expect((await status).code).toBe(grpcCode.unavailable);
    expect(server.connections).toBe(0);
  });
});
