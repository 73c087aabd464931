/** Endpoints of dynamic forward proxy and ORIGINAL_DST clusters, made when their address is first asked for. */
import type { Clock } from "../../base/index.ts";
import { parseAuthority } from "../../wire/http/index.ts";
import { type Cluster, Host } from "./cluster.ts";
import { dynamicHostLimit } from "./limits.ts";
import type { Net } from "./net.ts";
import { plainTransport } from "./transport.ts";

interface Entry {
  readonly host: Host;
  usedAt: number;
}

/** The address to come from, of the same family as where it goes: Istio's IPv6 form of 127.0.0.6 is ::6. */
function bound(cluster: Cluster, name: string): string | undefined {
  const { bindAddress } = cluster.config;
  return name.includes(":") && bindAddress === "127.0.0.6" ? "::6" : bindAddress;
}

export class DynamicHosts {
  private readonly clock: Clock;
  private readonly net: Net;
  private readonly isOwn: (host: string, port: number) => boolean;
  private readonly entries = new Map<string, Entry>();

  constructor(clock: Clock, net: Net, isOwn: (host: string, port: number) => boolean) {
    this.clock = clock;
    this.net = net;
    this.isOwn = isOwn;
  }

  /** Null: not an address, one of this proxy's own (a loop), or too many are in use. */
  find(cluster: Cluster, authority: string, defaultPort: number): Host | null {
    const parsed = parseAuthority(authority);
    if (!parsed) return null;
    const port = parsed.port === -1 ? defaultPort : parsed.port;
    const name = parsed.host.startsWith("[") ? parsed.host.slice(1, -1) : parsed.host;
    return this.at(cluster, name, port);
  }

  /** Of an IP address. */
  at(cluster: Cluster, name: string, port: number): Host | null {
    const key = `${cluster.name}\u0000${name}:${port}`;
    const known = this.entries.get(key);
    if (known && known.host.cluster === cluster) {
      known.usedAt = this.clock.now();
      return known.host;
    }
    if (this.isOwn(name, port)) return null;
    if (this.entries.size >= dynamicHostLimit && !this.evict()) return null;
    const host = new Host(
      cluster,
      {
        address: name.includes(":") ? `[${name}]:${port}` : `${name}:${port}`,
        host: name,
        port,
        weight: 1,
        priority: 0,
        healthy: true,
        transport: 0,
        // The cluster's spare words: its dynamic endpoints share them, as nothing balances between them.
        slot: cluster.dynamicSlot,
      },
      plainTransport(this.net, bound(cluster, name)),
    );
    this.entries.set(key, { host, usedAt: this.clock.now() });
    return host;
  }

  /** Drops the endpoint unused longest that has nothing in flight. */
  private evict(): boolean {
    let oldest: string | null = null;
    let at = Number.POSITIVE_INFINITY;
    for (const [key, { host, usedAt }] of this.entries) {
      const busy = host.pool.waiting > 0 || host.pool.connections.size > host.pool.idle.length;
      if (!busy && usedAt < at) {
        oldest = key;
        at = usedAt;
      }
    }
    if (oldest === null) return false;
    this.entries.get(oldest)!.host.pool.retire();
    return this.entries.delete(oldest);
  }

  clear(): void {
    for (const { host } of this.entries.values()) host.pool.retire();
    this.entries.clear();
  }
}
