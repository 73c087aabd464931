/** TLS to a server whose name is not in DNS: Bun checks the chain, verifyPeer says who it is. */
import { type BunTls, compileClient } from "./compile.ts";
import { type ClientRules, type HandshakeError, judgeServer } from "./judge.ts";
import type {
  TlsClient,
  TlsClientOptions,
  TlsDial,
  TlsHandlers,
  TlsRefusal,
  TlsSocket,
  TlsTarget,
} from "./types.ts";

const dialling = 0;
const open = 1;
const over = 2;

interface Owner<C> {
  readonly handlers: TlsHandlers<C>;
}

class Dial<C> implements TlsDial {
  private readonly conn: C;
  private readonly owner: Owner<C>;
  private readonly rules: ClientRules;
  private socket: TlsSocket | undefined;
  private phase: typeof dialling | typeof open | typeof over = dialling;

  constructor(owner: Owner<C>, rules: ClientRules, conn: C) {
    this.owner = owner;
    this.rules = rules;
    this.conn = conn;
  }

  cancel(): void {
    this.refuse({ code: "tls.cancelled", detail: "given up" });
  }

  refuse(refusal: TlsRefusal): void {
    if (this.phase !== dialling) return;
    this.phase = over;
    this.socket?.terminate();
    this.owner.handlers.refused(this.conn, refusal);
  }

  connected(socket: TlsSocket): void {
    this.socket = socket;
    if (this.phase === over) socket.terminate();
  }

  shaken(socket: TlsSocket, ok: boolean, error: HandshakeError): void {
    this.socket = socket;
    if (this.phase !== dialling) return;
    const verdict = judgeServer(socket, ok, error, this.rules);
    if ("refusal" in verdict) {
      this.refuse(verdict.refusal);
    } else {
      this.phase = open;
      this.owner.handlers.open(this.conn, socket, verdict.info);
    }
  }

  data(bytes: Uint8Array): void {
    if (this.phase === open) this.owner.handlers.data(this.conn, bytes);
  }

  drain(): void {
    if (this.phase === open) this.owner.handlers.drain(this.conn);
  }

  end(): void {
    if (this.phase === open) this.owner.handlers.end(this.conn);
    else this.closed();
  }

  closed(): void {
    if (this.phase === open) {
      this.phase = over;
      this.owner.handlers.close(this.conn);
    } else this.refuse({ code: "tls.closed", detail: "the server closed in the handshake" });
  }

  broke(socket: TlsSocket, error: Error): void {
    if (this.phase === open) this.owner.handlers.error?.(this.conn, error);
    else this.refuse({ code: "tls.handshake", detail: error.message });
    socket.terminate();
  }
}

function socketHandlers<C>(): Bun.SocketHandler<Dial<C>> {
  return {
    open: (s) => s.data.connected(s as TlsSocket),
    handshake: (s, ok, error) => s.data.shaken(s as TlsSocket, ok, error),
    data: (s, bytes) => s.data.data(bytes),
    drain: (s) => s.data.drain(),
    end: (s) => s.data.end(),
    close: (s) => s.data.closed(),
    error: (s, error) => s.data.broke(s as TlsSocket, error),
    connectError: (s, error) =>
      s.data.refuse({ code: "tls.connect", detail: (error as { code?: string }).code ?? error.message }),
  };
}

const rulesOf = ({ identity, verifyPeer }: TlsClientOptions): ClientRules => ({
  offers: identity !== undefined,
  verifyPeer,
});

class Client<C> implements TlsClient<C> {
  readonly handlers: TlsHandlers<C>;
  private readonly sockets = socketHandlers<C>();
  private tls: BunTls;
  private rules: ClientRules;

  constructor(options: TlsClientOptions, handlers: TlsHandlers<C>) {
    this.handlers = handlers;
    this.tls = compileClient(options);
    this.rules = rulesOf(options);
  }

  update(options: TlsClientOptions): void {
    this.tls = compileClient(options);
    this.rules = rulesOf(options);
  }

  connect(target: TlsTarget, conn: C): TlsDial {
    const dial = new Dial(this, this.rules, conn);
    // localAddress is taken by Bun 1.4.5 but not in its types.
    const options = {
      hostname: target.host,
      port: target.port,
      ...(target.localAddress === undefined ? {} : { localAddress: target.localAddress }),
      data: dial,
      tls: this.tls as unknown as Bun.TLSOptions,
      socket: this.sockets,
    };
    Bun.connect(options).catch((error: Error) => dial.refuse({ code: "tls.connect", detail: error.message }));
    return dial;
  }
}

/**
 * A TLS client for one cluster. Sessions are not resumed: a resumed session skips the chain check, so a removed
 * root or an expired intermediate would be trusted on; connections are pooled, which saves more. Throws
 * TlsConfigError.
 */
export function createTlsClient<C>(options: TlsClientOptions, handlers: TlsHandlers<C>): TlsClient<C> {
  return new Client(options, handlers);
}
