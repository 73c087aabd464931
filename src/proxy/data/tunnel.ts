/**
 * What happens inside a CONNECT tunnel. To a mesh service the first bytes decide: HTTP/1 enters the same connection
 * manager with the tunnel's authority, all else is relayed to the service's cluster. Elsewhere: TCP at once.
 */

import type { Cluster, Host } from "./cluster.ts";
import { type DownstreamOwner, HttpDownstream } from "./downstream.ts";
import { serverFirstWaitMs, tunnelHoldBytes, tunnelSniffMs } from "./limits.ts";
import {
  forbiddenConnect,
  type LocalReply,
  loopDetected,
  noCluster,
  noHealthyUpstream,
  noVirtualHost,
} from "./local-reply.ts";
import type { Manager } from "./manager.ts";
import { chooseWeighted } from "./plane.ts";
import type { CompiledVirtualHost } from "./route-table.ts";
import type { Socket, SocketUser } from "./socket.ts";
import { type TcpOwner, TcpRelay } from "./tcp.ts";
import { type Timed, TimerEntry } from "./timer-wheel.ts";

interface TunnelPlace {
  readonly manager: Manager;
  readonly socket: Socket;
  readonly connection: HttpDownstream;
  readonly owner: DownstreamOwner & TcpOwner;
}

/** The tunnel for an authority, or why there is none. */
export function openTunnel(place: TunnelPlace, authority: string): SocketUser | LocalReply {
  const { manager } = place;
  const { plane } = manager;
  if (!manager.config.forwardProxy) return forbiddenConnect;
  const vhost = plane.routeTable(manager.config.routeTable)?.findHost(authority.toLowerCase());
  if (!vhost) return noVirtualHost;
  const found = tcpTarget(manager, vhost, authority);
  if ("status" in found) return found;
  if (found.cluster.config.discovery === "dynamic") return relay(place, found);
  return new Tunnel(place, authority, found);
}

interface TcpTarget {
  readonly cluster: Cluster;
  readonly host: Host;
}

/** Where TCP to this virtual host goes: the cluster of its last plain route, which has no header rules. */
function tcpTarget(manager: Manager, vhost: CompiledVirtualHost, authority: string): TcpTarget | LocalReply {
  const { plane } = manager;
  const route = [...vhost.routes].reverse().find((r) => r.config.action.kind === "route");
  const action = route?.config.action;
  if (action?.kind !== "route") {
    const direct = vhost.routes[0]?.config.action;
    if (direct?.kind === "direct") {
      return {
        status: direct.status,
        body: direct.bodyText,
        flags: 0,
        details: "direct_response",
        close: true,
      };
    }
    return forbiddenConnect;
  }
  const name = chooseWeighted(action.clusters, action.totalWeight, plane.rng.float())?.cluster ?? "";
  const cluster = plane.cluster(name);
  if (!cluster) return noCluster;
  if (cluster.config.discovery === "dynamic") {
    const host = plane.dynamicHost(cluster, authority, 443);
    return host ? { cluster, host } : loopDetected;
  }
  const host = cluster.pick();
  return host ? { cluster, host } : noHealthyUpstream;
}

function relay(place: TunnelPlace, target: TcpTarget): TcpRelay {
  return new TcpRelay(place.manager.plane, place.socket, {
    ...target,
    idleTimeoutMs: place.manager.config.idleTimeoutMs,
    owner: place.owner,
    onServerFirst: () => {
      target.cluster.serverFirst = true;
    },
  });
}

const methodStart = /^[A-Z]{3,10} /;
/** Could these bytes still become the start of a HTTP/1 request? */
const methodPrefix = /^[A-Z]{0,10}$/;

class Tunnel implements SocketUser, Timed {
  private readonly place: TunnelPlace;
  private readonly authority: string;
  private readonly target: TcpTarget;
  private readonly timer = new TimerEntry(this, 0);
  private held: Uint8Array[] = [];
  private heldBytes = 0;
  private inner: SocketUser | null = null;
  private closed = false;

  constructor(place: TunnelPlace, authority: string, target: TcpTarget) {
    this.place = place;
    this.authority = authority;
    this.target = target;
    place.manager.plane.wheel.arm(this.timer, target.cluster.serverFirst ? serverFirstWaitMs : tunnelSniffMs);
  }

  onOpen(): void {
    // It was open before.
  }

  onRefused(): void {
    this.onClosed();
  }

  onBytes(bytes: Uint8Array): void {
    if (this.inner) {
      this.inner.onBytes(bytes);
      return;
    }
    this.held.push(new Uint8Array(bytes));
    this.heldBytes += bytes.length;
    const start = Buffer.concat(this.held).toString("latin1", 0, 16);
    if (start.startsWith("PRI ")) this.become("tcp");
    else if (methodStart.test(start)) this.become("http");
    else if (!methodPrefix.test(start) || this.heldBytes > tunnelHoldBytes) this.become("tcp");
  }

  private become(kind: "http" | "tcp"): void {
    if (this.inner || this.closed) return;
    const { place } = this;
    const { manager, socket, connection, owner } = place;
    manager.plane.wheel.remove(this.timer);
    const held = Buffer.concat(this.held);
    this.held = [];
    if (kind === "http") this.target.cluster.serverFirst = false;
    this.inner =
      kind === "tcp"
        ? relay(place, this.target)
        : new HttpDownstream(manager, socket, {
            connection: connection.info.connection,
            owner: { onGone: (c) => owner.onGone(c), openTunnel: () => forbiddenConnect },
            pinned: this.authority,
          });
    if (held.length > 0) this.inner.onBytes(held);
  }

  onDrain(): void {
    this.inner?.onDrain();
  }

  onFin(): void {
    if (!this.inner && this.heldBytes > 0) this.become("tcp");
    if (this.inner) this.inner.onFin();
    else this.place.socket.end();
  }

  onClosed(): void {
    this.closed = true;
    this.place.manager.plane.wheel.remove(this.timer);
    this.inner?.onClosed();
  }

  /** Draining: HTTP inside closes like HTTP outside; relayed TCP ends at the deadline. */
  drain(): void {
    if (this.inner instanceof HttpDownstream) this.inner.drain();
  }

  /** The client is silent: perhaps the server speaks first. */
  onTimer(): void {
    this.become("tcp");
  }
}
