/** What the TLS part takes and gives. Mutual TLS by Bun's sockets; nobody is heard before verifyPeer said yes. */
import type { Clock } from "../../base/index.ts";

/** A socket after the handshake. Write, pause, shutdown (close_notify) and terminate as on a plain one. */
export type TlsSocket = Bun.Socket<unknown>;

/** Protocol versions; 1.1 and older are always refused. */
export type TlsVersion = "1.2" | "1.3";

export type VerifyResult =
  /** `principal`: the peer's SPIFFE id, or "" where it has none. */
  { readonly ok: true; readonly principal: string } | { readonly ok: false; readonly reason: string };

/**
 * Says who the peer is, from its certificate; the chain is already checked up to the trust bundle. There is no
 * default: identity's verifySpiffeLeaf is the usual building block. `chain` is leaf first. A throw is a refusal.
 */
export type VerifyPeer = (leaf: Uint8Array, chain: readonly Uint8Array[]) => VerifyResult;

/** What is known of a connection once it is verified. */
export interface TlsInfo {
  /** SPIFFE id of the peer; "" where it has none or (server, certificates optional) showed no certificate. */
  readonly principal: string;
  /**
   * Both sides have a say in who the other is. Server: the client showed a certificate and it holds. Client: an own
   * certificate was offered in this handshake. (Whether the server asked for it, Bun 1.4.5 does not tell: no list of
   * shared algorithms, no count of bytes sent.)
   */
  readonly mutual: boolean;
  /** DER of the peer's certificate. */
  readonly leaf: Uint8Array | undefined;
  /** Server name as the client sent it, lower case; "" without. */
  readonly sni: string;
  /** Protocol agreed upon; "" without. */
  readonly alpn: string;
  readonly resumed: boolean;
}

export type RefusalCode =
  /** TCP connect failed (client). */
  | "tls.connect"
  /** Not TLS, no shared version, cipher or ALPN, or an alert from the peer. */
  | "tls.handshake"
  /** The server requires a certificate and got none. */
  | "tls.no_certificate"
  /** Foreign, expired, not yet valid, wrong usage: the chain does not reach the trust bundle. */
  | "tls.untrusted"
  /** verifyPeer refused. */
  | "tls.identity"
  /** The handshake did not end in time. */
  | "tls.timeout"
  /** The peer went away during the handshake. */
  | "tls.closed"
  /** Too many handshakes pending, or cancelled by us. */
  | "tls.overload"
  | "tls.cancelled";

export interface TlsRefusal {
  readonly code: RefusalCode;
  readonly detail: string;
}

/**
 * Callbacks, shared by all connections of a listener or cluster; `conn` is the caller's own object of that
 * connection. Each connection gets exactly one of `open` and `refused`; after `open` exactly one `close`.
 */
export interface TlsHandlers<C> {
  /** Verified: from here on bytes flow. */
  open(conn: C, socket: TlsSocket, info: TlsInfo): void;
  /** The view is valid during the call only. */
  data(conn: C, bytes: Uint8Array): void;
  /** Room to write again; may come without need. */
  drain(conn: C): void;
  /** The peer will send no more (close_notify or FIN); writing is still possible. */
  end(conn: C): void;
  close(conn: C): void;
  /** No byte of the application was heard or sent; the socket is closed already. */
  refused(conn: C, refusal: TlsRefusal): void;
  /** After `open`: one of these callbacks threw, or the TLS session broke. The socket closes, `close` follows. */
  error?(conn: C, error: Error): void;
}

/** Own certificate and whom to trust, as PEM text. */
export interface TlsIdentity {
  /** Leaf first, then intermediates. */
  readonly cert: string;
  readonly key: string;
}

interface TlsCommon {
  /** Trust bundle, PEM; where a peer is to be verified an empty one is an error, never "trust the system". */
  readonly ca: string;
  /** In order of preference; empty: no ALPN. No overlap ends the handshake. */
  readonly alpn: readonly string[];
  /** Default 1.3 (Envoy: mesh traffic of Istio is 1.2 or later). */
  readonly minVersion?: TlsVersion;
  /** Default 1.3. */
  readonly maxVersion?: TlsVersion;
  readonly verifyPeer: VerifyPeer;
}

export interface TlsServerOptions extends TlsCommon, TlsIdentity {
  /**
   * False: a connection without a certificate is accepted with principal ""; one shown is always checked. False
   * together with an empty `ca`: none is asked for (as Envoy without a validation context).
   */
  readonly requireClientCertificate: boolean;
  /** True: a client that offers no ALPN is refused (the mesh port). Default false. */
  readonly requireAlpn?: boolean;
}

export interface TlsClientOptions extends TlsCommon {
  /** Shown where the server asks for one. */
  readonly identity?: TlsIdentity;
  /** Server name; empty: none is sent. */
  readonly sni: string;
}

/** Rotates by `update`: connections from then on use the new options, open ones are left alone. */
export interface TlsServer<C> {
  /**
   * Upgrades an accepted plain socket, in its `open` (or later, when nothing was read from it). Sets its `data` to
   * undefined: the plain handlers must return at once on that, as they go on firing (data with ciphertext, close).
   */
  accept(socket: Bun.Socket<unknown>, conn: C): void;
  update(options: TlsServerOptions): void;
  /** Handshakes under way. */
  readonly pending: number;
  /** Refuses all pending handshakes and stops the timer. */
  stop(): void;
}

export interface TlsTarget {
  readonly host: string;
  readonly port: number;
  /** Source address. */
  readonly localAddress?: string;
}

/** A connection being made. */
export interface TlsDial {
  /** Gives up: `refused` with tls.cancelled, unless the connection is already open or refused. */
  cancel(): void;
}

export interface TlsClient<C> {
  /** Connects; a time-out is the caller's, by cancel(). */
  connect(target: TlsTarget, conn: C): TlsDial;
  update(options: TlsClientOptions): void;
}

export interface TlsRuntime {
  readonly clock: Clock;
  /** Default limits.ts handshakeTimeoutMs. */
  readonly handshakeTimeoutMs?: number;
  /** Default limits.ts maxPendingHandshakes. */
  readonly maxPendingHandshakes?: number;
}
