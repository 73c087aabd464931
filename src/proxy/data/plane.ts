/** The data thread's tables as its connections see them. */
import type { Peer, WeightedCluster } from "../config/index.ts";
import type { AccessLogger } from "./access-log.ts";
import type { Cluster, Host } from "./cluster.ts";
import type { Acceptor } from "./original-dst.ts";
import type { BudgetConfig, RetryBudget } from "./retry-budget.ts";
import type { RouteTable } from "./route-table.ts";
import type { Runtime } from "./runtime.ts";
import type { Telemetry } from "./telemetry.ts";

export interface Plane extends Runtime {
  readonly telemetry: Telemetry;
  readonly localPeer: Peer;
  /** Own SPIFFE id, "" until a certificate is known. */
  readonly principal: string;
  /** Flat header fields for the first request of a mesh connection. */
  readonly peerMetadata: readonly string[];
  /** What a client of the forward proxy must present; null: nothing. */
  readonly credential: string | null;
  cluster(name: string): Cluster | undefined;
  routeTable(name: string): RouteTable | undefined;
  /** Endpoint of a dynamic cluster for an authority; null: refused (own address, or too many). */
  dynamicHost(cluster: Cluster, authority: string, defaultPort: number): Host | null;
  /** Endpoint of an ORIGINAL_DST cluster for where a connection was meant to go; null as above. */
  originalHost(cluster: Cluster, address: string, port: number): Host | null;
  /** The listener that takes redirected connections to an address, if there is one. */
  acceptor(address: string, port: number): Acceptor | undefined;
  budget(config: BudgetConfig): RetryBudget;
  accessLogger(config: import("../config/index.ts").AccessLogConfig): AccessLogger;
}

/** Picks by weight. */
export function chooseWeighted(
  list: readonly WeightedCluster[],
  total: number,
  float: number,
): WeightedCluster | null {
  if (list.length === 1) return list[0]!;
  let at = float * total;
  for (const entry of list) {
    at -= entry.weight;
    if (at < 0) return entry;
  }
  return list[list.length - 1] ?? null;
}
