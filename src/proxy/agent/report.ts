/** Figures for people and scrapers, from the shared table and the threads' rows. */
import { clusterWord, ejectionReasons, endpointWord } from "../config/index.ts";
import { exposition, type PlainSample, type Sample } from "../telemetry/index.ts";
import type { AgentTables, ClusterStatus, EndpointStatus } from "./types.ts";

export function clusterStatuses(tables: AgentTables, words: Int32Array): ClusterStatus[] {
  return [...tables.clusters.values()].map((config) => ({
    config,
    counts: Object.fromEntries(
      Object.entries(clusterWord).map(([name, word]) => [
        name,
        config.slot < 0 ? 0 : Atomics.load(words, config.slot + word),
      ]),
    ),
    endpoints: (tables.endpoints.get(config.name)?.endpoints ?? []).map((e): EndpointStatus => {
      const at = (word: number): number => Atomics.load(words, e.slot + word);
      const ejected = at(endpointWord.ejected) !== 0;
      return {
        address: e.address,
        weight: e.weight,
        priority: e.priority,
        healthy: e.healthy,
        ejected,
        reason: ejected ? (ejectionReasons[at(endpointWord.reason)] ?? "none") : "",
        activeRequests: at(endpointWord.active),
        workload: e.peer?.workload ?? "",
      };
    }),
  }));
}

interface ClusterGauge {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  readonly value: (c: ClusterStatus) => number;
}

const wrapped = (value: number): number => value >>> 0;

const clusterGauges: readonly ClusterGauge[] = [
  {
    name: "envoy_cluster_membership_healthy",
    kind: "gauge",
    help: "Endpoints that take requests: healthy and not ejected.",
    value: (c) => c.endpoints.filter((e) => e.healthy && !e.ejected).length,
  },
  {
    name: "envoy_cluster_membership_total",
    kind: "gauge",
    help: "Endpoints of the cluster.",
    value: (c) => c.endpoints.length,
  },
  {
    name: "envoy_cluster_outlier_detection_ejections_active",
    kind: "gauge",
    help: "Endpoints that are ejected now.",
    value: (c) => c.counts["ejected"] ?? 0,
  },
  {
    name: "envoy_cluster_outlier_detection_ejections_enforced_total",
    kind: "counter",
    help: "Ejections by any detector.",
    value: (c) => wrapped(c.counts["ejectionsTotal"] ?? 0),
  },
  {
    name: "envoy_cluster_outlier_detection_ejections_overflow",
    kind: "counter",
    help: "Ejections not made because of max_ejection_percent.",
    value: (c) => wrapped(c.counts["ejectionsOverflow"] ?? 0),
  },
  {
    name: "envoy_cluster_outlier_detection_ejections_total",
    kind: "counter",
    help: "Ejections by any detector (Envoy's older name).",
    value: (c) => wrapped(c.counts["ejectionsTotal"] ?? 0),
  },
];

export interface MetricsPage {
  readonly samples: readonly Sample[];
  readonly clusters: readonly ClusterStatus[];
  readonly restarts: number;
  readonly lostSeries: number;
  readonly ready: boolean;
  readonly droppedLogBytes: number;
  readonly refusals: number;
}

/** The page of /stats/prometheus. */
export function metricsPage(page: MetricsPage): string {
  const own = (name: string, kind: PlainSample["kind"], help: string, value: number): PlainSample => ({
    name,
    kind,
    help,
    labels: [],
    value,
  });
  const plain: PlainSample[] = clusterGauges.flatMap((g) =>
    page.clusters.map((c) => ({
      name: g.name,
      kind: g.kind,
      help: g.help,
      labels: ["envoy_cluster_name", c.config.name],
      value: g.value(c),
    })),
  );
  plain.push(
    own("envoy_server_live", "gauge", "1 when the proxy is ready.", page.ready ? 1 : 0),
    own(
      "weft_access_log_dropped_bytes_total",
      "counter",
      "Access log bytes not written.",
      page.droppedLogBytes,
    ),
    own("weft_data_thread_restarts_total", "counter", "Data threads started again.", page.restarts),
    own("weft_metric_series_lost_total", "counter", "Series that found no room.", page.lostSeries),
    own("weft_refused_resources", "gauge", "Resources refused and not mended since.", page.refusals),
  );
  return exposition(page.samples, plain);
}
