/** At the start of a proxy: a foreign certificate must be refused by this very runtime, or it must not serve. */
import type { Clock } from "../../base/index.ts";
import {
  createTlsClient,
  createTlsServer,
  type TlsHandlers,
  type TlsRefusal,
  type TlsSocket,
} from "../../wire/tls/index.ts";
import { type Ca, createCa, memoryCaStore } from "../ca/index.ts";
import { spiffeVerifier } from "../verify/index.ts";
import { createCsr } from "../x509/index.ts";

/** The runtime lets through whom it must not. */
export class SelfTestError extends Error {
  override name = "SelfTestError";
}

/** All of it takes about 20 ms. */
export const selfTestTimeoutMs = 5_000;

const id = "spiffe://weft.invalid/ns/self/sa/test";

interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

function identityOf(ca: Ca): Identity {
  const { keyPem, csrPem } = createCsr(id);
  return { cert: ca.sign(csrPem, { id }).chainPem[0]!, key: keyPem, ca: ca.rootPem };
}

/** How a connection ended for the server: bytes heard, or why it was refused. */
type Outcome = { heard: string } | { refusal: TlsRefusal } | { gone: true };

interface Conn {
  socket?: TlsSocket;
}

function handlers(settle: (outcome: Outcome) => void, greeting: string): TlsHandlers<Conn> {
  return {
    open(conn, socket) {
      conn.socket = socket;
      if (greeting !== "") socket.write(greeting);
    },
    data: (_, bytes) => settle({ heard: Buffer.from(bytes).toString("latin1") }),
    drain: () => {},
    end: (conn) => conn.socket?.terminate(),
    close: () => settle({ gone: true }),
    refused: (_, refusal) => settle({ refusal }),
  };
}

/** One connection from `client` to `server`, each side's outcome. */
async function meet(
  server: Identity,
  client: Identity,
  clock: Clock,
): Promise<{ server: Outcome; client: Outcome }> {
  const atServer = Promise.withResolvers<Outcome>();
  const atClient = Promise.withResolvers<Outcome>();
  const accepted: Conn = {};
  const dialled: Conn = {};
  const common = { alpn: ["weft-self-test"] };
  const rules = { trustDomains: ["weft.invalid"], clock } as const;
  const acceptor = createTlsServer<Conn>(
    {
      ...common,
      ...server,
      requireClientCertificate: true,
      verifyPeer: spiffeVerifier({ ...rules, usage: "client" }),
    },
    handlers(atServer.resolve, "from server"),
    { clock },
  );
  const listener = Bun.listen<unknown>({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: { open: (socket) => acceptor.accept(socket, accepted), data() {} },
  });
  const verifyPeer = spiffeVerifier({ ...rules, usage: "server" });
  const dialler = createTlsClient<Conn>(
    { ...common, ca: client.ca, identity: client, sni: "", verifyPeer },
    handlers(atClient.resolve, "from client"),
  );
  const dial = dialler.connect({ host: "127.0.0.1", port: listener.port }, dialled);
  const timer = clock.after(selfTestTimeoutMs, () => {
    dial.cancel();
    atServer.resolve({ gone: true });
    atClient.resolve({ gone: true });
  });
  try {
    return { server: await atServer.promise, client: await atClient.promise };
  } finally {
    timer.cancel();
    accepted.socket?.terminate();
    dialled.socket?.terminate();
    acceptor.stop();
    listener.stop(true);
  }
}

const refusedAs = (outcome: Outcome, code: TlsRefusal["code"]): boolean =>
  "refusal" in outcome && outcome.refusal.code === code;

/**
 * Real handshakes on loopback: the right certificate must be heard both ways, a foreign one refused by a server and
 * by a client. Rejects with SelfTestError.
 */
export async function selfTest(clock: Clock): Promise<void> {
  const [ours, theirs] = await Promise.all(
    [0, 1].map(async () =>
      identityOf(await createCa({ store: memoryCaStore(), clock, trustDomain: "weft.invalid" })),
    ),
  );
  if (!ours || !theirs) throw new SelfTestError("no certificates");
  const good = await meet(ours, ours, clock);
  if (!("heard" in good.server && "heard" in good.client))
    throw new SelfTestError(`the right certificate was refused: ${JSON.stringify(good)}`);
  const foreignClient = await meet(ours, { ...theirs, ca: ours.ca }, clock);
  if (!refusedAs(foreignClient.server, "tls.untrusted"))
    throw new SelfTestError(
      `a server did not refuse a foreign certificate: ${JSON.stringify(foreignClient.server)}`,
    );
  const foreignServer = await meet({ ...theirs, ca: ours.ca }, ours, clock);
  if (!refusedAs(foreignServer.client, "tls.untrusted"))
    throw new SelfTestError(
      `a client did not refuse a foreign certificate: ${JSON.stringify(foreignServer.client)}`,
    );
}
