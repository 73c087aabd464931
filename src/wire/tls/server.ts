/** TLS on accepted plain sockets: upgraded one by one with the certificate of that moment. */
import { type Timer, unreachable } from "../../base/index.ts";
import { type BunTls, compileServer } from "./compile.ts";
import { type HandshakeError, judgeClient, type ServerRules } from "./judge.ts";
import { handshakeTimeoutMs, maxPendingHandshakes } from "./limits.ts";
import type { TlsHandlers, TlsRefusal, TlsRuntime, TlsServer, TlsServerOptions, TlsSocket } from "./types.ts";

/** Phases of a connection; bytes are heard in `open` alone. */
const shaking = 0;
const open = 1;
const over = 2;

interface State<C> {
  readonly conn: C;
  readonly rules: ServerRules;
  readonly requireAlpn: boolean;
  readonly deadline: number;
  socket: TlsSocket | undefined;
  phase: typeof shaking | typeof open | typeof over;
}

interface Compiled {
  readonly tls: BunTls;
  readonly rules: ServerRules;
  readonly requireAlpn: boolean;
}

function compile(options: TlsServerOptions): Compiled {
  const { requireClientCertificate, verifyPeer } = options;
  const tls = compileServer(options);
  return {
    tls,
    rules: { requireClientCertificate, verifyPeer, asks: tls.requestCert === true },
    requireAlpn: options.requireAlpn === true,
  };
}

class Server<C> implements TlsServer<C> {
  private readonly handlers: TlsHandlers<C>;
  private readonly runtime: TlsRuntime;
  private readonly limitMs: number;
  private readonly waiting = new Set<State<C>>();
  private readonly sockets: Bun.SocketHandler<State<C>>;
  private compiled: Compiled;
  private timer: Timer | undefined;

  constructor(options: TlsServerOptions, handlers: TlsHandlers<C>, runtime: TlsRuntime) {
    this.handlers = handlers;
    this.runtime = runtime;
    this.limitMs = runtime.handshakeTimeoutMs ?? handshakeTimeoutMs;
    this.compiled = compile(options);
    this.sockets = this.socketHandlers();
  }

  get pending(): number {
    return this.waiting.size;
  }

  update(options: TlsServerOptions): void {
    this.compiled = compile(options);
  }

  accept(socket: Bun.Socket<unknown>, conn: C): void {
    const { tls, rules, requireAlpn } = this.compiled;
    socket.data = undefined;
    if (this.waiting.size >= (this.runtime.maxPendingHandshakes ?? maxPendingHandshakes)) {
      socket.terminate();
      this.handlers.refused(conn, { code: "tls.overload", detail: "too many handshakes under way" });
      return;
    }
    const deadline = this.runtime.clock.now() + this.limitMs;
    const state: State<C> = { conn, rules, requireAlpn, deadline, socket: undefined, phase: shaking };
    this.waiting.add(state);
    this.timer ??= this.runtime.clock.after(this.limitMs, this.sweep);
    try {
      const upgraded = socket.upgradeTLS({
        data: state,
        tls: tls as unknown as Bun.TLSOptions,
        socket: this.sockets,
      });
      state.socket ??= upgraded[1] as TlsSocket;
    } catch (error) {
      socket.terminate();
      this.refuse(state, { code: "tls.handshake", detail: String(error) });
    }
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
    for (const state of this.waiting) this.refuse(state, { code: "tls.cancelled", detail: "stopped" });
  }

  /** Sets are walked oldest first, so the first one in time ends the sweep. */
  private readonly sweep = (): void => {
    this.timer = undefined;
    const now = this.runtime.clock.now();
    for (const state of this.waiting) {
      if (state.deadline > now) {
        this.timer = this.runtime.clock.after(state.deadline - now, this.sweep);
        return;
      }
      this.refuse(state, { code: "tls.timeout", detail: `no TLS handshake within ${this.limitMs} ms` });
    }
  };

  private refuse(state: State<C>, refusal: TlsRefusal): void {
    if (state.phase !== shaking) return;
    state.phase = over;
    this.waiting.delete(state);
    state.socket?.terminate();
    this.handlers.refused(state.conn, refusal);
  }

  private shaken(state: State<C>, socket: TlsSocket, ok: boolean, error: HandshakeError): void {
    if (state.phase !== shaking) return;
    state.socket = socket;
    const verdict = judgeClient(socket, ok, error, state.rules);
    if ("refusal" in verdict) {
      this.refuse(state, verdict.refusal);
    } else if (state.requireAlpn && verdict.info.alpn === "") {
      this.refuse(state, { code: "tls.handshake", detail: "the client offered no application protocol" });
    } else {
      state.phase = open;
      this.waiting.delete(state);
      this.handlers.open(state.conn, socket, verdict.info);
    }
  }

  private closed(state: State<C>): void {
    const { phase } = state;
    if (phase === shaking)
      this.refuse(state, { code: "tls.closed", detail: "the peer closed in the handshake" });
    else if (phase === open) {
      state.phase = over;
      this.handlers.close(state.conn);
    } else if (phase !== over) unreachable(phase);
  }

  /** A callback of the caller threw, or the session broke: that connection dies, the process lives. */
  private broke(state: State<C>, socket: TlsSocket, error: Error): void {
    if (state.phase === shaking) this.refuse(state, { code: "tls.handshake", detail: error.message });
    else if (state.phase === open) this.handlers.error?.(state.conn, error);
    socket.terminate();
  }

  private socketHandlers(): Bun.SocketHandler<State<C>> {
    const { handlers } = this;
    return {
      handshake: (s, ok, error) => this.shaken(s.data, s as TlsSocket, ok, error),
      data: (s, bytes) => {
        if (s.data.phase === open) handlers.data(s.data.conn, bytes);
      },
      drain: (s) => {
        if (s.data.phase === open) handlers.drain(s.data.conn);
      },
      end: (s) => {
        if (s.data.phase === open) handlers.end(s.data.conn);
        else this.closed(s.data);
      },
      close: (s) => this.closed(s.data),
      error: (s, error) => this.broke(s.data, s as TlsSocket, error),
    };
  }
}

/** A TLS server for the sockets of a plain listener (which needs allowHalfOpen). Throws TlsConfigError. */
export function createTlsServer<C>(
  options: TlsServerOptions,
  handlers: TlsHandlers<C>,
  runtime: TlsRuntime,
): TlsServer<C> {
  return new Server(options, handlers, runtime);
}
