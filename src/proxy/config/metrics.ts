/**
 * How metric series lie in a data thread's row (Float64Array, that thread is the only writer). The thread announces
 * each series once by a `series` message {slot, name, labels}; labels are flat: key, value, key, value. The agent
 * sums the rows of all threads by (name, labels) and writes the exposition.
 *
 *   counter, gauge   1 word at slot
 *   histogram        `bounds.length` words, observations that fell in each bucket (not cumulative), then one word
 *                    for those above the last bound, then one word with the sum: bounds.length + 2 words in all
 *
 * Word 0 counts series that found no room; words 1..reservedMetricWords-1 are a sink for their updates.
 */

/** Istio's default buckets, for durations in milliseconds and sizes in bytes alike. */
export const istioBuckets: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/** Envoy's default histogram bounds for upstream times, milliseconds. */
export const envoyBuckets: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

export interface MetricDefinition {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Upper bounds of a histogram. */
  readonly bounds?: readonly number[];
}

const counter = (help: string): MetricDefinition => ({ kind: "counter", help });
const gauge = (help: string): MetricDefinition => ({ kind: "gauge", help });
const histogram = (help: string, bounds: readonly number[]): MetricDefinition => ({
  kind: "histogram",
  help,
  bounds,
});

/** Every metric a data thread writes. Names are Istio's and, for clusters, Envoy's Prometheus names. */
export const metricDefinitions = {
  istio_requests_total: counter("Requests by source, destination, code and response flags."),
  istio_request_duration_milliseconds: histogram("Time from first byte in to last byte out.", istioBuckets),
  istio_request_bytes: histogram("Bytes of request bodies.", istioBuckets),
  istio_response_bytes: histogram("Bytes of response bodies.", istioBuckets),
  istio_tcp_connections_opened_total: counter("TCP connections opened through the tcp_proxy filter."),
  istio_tcp_connections_closed_total: counter("TCP connections closed."),
  istio_tcp_sent_bytes_total: counter("Bytes sent to the downstream."),
  istio_tcp_received_bytes_total: counter("Bytes received from the downstream."),
  envoy_cluster_upstream_rq_total: counter("Requests sent to the cluster, tries counted each."),
  envoy_cluster_upstream_rq_xx: counter("Upstream answers by class (envoy_response_code_class)."),
  envoy_cluster_upstream_rq_active: gauge("Requests in flight to the cluster."),
  envoy_cluster_upstream_rq_retry: counter("Retries."),
  envoy_cluster_upstream_rq_retry_success: counter("Retries that succeeded."),
  envoy_cluster_upstream_rq_retry_overflow: counter("Retries not made because of the breaker or the budget."),
  envoy_cluster_upstream_rq_retry_limit_exceeded: counter("Requests whose retries were used up."),
  envoy_cluster_upstream_rq_timeout: counter("Requests that met the route's time-out."),
  envoy_cluster_upstream_rq_per_try_timeout: counter("Tries that met the per-try time-out."),
  envoy_cluster_upstream_rq_pending_overflow: counter("Requests refused by the pending limit."),
  envoy_cluster_upstream_rq_pending_active: gauge("Requests waiting for a connection."),
  envoy_cluster_upstream_cx_total: counter("Connections opened."),
  envoy_cluster_upstream_cx_active: gauge("Connections open."),
  envoy_cluster_upstream_cx_connect_fail: counter("Connections that failed before they were usable."),
  envoy_cluster_upstream_cx_connect_timeout: counter("Connections that met the connect time-out."),
  envoy_cluster_upstream_cx_overflow: counter("Times the connection limit was met."),
  envoy_cluster_upstream_cx_destroy_with_active_rq: counter("Connections closed with a request in flight."),
  envoy_cluster_upstream_cx_rx_bytes_total: counter("Bytes received from the cluster."),
  envoy_cluster_upstream_cx_tx_bytes_total: counter("Bytes sent to the cluster."),
  envoy_cluster_upstream_rq_time: histogram(
    "Milliseconds from request sent to response complete.",
    envoyBuckets,
  ),
  envoy_listener_downstream_cx_total: counter("Connections accepted by the listener."),
  envoy_listener_downstream_cx_active: gauge("Connections open on the listener."),
  envoy_listener_no_filter_chain_match: counter("Connections closed because no filter chain matched."),
  envoy_listener_ssl_connection_error: counter("TLS handshakes that failed or peers that were refused."),
  envoy_http_downstream_rq_total: counter("Requests received by the connection manager."),
  envoy_http_downstream_rq_active: gauge("Requests in flight at the connection manager."),
  envoy_http_downstream_rq_xx: counter("Answers by class (envoy_response_code_class)."),
  envoy_http_downstream_cx_protocol_error: counter("Connections closed because of malformed HTTP."),
  weft_listener_policy_closed_total: counter(
    "Connections accepted and closed by policy, with the policy's name.",
  ),
  weft_connection_faults_total: counter(
    "Connections that ended by an error: network, tls (records of the peer), internal (a bug here).",
  ),
  weft_peer_metadata_refused_total: counter(
    "Peer metadata not believed: it claims another namespace than the caller's certificate.",
  ),
  weft_stale_connection_replays_total: counter(
    "Requests sent again because a kept connection had gone stale.",
  ),
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof metricDefinitions;

/** Words a series of this definition takes. */
export function metricWords(definition: MetricDefinition): number {
  return definition.bounds ? definition.bounds.length + 2 : 1;
}

/** Words at the start of each row that hold no series. */
export const reservedMetricWords = 256;

/** Recommended length of a row: 4 MiB, about 8,000 request series. Untouched pages cost no memory. */
export const metricRowWords = 524_288;
