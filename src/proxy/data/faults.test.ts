/** Errors of sockets: whose doing, counted by kind; only bugs are logged. */
import { afterEach, describe, expect, test } from "bun:test";
import { createPrivateKey } from "node:crypto";
import { createSecureContext } from "node:tls";
import { connectTls, meshPlane } from "../../testkit/mesh-tls.ts";
import { metricRowWords } from "../config/index.ts";
import { faultKind, reportFault, setFaultSink } from "./faults.ts";
import { faultLogEvery, faultLogsWhole } from "./limits.ts";
import { Metrics } from "./metrics.ts";
import { answering, ok } from "./test-support.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const c of cleanups.splice(0)) c();
});

const coded = (code: string, message = ""): Error => Object.assign(new Error(message), { code });
/** What a call throws. */
function thrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("the kind of a fault", () => {
  test.each([
    ["a reset", coded("ECONNRESET"), "network"],
    ["a broken pipe", coded("EPIPE"), "network"],
    ["an unreachable host", coded("EHOSTUNREACH"), "network"],
    ["a bad record", coded("EPROTO", "error:1000008b:SSL routines:OPENSSL_internal:BAD_RECORD_MAC"), "tls"],
    ["node's words for one", coded("ERR_SSL_WRONG_VERSION_NUMBER"), "tls"],
    ["too many renegotiations", coded("ERR_TLS_SESSION_ATTACK"), "tls"],
    ["a context that we made wrong", coded("ERR_TLS_INVALID_CONTEXT"), "internal"],
    ["a protocol version that we made up", coded("ERR_TLS_INVALID_PROTOCOL_VERSION"), "internal"],
    ["a certificate that cannot be set", coded("ERR_OSSL_X509_KEY_VALUES_MISMATCH"), "internal"],
    ["a bug with a code", thrown(() => Buffer.from(1 as never)), "internal"],
    ["a bug without one", thrown(() => (null as never as { x: number }).x), "internal"],
    ["a key that cannot be read", thrown(() => createPrivateKey("no key")), "internal"],
    ["a wrong version", thrown(() => createSecureContext({ minVersion: "TLSv9" } as never)), "internal"],
    ["something thrown that is no error", "text", "internal"],
  ] as const)("%s", (_, error, kind) => {
    expect(faultKind(error)).toBe(kind);
  });
});

test("bugs are logged one by one at first, then one of a thousand; all are counted", () => {
  const posted: { kind: string }[] = [];
  const row = new Float64Array(metricRowWords);
  const metrics = new Metrics(row, () => undefined);
  setFaultSink({ post: (m) => posted.push(m), metrics });
  const all = 2 * faultLogEvery + 1;
  for (let i = 0; i < all; i++) reportFault(new TypeError("bug"));
  for (let i = 0; i < 5; i++) reportFault(coded("ECONNRESET"));
  expect(posted.length).toBe(faultLogsWhole + 2);
  expect(posted[0]).toMatchObject({ kind: "log", level: "error", fields: { faults: 1 } });
  const count = (kind: string): number =>
    row[metrics.series("weft_connection_faults_total", ["kind", kind])]!;
  expect(["internal", "network", "tls"].map(count)).toEqual([all, 5, 0]);
});

/** Passes bytes on both ways; `inject` puts some of its own in, towards the server. */
function relay(port: number): { readonly port: number; inject(bytes: Uint8Array): void; stop(): void } {
  let up: Bun.Socket | undefined;
  const held: Uint8Array[] = [];
  const listening = Bun.listen<undefined>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      async open(down) {
        const socket = await Bun.connect({
          hostname: "127.0.0.1",
          port,
          socket: { data: (_, bytes) => void down.write(bytes), close: () => void down.end() },
        });
        for (const bytes of held) socket.write(bytes);
        up = socket;
      },
      data(_, bytes) {
        if (up) up.write(bytes);
        else held.push(bytes.slice());
      },
    },
  });
  return {
    port: listening.port,
    inject: (bytes) => void up?.write(bytes),
    stop: () => listening.stop(true),
  };
}

test("a peer's broken TLS record ends its connection: counted, not logged as a bug, the next peer is served", async () => {
  const backend = answering(() => ok("heard"));
  const plane = meshPlane(backend.port);
  const between = relay(plane.port("mesh"));
  cleanups.push(
    () => plane.stop(),
    () => backend.stop(),
    () => between.stop(),
  );
  const client = await connectTls(between.port);
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.inbox.match(/heard$/);
  between.inject(Buffer.concat([Buffer.from([0x17, 3, 3, 0, 40]), Buffer.alloc(40, 7)]));
  await client.inbox.until(() => client.inbox.closed);
  expect(plane.metric("weft_connection_faults_total", { kind: "tls" })).toBe(1);
  expect(plane.metric("weft_connection_faults_total", { kind: "internal" })).toBe(0);
  expect(plane.posted.filter((m) => m.kind === "log" && m.level === "error")).toEqual([]);
  const next = await connectTls(plane.port("mesh"));
  next.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await next.inbox.match(/heard$/);
});

test("lines below the level that is wanted are not posted", async () => {
  const backend = answering(() => ok("heard"));
  const plane = meshPlane(backend.port);
  cleanups.push(
    () => plane.stop(),
    () => backend.stop(),
  );
  const refused = (): number => plane.posted.filter((m) => m.kind === "log" && m.level === "debug").length;
  const stranger = async (): Promise<void> => {
    const { inbox } = await connectTls(plane.port("mesh"), {});
    await inbox.until(() => inbox.closed);
  };
  await stranger();
  expect(refused()).toBe(1);
  plane.handle({ kind: "log-level", level: "info" });
  await stranger();
  expect(refused()).toBe(1);
  plane.handle({ kind: "log-level", level: "debug" });
  await stranger();
  expect(refused()).toBe(2);
  expect(plane.metric("envoy_listener_ssl_connection_error")).toBe(3);
});
