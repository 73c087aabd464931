/** Counters of one cluster in this thread's row, interned when the cluster is first used. */
import type { MetricName } from "../config/index.ts";
import type { Metrics } from "./metrics.ts";

export class ClusterMetrics {
  readonly requests: number;
  readonly active: number;
  readonly pending: number;
  readonly pendingOverflow: number;
  readonly retry: number;
  readonly retrySuccess: number;
  readonly retryOverflow: number;
  readonly retryLimit: number;
  readonly timeout: number;
  readonly perTryTimeout: number;
  readonly connections: number;
  readonly connectionsActive: number;
  readonly connectFail: number;
  readonly connectTimeout: number;
  readonly connectionOverflow: number;
  readonly destroyWithRequest: number;
  readonly received: number;
  readonly sent: number;
  readonly time: number;
  readonly staleReplays: number;
  private readonly metrics: Metrics;
  private readonly labels: readonly string[];
  private readonly classes: number[] = [0, 0, 0, 0, 0, 0];

  constructor(metrics: Metrics, cluster: string) {
    this.metrics = metrics;
    this.labels = ["envoy_cluster_name", cluster];
    const slot = (name: MetricName): number => metrics.series(name, this.labels);
    this.requests = slot("envoy_cluster_upstream_rq_total");
    this.active = slot("envoy_cluster_upstream_rq_active");
    this.pending = slot("envoy_cluster_upstream_rq_pending_active");
    this.pendingOverflow = slot("envoy_cluster_upstream_rq_pending_overflow");
    this.retry = slot("envoy_cluster_upstream_rq_retry");
    this.retrySuccess = slot("envoy_cluster_upstream_rq_retry_success");
    this.retryOverflow = slot("envoy_cluster_upstream_rq_retry_overflow");
    this.retryLimit = slot("envoy_cluster_upstream_rq_retry_limit_exceeded");
    this.timeout = slot("envoy_cluster_upstream_rq_timeout");
    this.perTryTimeout = slot("envoy_cluster_upstream_rq_per_try_timeout");
    this.connections = slot("envoy_cluster_upstream_cx_total");
    this.connectionsActive = slot("envoy_cluster_upstream_cx_active");
    this.connectFail = slot("envoy_cluster_upstream_cx_connect_fail");
    this.connectTimeout = slot("envoy_cluster_upstream_cx_connect_timeout");
    this.connectionOverflow = slot("envoy_cluster_upstream_cx_overflow");
    this.destroyWithRequest = slot("envoy_cluster_upstream_cx_destroy_with_active_rq");
    this.received = slot("envoy_cluster_upstream_cx_rx_bytes_total");
    this.sent = slot("envoy_cluster_upstream_cx_tx_bytes_total");
    this.time = slot("envoy_cluster_upstream_rq_time");
    this.staleReplays = slot("weft_stale_connection_replays_total");
  }

  /** Counts an answer of an upstream by its class. */
  answer(status: number): void {
    const at = Math.min(5, Math.floor(status / 100));
    const { classes, metrics } = this;
    if (classes[at] === 0) {
      const labels = ["envoy_response_code_class", `${at}`, ...this.labels];
      classes[at] = metrics.series("envoy_cluster_upstream_rq_xx", labels);
    }
    metrics.row[classes[at]!]!++;
  }

  add(slot: number, value: number): void {
    this.metrics.row[slot]! += value;
  }
}
