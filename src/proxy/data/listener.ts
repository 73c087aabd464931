/** A listening address of one thread: accepts, finds the filter chain, hands the connection to its filter. */
import { assert } from "../../base/index.ts";
import type { HttpSniff } from "../../wire/sniff/index.ts";
import { inspect, type TlsInfo, type TlsRefusal } from "../../wire/tls/index.ts";
import type { FilterChainConfig, ListenerConfig } from "../config/index.ts";
import { type Chain, ChainTls, chooseChain, compileChain } from "./chain.ts";
import type { Cluster, Host } from "./cluster.ts";
import { type DownstreamOwner, HttpDownstream } from "./downstream.ts";
import { Detecting, Http2Downstream } from "./http2/index.ts";
import { connectionLimit } from "./limits.ts";
import type { LocalReply } from "./local-reply.ts";
import type { Manager } from "./manager.ts";
import type { Listening } from "./net.ts";
import { type Acceptor, type Addresses, addressesOf, restoredAddresses } from "./original-dst.ts";
import { chooseWeighted, type Plane } from "./plane.ts";
import type { Secrets } from "./secrets.ts";
import { ServerFirstPorts } from "./server-first.ts";
import { isRuntime, type RuntimeSocket, type Socket, type SocketSlot, type SocketUser } from "./socket.ts";
import type { ConnectionInfo } from "./stream-info.ts";
import { type TcpOwner, TcpRelay } from "./tcp.ts";
import { recordTcp } from "./tcp-record.ts";
import { openTunnel } from "./tunnel.ts";

type Ended = HttpDownstream | Http2Downstream | Detecting | TcpRelay;

export class Listener implements DownstreamOwner, TcpOwner, Acceptor {
  config: ListenerConfig;
  readonly connections = new Set<Ended>();
  private readonly plane: Plane;
  private readonly tls: ChainTls;
  private chains: readonly Chain[] = [];
  private fallback: Chain | null = null;
  private socket: Listening | null = null;
  private readonly slots: {
    readonly total: number;
    readonly active: number;
    readonly noChain: number;
    readonly tlsError: number;
  };
  private readonly serverFirst = new ServerFirstPorts();
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

  /** Binds, if it is one to bind; throws the system's error where it cannot. */
  open(): void {
    if (this.config.binds === false) return;
    this.socket = this.listen(this.config, this.config.port);
  }

  private listen(config: ListenerConfig, port: number): Listening {
    const { address: hostname } = config;
    const onAccept = (socket: Socket): void => this.accept(socket);
    return this.plane.net.listen({ hostname, port, inspected: inspected(config), onAccept });
  }

  /** New filter chains for new connections; those that are open keep what they began with. */
  update(config: ListenerConfig): void {
    const before = this.socket;
    if (before?.inspects === false && inspected(config)) {
      // Both are open for a moment; who connected to the one that goes is served as what it connected to.
      this.socket = this.listen(config, before.port);
      before.stop();
    }
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
    this.socket?.stop();
    this.socket = null;
  }

  drain(): void {
    this.draining = true;
    this.stopAccepting();
    for (const chain of this.all()) if (chain.manager) chain.manager.draining = true;
    for (const connection of this.connections) if (!(connection instanceof TcpRelay)) connection.drain();
  }

  /** Ends what is left; says how many. */
  kill(): number {
    let count = 0;
    for (const connection of [...this.connections]) {
      count++;
      if (connection instanceof TcpRelay) connection.end();
      else connection.kill();
    }
    return count;
  }

  // Connections

  private accept(socket: Socket): void {
    if (this.config.restoresAddress === true) this.restore(socket);
    else this.take(socket, addressesOf(socket));
  }

  /** A connection that a redirect rule brought here, to whoever listens where it was meant to go. */
  private restore(socket: Socket): void {
    const addresses = restoredAddresses(socket);
    const { localAddress, localPort } = addresses;
    // To this very port: nothing was redirected, and passing it on would lead back here.
    if (localPort === this.config.port) {
      this.plane.metrics.row[this.slots.total]!++;
      this.refuse(socket);
      return;
    }
    const next = this.config.handsOff === true ? this.plane.acceptor(localAddress, localPort) : undefined;
    (next ?? this).take(socket, addresses);
  }

  take(socket: Socket, addresses: Addresses): void {
    this.plane.metrics.row[this.slots.total]!++;
    if (this.connections.size >= connectionLimit) {
      socket.terminate();
      return;
    }
    const all = this.candidates(addresses.localPort);
    if (this.config.inspectsHttp !== true && all.every((c) => c.tlsKey === "")) {
      this.enter(socket, addresses, []);
      return;
    }
    assert(isRuntime(socket), "a listener with TLS has the runtime's sockets");
    this.look(socket, addresses, all);
  }

  /** TLS, or what the first bytes say that it is. */
  private look(socket: RuntimeSocket, addresses: Addresses, all: readonly Chain[]): void {
    const { clock } = this.plane;
    const http = this.config.inspectsHttp === true;
    const tlsKey = all[0]?.tlsKey ?? "";
    if (!http && all.every((c) => c.tlsKey === tlsKey)) {
      this.upgrade(socket, all[0]!, addresses, false);
      return;
    }
    const timeoutMs = this.serverFirst.waitMs(addresses.localPort, this.config.detectTimeoutMs);
    inspect(socket, { clock, timeoutMs, http }, (found) => {
      if (found.kind === "tls") {
        const chain = this.choose(true, found.sni, found.alpn, addresses);
        if (chain === null) this.refuse(socket);
        else if (chain.config.tls) this.upgrade(socket, chain, addresses, true);
        // TLS bytes for a plaintext chain go through as they are.
        else this.serve(socket, bare(socket), chain, this.connection(addresses, found.sni));
      } else if (found.kind === "plain") {
        this.serverFirst.clientSpoke(addresses.localPort);
        this.enter(socket, addresses, httpNames[found.http ?? "none"]);
      } else if (found.kind === "silent") this.enter(socket, addresses, []);
      else socket.terminate();
    });
  }

  /** Chains that a connection to the port may meet: what another port asks for must not make it wait. */
  private candidates(port: number): readonly Chain[] {
    if (this.config.restoresAddress !== true) return this.all();
    const own = this.chains.filter((c) => c.config.destinationPort === port);
    if (own.length > 0) return own;
    return this.all().filter((c) => c.config.destinationPort === undefined);
  }

  private choose(tls: boolean, sni: string, alpn: readonly string[], { localPort }: Addresses): Chain | null {
    return chooseChain(this.chains, { tls, sni, alpn, localPort }) ?? this.fallback;
  }

  private refuse(socket: Socket): void {
    this.plane.metrics.row[this.slots.noChain]!++;
    socket.terminate();
  }

  /**
   * TLS by one server for all chains with this configuration. A chain that the ClientHello chose stays; else it is
   * chosen by what was agreed upon.
   */
  private upgrade(plain: RuntimeSocket, chain: Chain, addresses: Addresses, chosen: boolean): void {
    const server = this.tls.get(chain.tlsKey, chain.config.tls!);
    if (server === null) {
      this.plane.metrics.row[this.slots.tlsError]!++;
      plain.terminate();
      return;
    }
    const opening = new Opening(this, { addresses, tlsKey: chain.tlsKey, chain: chosen ? chain : null });
    const slot: SocketSlot = { user: opening };
    opening.in(slot);
    server.accept(plain, slot);
  }

  /**
   * Called by Opening when TLS stands. The chain must be one of the TLS rules that the handshake met: the protocol
   * agreed upon, or a change of configuration meanwhile, may name one that asks for more (a client certificate).
   */
  secured(socket: Socket, slot: SocketSlot, info: TlsInfo, { addresses, tlsKey, chain: chosen }: Met): void {
    const agreed = this.choose(true, info.sni, info.alpn === "" ? [] : [info.alpn], addresses);
    // What was offered chose the chain, as in Envoy (Istio's peers offer `istio`, and agree on something else).
    const chain = chosen !== null && (agreed === null || agreed.tlsKey === "") ? chosen : agreed;
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
      alpn: info.alpn,
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
  private enter(socket: Socket, addresses: Addresses, alpn: readonly string[]): void {
    const chain = this.choose(false, "", alpn, addresses);
    if (chain === null || chain.config.tls) {
      this.refuse(socket);
      return;
    }
    this.serve(socket, bare(socket), chain, this.connection(addresses, ""));
  }

  private connection(addresses: Addresses, sni: string): ConnectionInfo {
    return { ...addresses, sni, principal: "", tls: false, listener: this.config.name };
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
    this.serveHttp(socket, slot, chain.manager!, connection);
  }

  /** HTTP in the version that is configured, agreed upon by ALPN, or shown by the first bytes. */
  private serveHttp(socket: Socket, slot: SocketSlot, manager: Manager, connection: ConnectionInfo): void {
    const { codec = "auto" } = manager.config;
    const { alpn = "" } = connection;
    const begin = (http2: boolean): SocketUser => {
      const Version = http2 ? Http2Downstream : HttpDownstream;
      const http = new Version(manager, socket, { connection, owner: this });
      slot.user = http;
      this.add(http);
      return http;
    };
    if (codec !== "auto" || alpn !== "") {
      begin(codec === "http2" || (codec === "auto" && alpn === "h2"));
      return;
    }
    const detecting = new Detecting(manager, socket, { owner: this, decide: begin });
    slot.user = detecting;
    this.add(detecting);
  }

  private serveTcp(
    socket: Socket,
    slot: SocketSlot,
    filter: Extract<FilterChainConfig["filter"], { kind: "tcp" }>,
    connection: ConnectionInfo,
  ): void {
    const chosen = chooseWeighted(filter.clusters, filter.totalWeight, this.plane.rng.float());
    const cluster = this.plane.cluster(chosen?.cluster ?? "");
    const host = cluster ? tcpHost(this.plane, cluster, connection) : null;
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
      connectAttempts: cluster.config.discovery === "original" ? 1 : filter.connectAttempts,
      ...(!connection.tls && { onServerFirst: () => this.serverFirst.serverSpoke(connection.localPort) }),
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

/** Whether connections may become TLS, or are looked at before they are read. */
function inspected(config: ListenerConfig): boolean {
  const { filterChains, defaultFilterChain, restoresAddress = false, inspectsHttp = false } = config;
  const tls = filterChains.some((c) => c.tls) || defaultFilterChain?.tls !== undefined;
  return restoresAddress || inspectsHttp || tls;
}

/** Where a TCP connection goes on to: an endpoint, or the address that it was meant for. */
function tcpHost(plane: Plane, cluster: Cluster, { localAddress, localPort }: ConnectionInfo): Host | null {
  if (cluster.config.discovery !== "original") return cluster.pick();
  return plane.originalHost(cluster, localAddress, localPort);
}

/** What plaintext says of its protocol, as http_inspector names it. */
const httpNames: Readonly<Record<HttpSniff, readonly string[]>> = {
  "http/1.0": ["http/1.0"],
  "http/1.1": ["http/1.1"],
  h2c: ["h2c"],
  none: [],
};

/** A plaintext socket's slot; its user comes next. */
function bare(socket: Socket): SocketSlot {
  const slot: SocketSlot = { user: idleUser };
  socket.data = slot;
  return slot;
}

/** What a handshake began with. */
interface Met {
  readonly addresses: Addresses;
  readonly tlsKey: string;
  readonly chain: Chain | null;
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
  private readonly met: Met;
  private slot: SocketSlot | null = null;

  constructor(listener: Listener, met: Met) {
    this.listener = listener;
    this.met = met;
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
