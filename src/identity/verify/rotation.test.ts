/** Resumption, removal of a root, and change of certificates under connections (HARDENING.md 35, F9). */
import { expect, test } from "bun:test";
import { systemClock } from "../../base/index.ts";
import { type Issued, type IssuingCa, issue, issuingCa } from "../../testkit/issue.ts";
import {
  createTlsClient,
  createTlsServer,
  type TlsServer,
  type TlsServerOptions,
  type TlsSocket,
  type TlsVersion,
} from "../../wire/tls/index.ts";
import { spiffeVerifier } from "./index.ts";

const uri = (name: string): string => `spiffe://cluster.local/ns/default/sa/${name}`;

const options = (own: Issued, ca: IssuingCa, more: Partial<TlsServerOptions> = {}): TlsServerOptions => ({
  ...own,
  ca: ca.pem,
  alpn: [],
  requireClientCertificate: true,
  verifyPeer: spiffeVerifier({ trustDomains: ["cluster.local"], clock: systemClock, usage: "client" }),
  ...more,
});

interface Conn {
  socket?: TlsSocket;
}

interface Served {
  readonly port: number;
  readonly acceptor: TlsServer<Conn>;
  readonly outcomes: string[];
  stop(): void;
}

function serve(first: TlsServerOptions): Served {
  const outcomes: string[] = [];
  const acceptor = createTlsServer<Conn>(
    first,
    {
      open(conn, socket, info) {
        conn.socket = socket;
        outcomes.push(`open resumed=${info.resumed}`);
        socket.write("welcome");
      },
      data() {},
      drain() {},
      end: (conn) => conn.socket?.shutdown(),
      close() {},
      refused: (_, refusal) => outcomes.push(refusal.code),
    },
    { clock: systemClock },
  );
  const listener = Bun.listen<unknown>({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: { open: (s) => acceptor.accept(s, {}), data() {} },
  });
  const stop = (): void => {
    acceptor.stop();
    listener.stop(true);
  };
  return { port: listener.port, acceptor, outcomes, stop };
}

/** A client that, unlike ours, keeps sessions; resolves to the bytes heard and the last session offered. */
function resuming(
  port: number,
  client: Issued | undefined,
  session: Buffer | undefined,
  version: TlsVersion,
): Promise<{ heard: string; session: Buffer | undefined; reused: boolean }> {
  const number = version === "1.3" ? 0x304 : 0x303;
  const result = { heard: "", session: undefined as Buffer | undefined, reused: false };
  const done = Promise.withResolvers<typeof result>();
  type Raw = TlsSocket & { setSession(s: Buffer): void; isSessionReused(): boolean };
  const handlers = {
    open(s: Raw) {
      if (session) s.setSession(session);
    },
    handshake(s: Raw) {
      result.reused = s.isSessionReused();
    },
    session(_: Raw, bytes: Buffer) {
      result.session = bytes;
    },
    data(s: Raw, bytes: Buffer) {
      result.heard += bytes.toString();
      s.terminate();
    },
    close: () => done.resolve(result),
    error() {},
  };
  const tls = {
    rejectUnauthorized: false,
    serverName: "same",
    minVersion: number,
    maxVersion: number,
    ...(client ? { cert: client.cert, key: client.key } : {}),
  };
  Bun.connect({ hostname: "127.0.0.1", port, tls: tls as never, socket: handlers as never }).catch(
    done.reject,
  );
  return done.promise;
}

for (const version of ["1.3", "1.2"] as const) {
  const versions = { minVersion: version, maxVersion: version };
  test(`TLS ${version}: no session is offered where client certificates count, so none outlives them`, async () => {
    const ca = issuingCa();
    const served = serve(options(issue({ ca, spiffe: uri("a") }), ca, versions));
    const b = issue({ ca, spiffe: uri("b") });
    const first = await resuming(served.port, b, undefined, version);
    expect(first.heard).toBe("welcome");
    if (version === "1.3") expect(first.session).toBeUndefined();
    const second = await resuming(served.port, b, first.session, version);
    expect(second.reused).toBe(false);
    const bare = await resuming(served.port, undefined, first.session, version);
    expect(bare.heard).toBe("");
    expect(served.outcomes).toEqual(["open resumed=false", "open resumed=false", "tls.no_certificate"]);
    served.stop();
  });

  test(`TLS ${version}: a session of a listener without client certificates opens none that wants them`, async () => {
    const ca = issuingCa();
    const own = issue({ ca, spiffe: uri("a") });
    const open = serve(options(own, ca, { ...versions, ca: "", requireClientCertificate: false }));
    const strict = serve(options(own, ca, versions));
    const first = await resuming(open.port, undefined, undefined, version);
    expect(first.heard).toBe("welcome");
    expect(first.session).toBeDefined();
    const second = await resuming(strict.port, undefined, first.session, version);
    expect(second.heard).toBe("");
    expect(strict.outcomes).toEqual(["tls.no_certificate"]);
    open.stop();
    strict.stop();
  });
}

test("a root that was removed is trusted no more, from the next connection on", async () => {
  const oldCa = issuingCa({ name: "old" });
  const newCa = issuingCa({ name: "new" });
  const own = issue({ ca: newCa, spiffe: uri("a") });
  const served = serve(options(own, newCa, { ca: oldCa.pem + newCa.pem }));
  const b = issue({ ca: oldCa, spiffe: uri("b") });
  const first = await resuming(served.port, b, undefined, "1.3");
  expect(first.heard).toBe("welcome");
  served.acceptor.update(options(own, newCa));
  const second = await resuming(served.port, b, first.session, "1.3");
  expect(second.heard).toBe("");
  served.acceptor.update(options(own, newCa, { ca: oldCa.pem + newCa.pem }));
  expect((await resuming(served.port, b, first.session, "1.3")).heard).toBe("welcome");
  expect(served.outcomes).toEqual(["open resumed=false", "tls.untrusted", "open resumed=false"]);
  served.stop();
});

test("certificates change under a loop of connections: the next one shows the new one, none fails", async () => {
  const ca = issuingCa();
  const served = serve(options(issue({ ca, spiffe: uri("v0") }), ca));
  const verifyPeer = spiffeVerifier({ trustDomains: ["cluster.local"], clock: systemClock, usage: "server" });
  const clientOptions = { ca: ca.pem, alpn: [], sni: "", verifyPeer };
  type Dialled = Conn & { resolve(principal: string): void; principal: string };
  const dialler = createTlsClient<Dialled>(
    { ...clientOptions, identity: issue({ ca, spiffe: uri("b") }) },
    {
      open: (conn, socket, info) => {
        conn.socket = socket;
        conn.principal = info.principal;
      },
      data(conn) {
        conn.socket?.terminate();
        conn.resolve(conn.principal);
      },
      drain() {},
      end() {},
      close() {},
      refused: (conn, refusal) => conn.resolve(`refused: ${refusal.code} ${refusal.detail}`),
    },
  );
  const dial = (): Promise<string> =>
    new Promise((resolve) =>
      dialler.connect({ host: "127.0.0.1", port: served.port }, { resolve, principal: "" }),
    );
  for (let version = 1; version <= 20; version++) {
    const before = Array.from({ length: 4 }, dial);
    served.acceptor.update(options(issue({ ca, spiffe: uri(`v${version}`) }), ca));
    dialler.update({ ...clientOptions, identity: issue({ ca, spiffe: uri(`c${version}`) }) });
    const after = await Promise.all(Array.from({ length: 4 }, dial));
    expect(after).toEqual(Array(4).fill(uri(`v${version}`)));
    for (const principal of await Promise.all(before))
      expect([uri(`v${version - 1}`), uri(`v${version}`)]).toContain(principal);
  }
  expect(served.outcomes.filter((o) => o !== "open resumed=false")).toEqual([]);
  served.stop();
});

test("bad material is refused at once and what was there stays", async () => {
  const ca = issuingCa();
  const own = issue({ ca, spiffe: uri("a") });
  const other = issue({ ca, spiffe: uri("b") });
  const served = serve(options(own, ca));
  expect(() => served.acceptor.update(options({ ...own, key: other.key }, ca))).toThrow("does not belong");
  expect(() => served.acceptor.update(options({ ...own, key: "x" }, ca))).toThrow("own key: cannot be read");
  expect(() => served.acceptor.update(options({ ...own, cert: "" }, ca))).toThrow(
    "no certificate in PEM form",
  );
  expect(() => served.acceptor.update(options(own, ca, { ca: "" }))).toThrow("trust bundle");
  expect(() => served.acceptor.update(options(own, ca, { minVersion: "1.3", maxVersion: "1.2" }))).toThrow(
    "above",
  );
  expect(() => served.acceptor.update(options(own, ca, { alpn: [""] }))).toThrow("1 to 255");
  expect((await resuming(served.port, other, undefined, "1.3")).heard).toBe("welcome");
  served.stop();
  const verifyPeer = spiffeVerifier({ trustDomains: "any", clock: systemClock, usage: "server" });
  const handlers = { open() {}, data() {}, drain() {}, end() {}, close() {}, refused() {} };
  expect(() => createTlsClient({ ca: "", alpn: [], sni: "", verifyPeer }, handlers)).toThrow("trust bundle");
});
