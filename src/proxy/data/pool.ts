/**
 * Connection pool of one endpoint in one thread: idle connections (last in, first out), requests waiting in order.
 *
 * The first `connecting` of the waiting requests have a connection being opened for them and count as requests;
 * those behind count as pending. So with 100 connections and 100 pending allowed, 100 requests hold connections,
 * 100 wait, and the next one overflows, however fast they come.
 */
import { assert } from "../../base/index.ts";
import { clusterWord, endpointWord } from "../config/index.ts";
import type { ClusterMetrics } from "./cluster-metrics.ts";
import type { Target } from "./net.ts";
import type { TryFailure } from "./retry-policy.ts";
import type { Runtime } from "./runtime.ts";
import type { Transport } from "./transport.ts";
import { Upstream, type UpstreamOwner } from "./upstream.ts";

/** A request that wants a connection. The links are the pool's. */
export interface Waiter {
  waitingIn: Pool | null;
  waitNext: Waiter | null;
  waitPrev: Waiter | null;
  onConnection(connection: Upstream): void;
  onNoConnection(failure: TryFailure, detail: string): void;
}

/** What a pool needs of its cluster in this thread. */
export interface PoolCluster {
  readonly runtime: Runtime;
  readonly metrics: ClusterMetrics;
  readonly slot: number;
  readonly limits: {
    readonly maxConnections: number;
    readonly maxPendingRequests: number;
    readonly maxRequests: number;
  };
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxRequestsPerConnection: number;
  readonly maxConnectionDurationMs: number;
  /** Takes a connection slot of the process, letting go of an idle one of this thread if need be. */
  acquireConnection(): boolean;
  /** A connection slot is free again. */
  connectionGone(): void;
  /** Pending requests of the pool changed from or to none. */
  pendingChanged(pool: Pool, pending: boolean): void;
  /** Whether a connection that became free must close for others that wait. */
  mustYield(pool: Pool): boolean;
  /** An idle connection was put by. */
  idleAdded(): void;
}

export class Pool implements UpstreamOwner {
  readonly cluster: PoolCluster;
  readonly runtime: Runtime;
  readonly target: Target;
  readonly transport: Transport;
  readonly slot: number;
  readonly idle: Upstream[] = [];
  readonly connections = new Set<Upstream>();
  connecting = 0;
  waiting = 0;
  /** Pending requests counted in the shared table. */
  pending = 0;
  private reserved = 0;
  private first: Waiter | null = null;
  private last: Waiter | null = null;
  private retired = false;

  constructor(cluster: PoolCluster, target: Target, transport: Transport, slot: number) {
    this.cluster = cluster;
    this.runtime = cluster.runtime;
    this.target = target;
    this.transport = transport;
    this.slot = slot;
  }

  get idleTimeoutMs(): number {
    return this.cluster.idleTimeoutMs;
  }

  get maxDurationMs(): number {
    return this.cluster.maxConnectionDurationMs;
  }

  get maxRequests(): number {
    return this.cluster.maxRequestsPerConnection;
  }

  /** A connection at once, "queued" (the waiter hears later), or "overflow". `fresh`: not one that was kept. */
  acquire(waiter: Waiter, fresh: boolean): Upstream | "queued" | "overflow" {
    const { cluster } = this;
    const { table, counts } = this.runtime;
    const requests = cluster.slot + clusterWord.requests;
    if (!fresh && this.idle.length > 0) {
      if (!counts.tryAcquire(requests, cluster.limits.maxRequests))
        return this.overflow(clusterWord.rqOverflow);
      const connection = this.idle.pop()!;
      connection.idle = false;
      this.attach(connection);
      return connection;
    }
    if (Atomics.load(table, requests) >= cluster.limits.maxRequests)
      return this.overflow(clusterWord.rqOverflow);
    if (this.connecting > this.waiting || cluster.acquireConnection()) {
      if (!counts.tryAcquire(requests, cluster.limits.maxRequests)) {
        if (this.connecting <= this.waiting) this.giveBackConnection();
        return this.overflow(clusterWord.rqOverflow);
      }
      this.reserved++;
      const open = this.connecting <= this.waiting;
      this.enqueue(waiter);
      if (open) this.open();
      this.balance();
      return "queued";
    }
    cluster.metrics.add(cluster.metrics.connectionOverflow, 1);
    Atomics.add(table, cluster.slot + clusterWord.cxOverflow, 1);
    if (!counts.tryAcquire(cluster.slot + clusterWord.pending, cluster.limits.maxPendingRequests)) {
      cluster.metrics.add(cluster.metrics.pendingOverflow, 1);
      return this.overflow(clusterWord.pendingOverflow);
    }
    this.pending++;
    cluster.metrics.add(cluster.metrics.pending, 1);
    this.enqueue(waiter);
    cluster.pendingChanged(this, true);
    // A slot may have been freed in another thread just before this one was counted as pending.
    this.serveBlocked();
    return "queued";
  }

  /** The waiter gave up. */
  cancel(waiter: Waiter): void {
    assert(waiter.waitingIn === this, "the waiter waits here");
    this.unlink(waiter);
    this.balance();
  }

  /** Opens a connection for a pending request, if the limit allows. */
  serveBlocked(): boolean {
    if (this.pending === 0 || !this.cluster.acquireConnection()) return false;
    this.open();
    this.balance();
    return true;
  }

  /** Closes one idle connection, the one unused longest; false if there is none. */
  closeIdle(): boolean {
    const connection = this.idle[0];
    if (!connection) return false;
    connection.close();
    return true;
  }

  /** The endpoint left: idle connections close now, others after their request. */
  retire(): void {
    this.retired = true;
    while (this.closeIdle());
  }

  // UpstreamOwner

  onConnected(connection: Upstream): void {
    this.connecting--;
    this.give(connection);
  }

  onConnectFailed(connection: Upstream, failure: TryFailure, detail: string): void {
    this.connecting--;
    const { metrics } = this.cluster;
    metrics.add(metrics.connectFail, 1);
    if (failure === "connect-timeout") metrics.add(metrics.connectTimeout, 1);
    this.gone(connection);
    // Envoy: a connection that fails takes the requests waiting for its host with it.
    const failed: Waiter[] = [];
    for (let w = this.first; w; w = this.first) {
      this.unlink(w);
      failed.push(w);
    }
    this.balance();
    this.cluster.connectionGone();
    for (const waiter of failed) waiter.onNoConnection(failure, detail);
  }

  onReusable(connection: Upstream): void {
    this.detach(connection);
    if (this.retired || this.cluster.mustYield(this)) connection.close();
    else this.give(connection);
  }

  onGone(connection: Upstream, hadRequest: boolean): void {
    const { metrics } = this.cluster;
    if (connection.idle) {
      connection.idle = false;
      const at = this.idle.lastIndexOf(connection);
      if (at !== -1) this.idle.splice(at, 1);
    } else if (connection.attached) {
      if (hadRequest) metrics.add(metrics.destroyWithRequest, 1);
      this.detach(connection);
    }
    this.gone(connection);
    this.cluster.connectionGone();
  }

  private gone(connection: Upstream): void {
    const { metrics } = this.cluster;
    this.connections.delete(connection);
    metrics.add(metrics.connectionsActive, -1);
    this.giveBackConnection();
  }

  private giveBackConnection(): void {
    this.runtime.counts.release(this.cluster.slot + clusterWord.connections);
  }

  private overflow(word: number): "overflow" {
    Atomics.add(this.runtime.table, this.cluster.slot + word, 1);
    return "overflow";
  }

  private open(): void {
    const { cluster, target } = this;
    const connection = new Upstream(this);
    this.connections.add(connection);
    this.connecting++;
    cluster.metrics.add(cluster.metrics.connections, 1);
    cluster.metrics.add(cluster.metrics.connectionsActive, 1);
    connection.dialing(cluster.connectTimeoutMs, this.transport.connect(target, connection));
  }

  /** Hands a free connection to the first that waits, else puts it by. */
  private give(connection: Upstream): void {
    const waiter = this.dequeue();
    if (waiter) {
      this.attach(connection);
      waiter.onConnection(connection);
      return;
    }
    if (this.retired) {
      connection.close();
      return;
    }
    connection.idle = true;
    this.idle.push(connection);
    connection.armIdle();
    this.cluster.idleAdded();
  }

  /** The first waiter, counted as a request from now on. Those over max_requests are refused. */
  private dequeue(): Waiter | null {
    const { cluster } = this;
    const { counts } = this.runtime;
    for (let waiter = this.first; waiter; waiter = this.first) {
      this.unlink(waiter);
      const reserved = Math.min(this.waiting, this.connecting);
      if (reserved < this.reserved) {
        this.reserved--;
        this.balance();
        return waiter;
      }
      const allowed = counts.tryAcquire(cluster.slot + clusterWord.requests, cluster.limits.maxRequests);
      this.balance();
      if (allowed) return waiter;
      this.overflow(clusterWord.rqOverflow);
      waiter.onNoConnection("overflow", "overflow");
    }
    return null;
  }

  private attach(connection: Upstream): void {
    const { metrics } = this.cluster;
    assert(!connection.closed && !connection.attached, "a free connection serves one request");
    connection.attached = true;
    this.runtime.counts.add(this.slot + endpointWord.active, 1);
    metrics.add(metrics.active, 1);
    metrics.add(metrics.requests, 1);
  }

  private detach(connection: Upstream): void {
    const { metrics, slot } = this.cluster;
    connection.attached = false;
    this.runtime.counts.release(slot + clusterWord.requests);
    this.runtime.counts.release(this.slot + endpointWord.active);
    metrics.add(metrics.active, -1);
  }

  /** Brings the shared counts in line with the queue. */
  private balance(): void {
    const { cluster } = this;
    const { counts } = this.runtime;
    const reserved = Math.min(this.waiting, this.connecting);
    if (reserved !== this.reserved) {
      counts.add(cluster.slot + clusterWord.requests, reserved - this.reserved);
      this.reserved = reserved;
    }
    const pending = this.waiting - reserved;
    if (pending === this.pending) return;
    counts.add(cluster.slot + clusterWord.pending, pending - this.pending);
    cluster.metrics.add(cluster.metrics.pending, pending - this.pending);
    const before = this.pending;
    this.pending = pending;
    if ((before === 0) !== (pending === 0)) cluster.pendingChanged(this, pending > 0);
  }

  private enqueue(waiter: Waiter): void {
    waiter.waitingIn = this;
    waiter.waitPrev = this.last;
    waiter.waitNext = null;
    if (this.last) this.last.waitNext = waiter;
    else this.first = waiter;
    this.last = waiter;
    this.waiting++;
  }

  private unlink(waiter: Waiter): void {
    if (waiter.waitPrev) waiter.waitPrev.waitNext = waiter.waitNext;
    else this.first = waiter.waitNext;
    if (waiter.waitNext) waiter.waitNext.waitPrev = waiter.waitPrev;
    else this.last = waiter.waitPrev;
    waiter.waitingIn = null;
    waiter.waitNext = null;
    waiter.waitPrev = null;
    this.waiting--;
  }
}
