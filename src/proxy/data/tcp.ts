/** Plain relay between a downstream and an upstream connection: tcp_proxy, and what is inside CONNECT tunnels. */
import type { TlsInfo, TlsRefusal } from "../../wire/tls/index.ts";
import { clusterWord } from "../config/index.ts";
import type { Cluster, Host } from "./cluster.ts";
import { highWatermarkBytes, lowWatermarkBytes, tunnelHoldBytes } from "./limits.ts";
import type { Runtime } from "./runtime.ts";
import type { Socket, SocketSlot, SocketUser } from "./socket.ts";
import { type Timed, TimerEntry } from "./timer-wheel.ts";
import { Writer } from "./writer.ts";

export interface TcpOwner {
  onGone(relay: TcpRelay): void;
}

/** One direction's receiving end. */
class Side {
  readonly writer = new Writer();
  finished = false;
  paused = false;

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.writer.socket?.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.writer.socket?.resume();
  }
}

/** Who counts and logs a connection. */
export interface TcpRecord {
  /** The upstream stands: its verified identity, and whether it is the mesh's (Transport.trusts). */
  connected(host: Host, principal: string, trusted: boolean): void;
  /** Once, whether it stood or not. */
  ended(relay: TcpRelay): void;
}

/** The downstream's SocketUser; `upstream` is the other side's. */
export class TcpRelay implements SocketUser, Timed {
  private readonly runtime: Runtime;
  private readonly cluster: Cluster;
  private readonly owner: TcpOwner;
  private readonly down = new Side();
  private readonly up = new Side();
  private readonly timer = new TimerEntry(this, 0);
  private readonly idleMs: number;
  /** Counts and logs the connection when it is over. */
  private readonly record: TcpRecord | null;
  /** Bytes from and to the downstream. */
  received = 0;
  sent = 0;
  /** The upstream could not be reached. */
  failed = false;
  private cancelDial: (() => void) | null = null;
  /** The last dial: where to, and who hears of it. */
  private dialed: { readonly host: Host; readonly slot: SocketSlot } | null = null;
  private connected = false;
  private gone = false;
  /** Further endpoints that may be tried: max_connect_attempts. */
  private attemptsLeft: number;
  /** Told when the upstream speaks before the client does; null afterwards. */
  private spokeFirst: (() => void) | null;
  /** It holds one of the cluster's connections. */
  private counted = false;

  constructor(
    runtime: Runtime,
    socket: Socket,
    options: {
      readonly cluster: Cluster;
      readonly host: Host;
      readonly idleTimeoutMs: number;
      readonly owner: TcpOwner;
      readonly record?: TcpRecord;
      /** Endpoints tried at most, default 1. */
      readonly connectAttempts?: number;
      /** Called once if the upstream's bytes come before any of the client's. */
      readonly onServerFirst?: (() => void) | undefined;
    },
  ) {
    this.runtime = runtime;
    this.cluster = options.cluster;
    this.owner = options.owner;
    this.record = options.record ?? null;
    this.idleMs = options.idleTimeoutMs;
    this.attemptsLeft = (options.connectAttempts ?? 1) - 1;
    this.spokeFirst = options.onServerFirst ?? null;
    this.down.writer.socket = socket;
    const { cluster, host } = options;
    const word = cluster.slot + clusterWord.connections;
    this.counted = runtime.counts.tryAcquire(word, cluster.limits.maxConnections);
    if (!this.counted) {
      cluster.metrics.add(cluster.metrics.connectionOverflow, 1);
      Atomics.add(runtime.table, cluster.slot + clusterWord.cxOverflow, 1);
      this.end();
      return;
    }
    cluster.metrics.add(cluster.metrics.connectionsActive, 1);
    this.dial(host);
  }

  private dial(host: Host): void {
    const { cluster } = this;
    cluster.metrics.add(cluster.metrics.connections, 1);
    this.runtime.wheel.arm(this.timer, cluster.connectTimeoutMs);
    const slot: SocketSlot = { user: this.upstreamUser(host) };
    this.dialed = { host, slot };
    this.cancelDial = host.transport.connect({ host: host.config.host, port: host.config.port }, slot);
  }

  /** The endpoint was not reached: another, as the policy picks it, or the end. */
  private missed(host: Host): void {
    const { cluster } = this;
    cluster.metrics.add(cluster.metrics.connectFail, 1);
    cluster.record(host, 0);
    const next = this.attemptsLeft > 0 ? cluster.pick() : null;
    if (next === null) {
      this.failed = true;
      this.end();
      return;
    }
    this.attemptsLeft--;
    this.dial(next);
  }

  private upstreamUser(host: Host): SocketUser {
    return {
      onOpen: (socket: Socket, tls: TlsInfo | null) => {
        if (this.gone) {
          socket.terminate();
          return;
        }
        this.connected = true;
        this.record?.connected(host, tls?.principal ?? "", host.transport.trusts(tls));
        this.up.writer.socket = socket;
        this.up.writer.drain();
        if (this.up.finished && this.up.writer.queued === 0) socket.shutdown();
        this.down.resume();
        this.touch();
      },
      onRefused: (_refusal: TlsRefusal) => {
        if (!this.gone) this.missed(host);
      },
      onBytes: (bytes) => this.relay(bytes, this.down, this.up),
      onDrain: () => this.drained(this.up, this.down),
      onFin: () => this.finish(this.down),
      onClosed: () => this.upstreamClosed(),
    };
  }

  onOpen(): void {
    // The downstream was open before.
  }

  onRefused(): void {
    this.end();
  }

  onBytes(bytes: Uint8Array): void {
    if (!this.connected && this.up.writer.queued + bytes.length > tunnelHoldBytes) this.down.pause();
    this.relay(bytes, this.up, this.down);
  }

  onDrain(): void {
    this.drained(this.down, this.up);
  }

  onFin(): void {
    this.finish(this.up);
  }

  onClosed(): void {
    this.end();
  }

  /** What the upstream had sent still goes to the client. */
  private upstreamClosed(): void {
    this.up.writer.discard();
    this.up.writer.socket = null;
    this.up.finished = true;
    if (this.down.writer.queued === 0) this.end();
    else this.down.finished = true;
  }

  private relay(bytes: Uint8Array, to: Side, from: Side): void {
    if (this.gone || to.finished) return;
    to.writer.bytes(bytes);
    to.writer.flush();
    if (to.writer.queued > highWatermarkBytes) from.pause();
    if (to === this.down) {
      if (this.spokeFirst !== null && this.received === 0) this.spokeFirst();
      this.sent += bytes.length;
    } else this.received += bytes.length;
    this.spokeFirst = null;
    const { metrics } = this.cluster;
    metrics.add(to === this.down ? metrics.received : metrics.sent, bytes.length);
    this.touch();
  }

  private drained(side: Side, source: Side): void {
    side.writer.drain();
    if (side.writer.queued <= lowWatermarkBytes) source.resume();
    if (side.finished && side.writer.queued === 0) {
      side.writer.socket?.shutdown();
      if (this.up.writer.socket === null && this.connected) this.end();
    }
    this.touch();
  }

  /** One peer will send no more: the other is told, once everything is written; both told: over. */
  private finish(to: Side): void {
    if (this.gone || to.finished) return;
    to.finished = true;
    if (to.writer.socket !== null && to.writer.queued === 0) to.writer.socket.shutdown();
    if (
      this.down.finished &&
      this.up.finished &&
      this.down.writer.queued === 0 &&
      this.up.writer.queued === 0
    )
      this.end();
  }

  private touch(): void {
    if (this.gone) return;
    if (this.idleMs > 0) this.runtime.wheel.arm(this.timer, this.idleMs);
    else if (this.connected) this.runtime.wheel.disarm(this.timer);
  }

  onTimer(): void {
    if (!this.connected) {
      const { metrics } = this.cluster;
      metrics.add(metrics.connectTimeout, 1);
      const { host, slot } = this.dialed!;
      // Not every transport can take a dial back: what comes of it late is nobody's.
      slot.user = abandoned;
      this.cancelDial?.();
      this.missed(host);
      return;
    }
    this.end();
  }

  get closed(): boolean {
    return this.gone;
  }

  /** Closes both sides. */
  end(): void {
    if (this.gone) return;
    this.gone = true;
    this.runtime.wheel.remove(this.timer);
    if (this.counted) this.runtime.counts.release(this.cluster.slot + clusterWord.connections);
    if (this.cancelDial !== null) {
      const { metrics } = this.cluster;
      metrics.add(metrics.connectionsActive, -1);
      if (!this.connected) this.cancelDial();
    }
    this.up.writer.socket?.end();
    this.down.writer.socket?.end();
    this.record?.ended(this);
    this.owner.onGone(this);
  }
}

const ignore = (): void => undefined;

/** A dial that was given up. */
const abandoned: SocketUser = {
  onOpen: (socket) => void socket.terminate(),
  onRefused: ignore,
  onBytes: ignore,
  onDrain: ignore,
  onFin: ignore,
  onClosed: ignore,
};
