import { describe, expect, test } from "bun:test";
import { connect as netConnect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as tlsConnect } from "node:tls";
import fc from "fast-check";
import { systemClock } from "../../base/index.ts";
import { fakeClock } from "../../testkit/index.ts";
import { issue, issuingCa } from "../../testkit/issue.ts";
import { tlsMeet } from "../../testkit/tls-meet.ts";
import {
  createTlsClient,
  createTlsServer,
  deferAccept,
  encodeAlpn,
  type Inspection,
  inspect,
  peekClientHello,
  type TlsHandlers,
  type TlsRefusal,
} from "./index.ts";
import { handshakeTimeoutMs, inspectTimeoutMs, maxAlpnProtocols, maxClientHelloBytes } from "./limits.ts";

const ca = issuingCa();
const own = issue({ ca, spiffe: "spiffe://t/ns/x/sa/y" });
const verifyPeer = (): { ok: true; principal: string } => ({ ok: true, principal: "p" });
const server = { ...own, ca: ca.pem, alpn: ["h2", "http/1.1"], requireClientCertificate: true, verifyPeer };
const client = { identity: own, ca: ca.pem, alpn: ["http/1.1"], sni: "Some.Name", verifyPeer };

/** The ClientHello that a real client sends. */
async function realHello(options: { servername?: string; ALPNProtocols?: string[] }): Promise<Buffer> {
  const first = Promise.withResolvers<Buffer>();
  const duplex = new Duplex({ read() {}, write: (chunk: Buffer) => first.resolve(chunk) });
  tlsConnect({ socket: duplex as unknown as Socket, ...options }).on("error", () => {});
  return first.promise;
}

const u16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
const vector16 = (...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([u16(body.length), body]);
};
/** A ClientHello with these extensions, in records of at most `size` bytes. */
function madeHello(extensions: readonly [number, Buffer][], size = 16_384): Buffer {
  const list = extensions.map(([type, body]) => Buffer.concat([u16(type), vector16(body)]));
  const body = Buffer.concat([
    Buffer.alloc(34, 3),
    Buffer.from([0]),
    vector16(Buffer.from([0x13, 1])),
    Buffer.from([1, 0]),
    vector16(...list),
  ]);
  const message = Buffer.concat([
    Buffer.from([1, body.length >> 16, (body.length >> 8) & 255, body.length & 255]),
    body,
  ]);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size)
    records.push(Buffer.from([22, 3, 1]), vector16(message.subarray(at, at + size)));
  return Buffer.concat(records);
}
const sniBody = (name: string): Buffer => vector16(Buffer.from([0]), vector16(Buffer.from(name, "latin1")));

describe("peekClientHello", () => {
  test("a real client's hello: at every prefix incomplete, whole it says name and protocols", async () => {
    const hello = await realHello({ servername: "a.example", ALPNProtocols: ["h2", "istio"] });
    for (let n = 0; n < hello.length; n++)
      expect(peekClientHello(hello.subarray(0, n))).toEqual({ tls: true, complete: false });
    const whole = { tls: true, complete: true, sni: "a.example", alpn: ["h2", "istio"] } as const;
    expect(peekClientHello(hello)).toEqual(whole);
    expect(peekClientHello(Buffer.concat([hello, Buffer.from("more")]))).toEqual(whole);
  });

  test("records of any size, one byte included, give the same", () => {
    const extensions: [number, Buffer][] = [
      [0, sniBody("B.Example")],
      [16, vector16(encodeAlpn(["http/1.1"]))],
    ];
    for (const size of [1, 2, 3, 4, 5, 50, 16_384])
      expect(peekClientHello(madeHello(extensions, size))).toEqual({
        tls: true,
        complete: true,
        sni: "b.example",
        alpn: ["http/1.1"],
      });
  });

  test("no extension, no name", () => {
    expect(peekClientHello(madeHello([]))).toEqual({ tls: true, complete: true, sni: "", alpn: [] });
  });

  test.each([
    [
      "two names",
      [
        [0, sniBody("a")],
        [0, sniBody("b")],
      ],
    ],
    ["NUL in the name", [[0, sniBody("a\0b")]]],
    ["empty name", [[0, sniBody("")]]],
    ["name with bytes behind", [[0, Buffer.concat([sniBody("a"), Buffer.from([0])])]]],
    ["empty ALPN list", [[16, vector16()]]],
    ["empty ALPN name", [[16, vector16(Buffer.from([0]))]]],
    [
      "two ALPN lists",
      [
        [16, vector16(encodeAlpn(["a"]))],
        [16, vector16(encodeAlpn(["b"]))],
      ],
    ],
  ] as [string, [number, Buffer][]][])("%s is an error", (_, extensions) => {
    expect(peekClientHello(madeHello(extensions))).toHaveProperty("error");
  });

  test("plaintext is told from the first byte, other records from the second or sixth", () => {
    expect(peekClientHello(Buffer.from("G"))).toEqual({ tls: false });
    expect(peekClientHello(Buffer.from("PRI * HTTP/2.0"))).toEqual({ tls: false });
    expect(peekClientHello(Buffer.from([22, 0x41]))).toEqual({ tls: false });
    expect(peekClientHello(Buffer.from([22, 3, 1, 0, 5, 2]))).toHaveProperty("error");
    expect(peekClientHello(Buffer.from([22, 3, 1, 0, 0]))).toHaveProperty("error");
    expect(peekClientHello(Buffer.from([22, 3, 1, 0x40, 1]))).toHaveProperty("error");
  });

  test("64 KiB is the limit, and one more byte is too long", () => {
    const base = madeHello([[21, Buffer.alloc(0)]]).length - 5 - 4;
    const padded = (total: number): Buffer => madeHello([[21, Buffer.alloc(total - 4 - base)]], 16_000);
    expect(peekClientHello(padded(maxClientHelloBytes))).toMatchObject({ complete: true });
    expect(peekClientHello(padded(maxClientHelloBytes + 1).subarray(0, 100))).toHaveProperty("error");
  });

  test("many ALPN names: the first 32 are taken", () => {
    const names = Array.from({ length: maxAlpnProtocols + 1 }, (_, i) => `p${i}`);
    const peek = peekClientHello(madeHello([[16, vector16(encodeAlpn(names))]]));
    expect(peek).toMatchObject({ alpn: names.slice(0, maxAlpnProtocols) });
  });

  test("any bytes, and any damage to a good hello, give a verdict; a prefix never contradicts the whole", () => {
    const good = madeHello(
      [
        [0, sniBody("a.b")],
        [16, vector16(encodeAlpn(["h2"]))],
      ],
      30,
    );
    const damage = fc
      .tuple(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length))
      .map(([at, byte, cut]) => {
        const bytes = Buffer.from(good);
        bytes[at] = byte;
        return { bytes, cut };
      });
    const any = fc.uint8Array({ maxLength: 300 }).map((b) => ({ bytes: Buffer.from(b), cut: b.length >> 1 }));
    fc.assert(
      fc.property(fc.oneof(damage, any), ({ bytes, cut }) => {
        const whole = peekClientHello(bytes);
        const part = peekClientHello(bytes.subarray(0, cut));
        if (part.tls && "complete" in part && !part.complete) return;
        expect<boolean>(part.tls).toBe(whole.tls);
        if (part.tls && "complete" in part) expect<unknown>(part).toEqual(whole);
        else if (part.tls) expect(whole).toHaveProperty("error");
      }),
      { numRuns: 3000 },
    );
  });
});

interface Inspected {
  readonly port: number;
  readonly found: Promise<Inspection>;
  stop(): void;
}

function inspecting(
  options: { clock?: typeof systemClock; defer?: boolean },
  more?: (s: Bun.Socket<unknown>) => void,
): Inspected {
  const found = Promise.withResolvers<Inspection>();
  const listener = Bun.listen<unknown>({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: {
      open: (s) =>
        inspect(s, { clock: options.clock ?? systemClock }, (inspection) => {
          if (inspection.kind !== "closed") more?.(s);
          found.resolve(inspection);
        }),
      data() {},
    },
  });
  if (options.defer) expect(deferAccept((listener as unknown as { fd: number }).fd, 5)).toBe(true);
  return { port: listener.port, found: found.promise, stop: () => listener.stop(true) };
}

describe("inspect", () => {
  test.each([false, true])("a whole hello, and plaintext (deferred accept %p)", async (defer) => {
    const tls = inspecting({ defer });
    const one = netConnect(tls.port, "127.0.0.1");
    one.write(await realHello({ servername: "x.y", ALPNProtocols: ["h2"] }));
    expect(await tls.found).toEqual({ kind: "tls", sni: "x.y", alpn: ["h2"] });
    const plain = inspecting({ defer });
    const two = netConnect(plain.port, "127.0.0.1");
    two.write("GET / HTTP/1.1\r\n");
    expect(await plain.found).toEqual({ kind: "plain" });
    one.destroy();
    two.destroy();
    tls.stop();
    plain.stop();
  });

  test("one byte a segment: the hello is read, then the same bytes make the handshake", async () => {
    const heard = Promise.withResolvers<string>();
    const handlers: TlsHandlers<object> = {
      open() {},
      data: (_, bytes) => heard.resolve(Buffer.from(bytes).toString()),
      drain() {},
      end() {},
      close() {},
      refused: (_, refusal) => heard.resolve(JSON.stringify(refusal)),
    };
    const acceptor = createTlsServer(server, handlers, { clock: systemClock });
    const at = inspecting({}, (s) => acceptor.accept(s, {}));
    const raw = netConnect(at.port, "127.0.0.1").setNoDelay(true);
    const duplex = new Duplex({
      read() {},
      async write(chunk: Buffer, _, done) {
        for (let i = 0; i < chunk.length; i++)
          await new Promise<void>((go) => raw.write(chunk.subarray(i, i + 1), () => go()));
        done();
      },
    });
    raw.on("data", (chunk: Buffer) => duplex.push(chunk));
    const secure = tlsConnect({
      socket: duplex as unknown as Socket,
      cert: own.cert,
      key: own.key,
      ca: ca.pem,
      rejectUnauthorized: false,
      servername: "one.byte",
      ALPNProtocols: ["http/1.1"],
    });
    secure.write("still here");
    expect(await at.found).toEqual({ kind: "tls", sni: "one.byte", alpn: ["http/1.1"] });
    expect(await heard.promise).toBe("still here");
    raw.destroy();
    acceptor.stop();
    at.stop();
  });

  test("a peer that says nothing is silent after the limit, one that leaves is closed", async () => {
    const clock = fakeClock();
    const opened = Promise.withResolvers<void>();
    const counting = {
      ...clock,
      after(ms: number, fn: () => void) {
        opened.resolve();
        return clock.after(ms, fn);
      },
    };
    const silent = inspecting({ clock: counting });
    const one = netConnect(silent.port, "127.0.0.1");
    await opened.promise;
    clock.advance(inspectTimeoutMs - 1);
    expect(clock.pending).toBe(1);
    clock.advance(100);
    expect(await silent.found).toEqual({ kind: "silent" });
    expect(clock.pending).toBe(0);
    const left = inspecting({});
    netConnect(left.port, "127.0.0.1").end();
    expect(await left.found).toEqual({ kind: "closed" });
    one.destroy();
    silent.stop();
    left.stop();
  });

  test("a broken hello is bad", async () => {
    const at = inspecting({});
    const raw = netConnect(at.port, "127.0.0.1");
    raw.write(madeHello([[0, sniBody("a\0b")]]));
    expect(await at.found).toMatchObject({ kind: "bad" });
    raw.destroy();
    at.stop();
  });
});

describe("server and client", () => {
  test("ALPN: the server's order wins, no overlap ends it, none offered is refused where wanted", async () => {
    const both = await tlsMeet(server, { ...client, alpn: ["http/1.1", "h2"] });
    expect(both.server.info!.alpn).toBe("h2");
    expect(both.server.info!.sni).toBe("some.name");
    const none = await tlsMeet(server, { ...client, alpn: ["other"] });
    expect(none.server.refusal!.code).toBe("tls.handshake");
    expect(none.client.events).toEqual(["refused"]);
    const silent = await tlsMeet({ ...server, requireAlpn: true }, { ...client, alpn: [] });
    expect(silent.server.refusal!.detail).toContain("no application protocol");
    expect((await tlsMeet(server, { ...client, alpn: [] })).server.info!.alpn).toBe("");
  });

  test("versions: 1.2 is refused unless allowed", async () => {
    const old = { ...client, minVersion: "1.2", maxVersion: "1.2" } as const;
    const refused = await tlsMeet(server, old);
    expect(refused.server.refusal!.code).toBe("tls.handshake");
    expect((await tlsMeet({ ...server, minVersion: "1.2" }, old)).server.heard).toBe("hello from client");
  });

  test("plaintext, and a peer that leaves in the handshake, are refused once", async () => {
    const refusals: TlsRefusal[] = [];
    const ended = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const handlers: TlsHandlers<object> = {
      open() {},
      data() {},
      drain() {},
      end() {},
      close() {},
      refused: (_, refusal) => {
        refusals.push(refusal);
        ended[refusals.length - 1]!.resolve();
      },
    };
    const acceptor = createTlsServer(server, handlers, { clock: systemClock });
    const listener = Bun.listen<unknown>({
      hostname: "127.0.0.1",
      port: 0,
      allowHalfOpen: true,
      socket: { open: (s) => acceptor.accept(s, {}), data() {} },
    });
    const plain = netConnect(listener.port, "127.0.0.1");
    plain.on("error", () => {});
    plain.write("GET / HTTP/1.1\r\n\r\n");
    await ended[0]!.promise;
    expect(refusals[0]!.code).toBe("tls.handshake");
    const leaves = netConnect(listener.port, "127.0.0.1");
    leaves.end((await realHello({})).subarray(0, 50));
    await ended[1]!.promise;
    expect(["tls.closed", "tls.handshake"]).toContain(refusals[1]!.code);
    expect(acceptor.pending).toBe(0);
    plain.destroy();
    listener.stop(true);
  });

  test("handshakes end in time, and no more are pending than the limit", async () => {
    const clock = fakeClock();
    const refusals: string[] = [];
    const accepted = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
    const handlers: TlsHandlers<object> = {
      open() {},
      data() {},
      drain() {},
      end() {},
      close() {},
      refused: (_, refusal) => refusals.push(refusal.code),
    };
    const acceptor = createTlsServer(server, handlers, { clock, maxPendingHandshakes: 2 });
    let n = 0;
    const listener = Bun.listen<unknown>({
      hostname: "127.0.0.1",
      port: 0,
      allowHalfOpen: true,
      socket: {
        open(s) {
          acceptor.accept(s, {});
          accepted[n++]!.resolve();
        },
        data() {},
      },
    });
    const sockets = accepted.map(() => netConnect(listener.port, "127.0.0.1").on("error", () => {}));
    await Promise.all(accepted.map((a) => a.promise));
    expect(refusals).toEqual(["tls.overload"]);
    expect(acceptor.pending).toBe(2);
    clock.advance(handshakeTimeoutMs - 1);
    expect(acceptor.pending).toBe(2);
    clock.advance(1);
    expect(refusals).toEqual(["tls.overload", "tls.timeout", "tls.timeout"]);
    expect(clock.pending).toBe(0);
    for (const s of sockets) s.destroy();
    listener.stop(true);
  });

  test("dialling nobody, and giving up, are each told once", async () => {
    const told: string[] = [];
    const done = Promise.withResolvers<void>();
    const handlers: TlsHandlers<string> = {
      open: () => told.push("open"),
      data() {},
      drain() {},
      end() {},
      close: () => told.push("close"),
      refused: (conn, refusal) => {
        told.push(`${conn} ${refusal.code}`);
        if (conn === "nobody") done.resolve();
      },
    };
    const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { port } = listener;
    const dialler = createTlsClient(client, handlers);
    const dial = dialler.connect({ host: "127.0.0.1", port }, "given up");
    dial.cancel();
    dial.cancel();
    listener.stop(true);
    dialler.connect({ host: "127.0.0.1", port }, "nobody");
    await done.promise;
    expect(told).toEqual(["given up tls.cancelled", "nobody tls.connect"]);
  });

  test("a callback that throws costs its own connection only", async () => {
    const errors: string[] = [];
    const closed = Promise.withResolvers<void>();
    const noop = (): void => {};
    const acceptor = createTlsServer<object>(
      server,
      {
        open: () => {
          throw new Error("a bug");
        },
        data: noop,
        drain: noop,
        end: noop,
        close: () => closed.resolve(),
        refused: noop,
        error: (_, error) => errors.push(error.message),
      },
      { clock: systemClock },
    );
    const listener = Bun.listen<unknown>({
      hostname: "127.0.0.1",
      port: 0,
      allowHalfOpen: true,
      socket: { open: (s) => acceptor.accept(s, {}), data() {} },
    });
    const handlers = { open: noop, data: noop, drain: noop, end: noop, close: noop, refused: noop };
    createTlsClient<object>(client, handlers).connect({ host: "127.0.0.1", port: listener.port }, {});
    await closed.promise;
    expect(errors).toEqual(["a bug"]);
    acceptor.stop();
    listener.stop(true);
  });
});
