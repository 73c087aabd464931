/** A listening address of one thread: accepts, finds the filter chain, hands the connection to its filter. */
import { inspect, type TlsInfo, type TlsRefusal } from "../../wire/tls/index.ts";
import type { FilterChainConfig, ListenerConfig } from "../config/index.ts";
import { type Chain, ChainTls, chooseChain, compileChain } from "./chain.ts";
import { type DownstreamOwner, HttpDownstream } from "./downstream.ts";
import { reportFault } from "./faults.ts";
import { connectionLimit } from "./limits.ts";
import type { LocalReply } from "./local-reply.ts";
import type { Plane } from "./plane.ts";
import type { Secrets } from "./secrets.ts";
import type { Socket, SocketSlot, SocketUser } from "./socket.ts";
import type { ConnectionInfo } from "./stream-info.ts";
import { type TcpOwner, TcpRelay } from "./tcp.ts";
import { recordTcp } from "./tcp-record.ts";
import { openTunnel } from "./tunnel.ts";

type Ended = HttpDownstream | TcpRelay;

export class Listener implements DownstreamOwner, TcpOwner {
  config: ListenerConfig;
  readonly connections = new Set<Ended>();
  private readonly plane: Plane;
  private readonly tls: ChainTls;
  private chains: readonly Chain[] = [];
  private fallback: Chain | null = null;
  private socket: Bun.TCPSocketListener<SocketSlot | undefined> | null = null;
  private readonly slots: {
    readonly total: number;
    readonly active: number;
    readonly noChain: number;
    readonly tlsError: number;
  };
  private draining = false;
  /** Called when the last connection of a draining listener is gone. */
  onEmpty: (() => void) | null = null;

  constructor(plane: Plane, secrets: Secrets, config: ListenerConfig) {
    this.plane = plane;
    this.config = config;
    this.tls = new ChainTls(secrets);
    const labels = [
      "envoy_listener_address",
      `${config.address}:${config.port}`,
      "listener_name",
      config.name,
    ];
    this.slots = {
      total: plane.metrics.series("envoy_listener_downstream_cx_total", labels),
      active: plane.metrics.series("envoy_listener_downstream_cx_active", labels),
      noChain: plane.metrics.series("envoy_listener_no_filter_chain_match", labels),
      tlsError: plane.metrics.series("envoy_listener_ssl_connection_error", labels),
    };
    this.compile();
  }

  /** Port in use; of interest where the configured one is 0. */
  get port(): number {
    return this.socket?.port ?? this.config.port;
  }

  /** Binds; throws the system's error where it cannot. */
  open(): void {
    const user = (socket: Bun.Socket<SocketSlot | undefined>): SocketUser | undefined => socket.data?.user;
    const options: Bun.TCPSocketListenOptions<SocketSlot | undefined> & { readonly reusePort: boolean } = {
      hostname: this.config.address,
      port: this.config.port,
      reusePort: true,
      allowHalfOpen: true,
      socket: {
        open: (socket) => this.accept(socket as unknown as Socket),
        data: (socket, bytes) => user(socket)?.onBytes(bytes),
        drain: (socket) => user(socket)?.onDrain(),
        end: (socket) => user(socket)?.onFin(),
        close: (socket) => user(socket)?.onClosed(),
        error: (socket, error) => {
          reportFault(error);
          socket.terminate();
        },
      },
    };
    this.socket = Bun.listen(options);
  }

  /** New filter chains for new connections; those that are open keep what they began with. */
  update(config: ListenerConfig): void {
    this.config = config;
    this.compile();
  }

  private compile(): void {
    const { filterChains, defaultFilterChain } = this.config;
    const before = [...this.chains, ...(this.fallback ? [this.fallback] : [])];
    const chainOf = (config: ListenerConfig["filterChains"][number]): Chain => {
      const text = JSON.stringify(config);
      const same = before.find((c) => JSON.stringify(c.config) === text);
      return same ?? compileChain(this.plane, this.config, config);
    };
    this.chains = filterChains.map(chainOf);
    this.fallback = defaultFilterChain ? chainOf(defaultFilterChain) : null;
    this.tls.keep(new Set(this.all().map((c) => c.tlsKey)));
    for (const chain of this.all()) if (chain.manager) chain.manager.draining = this.draining;
  }

  private all(): Chain[] {
    return this.fallback ? [...this.chains, this.fallback] : [...this.chains];
  }

  /** No new connections. Those that are open go on. */
  stopAccepting(): void {
    this.socket?.stop(false);
    this.socket = null;
  }

  drain(): void {
    this.draining = true;
    this.stopAccepting();
    for (const chain of this.all()) if (chain.manager) chain.manager.draining = true;
    for (const connection of this.connections) if (connection instanceof HttpDownstream) connection.drain();
  }

  /** Ends what is left; says how many. */
  kill(): number {
    let count = 0;
    for (const connection of [...this.connections]) {
      count++;
      if (connection instanceof HttpDownstream) connection.kill();
      else connection.end();
    }
    return count;
  }

  // Connections

  private accept(socket: Socket): void {
    const { metrics } = this.plane;
    metrics.row[this.slots.total]!++;
    if (this.connections.size >= connectionLimit) {
      socket.terminate();
      return;
    }
    const all = this.all();
    const tlsKey = all[0]?.tlsKey ?? "";
    if (all.every((c) => c.tlsKey === tlsKey)) {
      if (tlsKey === "") this.enter(socket, null, []);
      else this.upgrade(socket, all[0]!);
      return;
    }
    inspect(socket, { clock: this.plane.clock, timeoutMs: this.config.detectTimeoutMs }, (found) => {
      if (found.kind === "tls") {
        const chain = this.choose(true, found.sni, found.alpn, socket);
        if (chain === null) this.refuse(socket);
        else if (chain.config.tls) this.upgrade(socket, chain);
        // TLS bytes for a plaintext chain go through as they are.
        else this.enter(socket, null, found.alpn);
      } else if (found.kind === "plain" || found.kind === "silent") this.enter(socket, null, []);
      else socket.terminate();
    });
  }

  private choose(tls: boolean, sni: string, alpn: readonly string[], socket: Socket): Chain | null {
    const traits = { tls, sni, alpn, localPort: socket.localPort };
    return chooseChain(this.chains, traits) ?? this.fallback;
  }

  private refuse(socket: Socket): void {
    this.plane.metrics.row[this.slots.noChain]!++;
    socket.terminate();
  }

  /** TLS by one server for all chains with this configuration; the chain is chosen anew by what was agreed upon. */
  private upgrade(plain: Socket, chain: Chain): void {
    const server = this.tls.get(chain.tlsKey, chain.config.tls!);
    if (server === null) {
      this.plane.metrics.row[this.slots.tlsError]!++;
      plain.terminate();
      return;
    }
    const addresses = addressesOf(plain);
    const opening = new Opening(this, addresses, chain.tlsKey);
    const slot: SocketSlot = { user: opening };
    opening.in(slot);
    server.accept(plain, slot);
  }

  /**
   * Called by Opening when TLS stands. The chain must be one of the TLS rules that the handshake met: the protocol
   * agreed upon, or a change of configuration meanwhile, may name one that asks for more (a client certificate).
   */
  secured(
    socket: Socket,
    slot: SocketSlot,
    info: TlsInfo,
    met: { addresses: Addresses; tlsKey: string },
  ): void {
    const { addresses, tlsKey } = met;
    const chain = this.choose(true, info.sni, info.alpn === "" ? [] : [info.alpn], socket);
    if (chain === null || chain.tlsKey !== tlsKey) {
      this.refuse(socket);
      return;
    }
    this.serve(socket, slot, chain, {
      ...addresses,
      sni: info.sni,
      principal: info.principal,
      tls: true,
      listener: this.config.name,
    });
  }

  tlsFailed(refusal: TlsRefusal): void {
    this.plane.metrics.row[this.slots.tlsError]!++;
    if (refusal.code === "tls.closed") return;
    this.plane.post({
      kind: "log",
      level: "debug",
      message: "a TLS connection was refused",
      fields: { listener: this.config.name, code: refusal.code, detail: refusal.detail },
    });
  }

  /** A plaintext connection: chosen at once. */
  private enter(socket: Socket, info: TlsInfo | null, alpn: readonly string[]): void {
    const chain = this.choose(info !== null, "", alpn, socket);
    if (chain === null || chain.config.tls) {
      this.refuse(socket);
      return;
    }
    const slot: SocketSlot = { user: idleUser };
    socket.data = slot;
    this.serve(socket, slot, chain, {
      ...addressesOf(socket),
      sni: "",
      principal: "",
      tls: false,
      listener: this.config.name,
    });
  }

  private serve(socket: Socket, slot: SocketSlot, chain: Chain, connection: ConnectionInfo): void {
    const { filter } = chain.config;
    if (filter.kind === "close") {
      this.closeByPolicy(socket, chain, connection);
      return;
    }
    if (filter.kind === "tcp") {
      this.serveTcp(socket, slot, filter, connection);
      return;
    }
    const http = new HttpDownstream(chain.manager!, socket, { connection, owner: this });
    slot.user = http;
    this.add(http);
  }

  private serveTcp(
    socket: Socket,
    slot: SocketSlot,
    filter: Extract<FilterChainConfig["filter"], { kind: "tcp" }>,
    connection: ConnectionInfo,
  ): void {
    const cluster = this.plane.cluster(filter.cluster);
    const host = cluster?.pick() ?? null;
    if (!cluster || host === null) {
      socket.end();
      return;
    }
    const relay = new TcpRelay(this.plane, socket, {
      cluster,
      host,
      idleTimeoutMs: filter.idleTimeoutMs,
      owner: this,
      record: recordTcp(this.plane, this.config.direction, { cluster, host, connection, filter }),
    });
    slot.user = relay;
    this.add(relay);
  }

  /** An empty filter list: nothing of the client is read. STRICT on the plaintext port ends here. */
  private closeByPolicy(socket: Socket, chain: Chain, connection: ConnectionInfo): void {
    const owner = chain.config.owner ?? this.config.owner;
    const labels = ["listener_name", this.config.name, "policy", owner?.object ?? ""];
    this.plane.metrics.row[this.plane.metrics.series("weft_listener_policy_closed_total", labels)]!++;
    this.plane.post({
      kind: "log",
      level: "info",
      message: "connection refused by policy",
      fields: {
        listener: this.config.name,
        remote: `${connection.remoteAddress}:${connection.remotePort}`,
        policy: owner?.object ?? "",
        field: owner?.field ?? "",
      },
    });
    socket.end();
  }

  private add(connection: Ended): void {
    // A relay may be over before it began: the connection limit.
    if (connection instanceof TcpRelay && connection.closed) return;
    this.connections.add(connection);
    this.plane.metrics.row[this.slots.active]!++;
  }

  onGone(connection: Ended): void {
    if (!this.connections.delete(connection)) return;
    this.plane.metrics.row[this.slots.active]!--;
    if (this.connections.size === 0) this.onEmpty?.();
  }

  openTunnel(connection: HttpDownstream, authority: string): SocketUser | LocalReply {
    const socket = connection.writer.socket!;
    const user = openTunnel({ manager: connection.manager, socket, connection, owner: this }, authority);
    if (user instanceof TcpRelay) this.add(user);
    return user;
  }
}

type Addresses = Pick<ConnectionInfo, "remoteAddress" | "remotePort" | "localAddress" | "localPort">;

function addressesOf(socket: Socket): Addresses {
  return {
    remoteAddress: socket.remoteAddress,
    remotePort: socket.remotePort,
    localAddress: socket.localAddress,
    localPort: socket.localPort,
  };
}

/** Until a filter has the connection. */
const idleUser: SocketUser = {
  onOpen: () => undefined,
  onRefused: () => undefined,
  onBytes: () => undefined,
  onDrain: () => undefined,
  onFin: () => undefined,
  onClosed: () => undefined,
};

/** A connection whose TLS handshake is under way. */
class Opening implements SocketUser {
  private readonly listener: Listener;
  private readonly met: { readonly addresses: Addresses; readonly tlsKey: string };
  private slot: SocketSlot | null = null;

  constructor(listener: Listener, addresses: Addresses, tlsKey: string) {
    this.listener = listener;
    this.met = { addresses, tlsKey };
  }

  /** The slot whose user this is, to be replaced. */
  in(slot: SocketSlot): void {
    this.slot = slot;
  }

  onOpen(socket: Socket, tls: TlsInfo | null): void {
    if (tls && this.slot) this.listener.secured(socket, this.slot, tls, this.met);
    else socket.terminate();
  }

  onRefused(refusal: TlsRefusal): void {
    this.listener.tlsFailed(refusal);
  }

  onBytes(): void {
    // Nothing is heard before the handshake.
  }

  onDrain(): void {
    // Nothing was written.
  }

  onFin(): void {
    // The TLS part ends it.
  }

  onClosed(): void {
    // Likewise.
  }
}
