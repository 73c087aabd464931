/** Istio's request metrics from StreamInfo; peers decoded once and remembered; the `date` header of the second. */
import type { Clock } from "../../base/index.ts";
import {
  istioBuckets,
  type ListenerConfig,
  type MetricName,
  metricDefinitions,
  metricWords,
  type Peer,
} from "../config/index.ts";
import { pairLimit, peerCacheLimit, seriesPerPairLimit } from "./limits.ts";
import type { Metrics } from "./metrics.ts";
import { decodePeerMetadata, unknownPeer } from "./peer-metadata.ts";
import { flagText, type StreamInfo } from "./stream-info.ts";

/** Series of one pair of peers and one service: by status and flags. */
interface Pair {
  readonly labels: readonly string[];
  readonly series: Map<number, RequestSeries>;
}

interface RequestSeries {
  readonly total: number;
  readonly duration: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

/** What a pair was made of, to see whether it still holds. */
type KnownPair = Pick<
  StreamInfo,
  "host" | "cluster" | "peer" | "authority" | "clusterName" | "upstreamPrincipal"
> & { readonly pair: Pair; readonly principal: string };

/** What an endpoint remembers of the last pair. */
type KnownHost = Pick<KnownPair, "pair" | "principal" | "upstreamPrincipal">;

/** Slots of a relayed connection. */
export interface TcpSeries {
  readonly opened: number;
  readonly closed: number;
  readonly sent: number;
  readonly received: number;
}

interface PairNames {
  readonly reporter: "source" | "destination";
  readonly source: Peer;
  readonly sourcePrincipal: string;
  readonly destination: Peer;
  readonly destinationPrincipal: string;
  readonly service: string;
  readonly serviceName: string;
  readonly serviceNamespace: string;
  readonly security: string;
  readonly protocol: string;
}

const or = (text: string): string => (text === "" ? "unknown" : text);
const bounds = istioBuckets.length;

export class Telemetry {
  private readonly metrics: Metrics;
  private readonly clock: Clock;
  private readonly local: Peer;
  private readonly peers = new Map<string, Peer>();
  private readonly pairs = new Map<string, Pair>();
  private dateText = "";
  private dateUntil = Number.NEGATIVE_INFINITY;

  constructor(metrics: Metrics, clock: Clock, local: Peer) {
    this.metrics = metrics;
    this.clock = clock;
    this.local = local;
  }

  /** Value of `date` now; after a step of the wall clock up to a second late. */
  date(): string {
    const now = this.clock.now();
    if (now >= this.dateUntil) {
      const wall = this.clock.wall();
      this.dateText = new Date(wall).toUTCString();
      this.dateUntil = now + 1000 - (wall % 1000);
    }
    return this.dateText;
  }

  /** The peer of a x-envoy-peer-metadata value. */
  decodePeer(text: string): Peer | null {
    const known = this.peers.get(text);
    if (known) return known;
    const peer = decodePeerMetadata(text) ?? null;
    if (peer === null) return null;
    if (this.peers.size >= peerCacheLimit) this.peers.clear();
    this.peers.set(text, peer);
    return peer;
  }

  /** Counts a finished request. */
  record(info: StreamInfo, direction: ListenerConfig["direction"], principal: string, now: number): void {
    const pair = this.pairOf(info, direction, principal);
    const key = info.status * 65_536 + (info.flags & 0xffff);
    let series = pair.series.get(key);
    if (!series) {
      series = this.open(pair, info);
      pair.series.set(key, series);
    }
    const { row } = this.metrics;
    row[series.total]!++;
    this.metrics.observe(series.duration, istioBuckets, now - info.start);
    this.metrics.observe(series.requestBytes, istioBuckets, info.bytesReceived);
    this.metrics.observe(series.responseBytes, istioBuckets, info.bytesSent);
  }

  /** Requests of one connection mostly have the same peers: their labels are joined once. */
  private pairOf(info: StreamInfo, direction: ListenerConfig["direction"], principal: string): Pair {
    const known = info.telemetry as KnownPair | null;
    if (
      known !== null &&
      known.host === info.host &&
      known.cluster === info.cluster &&
      known.peer === info.peer &&
      known.authority === info.authority &&
      known.clusterName === info.clusterName &&
      known.upstreamPrincipal === info.upstreamPrincipal &&
      known.principal === principal
    ) {
      return known.pair;
    }
    const pair =
      direction === "outbound" ? this.outboundPair(info, principal) : this.inboundPair(info, principal);
    const { host, cluster, peer, authority, clusterName, upstreamPrincipal } = info;
    info.telemetry = { pair, principal, host, cluster, peer, authority, clusterName, upstreamPrincipal };
    return pair;
  }

  /** Series of relayed TCP connections between these peers; `flags` of stream-info. */
  tcp(info: StreamInfo, direction: ListenerConfig["direction"], principal: string): TcpSeries {
    const pair = this.pairOf(info, direction, principal);
    const http = pair.labels.indexOf("request_protocol");
    const labels = [...pair.labels.with(http + 1, "tcp"), "response_flags", flagText(info.flags)];
    const slot = (name: MetricName): number => this.metrics.series(name, labels);
    return {
      opened: slot("istio_tcp_connections_opened_total"),
      closed: slot("istio_tcp_connections_closed_total"),
      sent: slot("istio_tcp_sent_bytes_total"),
      received: slot("istio_tcp_received_bytes_total"),
    };
  }

  private open(pair: Pair, info: StreamInfo): RequestSeries {
    // A pair whose answers take ever new codes and flags: the rest is counted as one.
    const many = pair.series.size >= seriesPerPairLimit;
    const labels = [
      ...pair.labels,
      "response_code",
      many ? "other" : `${info.status}`,
      "grpc_response_status",
      "",
      "response_flags",
      many ? "other" : flagText(info.flags),
    ];
    const slot = (name: MetricName): number => this.metrics.series(name, labels);
    return {
      total: slot("istio_requests_total"),
      duration: slot("istio_request_duration_milliseconds"),
      requestBytes: slot("istio_request_bytes"),
      responseBytes: slot("istio_response_bytes"),
    };
  }

  private outboundPair(info: StreamInfo, principal: string): Pair {
    const { host } = info;
    const secure = info.upstreamTrusted;
    if (host) {
      const known = host.telemetry as KnownHost | null;
      if (known && known.principal === principal && known.upstreamPrincipal === info.upstreamPrincipal)
        return known.pair;
    }
    const service = info.cluster?.config.service;
    const pair = this.pair({
      reporter: "source",
      source: this.local,
      sourcePrincipal: secure ? principal : "",
      destination: host?.peer ?? unknownPeer,
      destinationPrincipal: secure ? info.upstreamPrincipal : "",
      // A name that a client made up is no label; only where it is the address itself (dynamic forward proxy).
      service: service?.host ?? (info.cluster?.config.discovery === "dynamic" ? info.authority : ""),
      serviceName: service?.name ?? (info.clusterName === "" ? "unknown" : info.clusterName),
      serviceNamespace: service?.namespace ?? "",
      // Istio's source proxies do not claim to know.
      security: "unknown",
      protocol: "http",
    });
    if (host && service) {
      const known: KnownHost = { pair, principal, upstreamPrincipal: info.upstreamPrincipal };
      host.telemetry = known;
    }
    return pair;
  }

  private inboundPair(info: StreamInfo, principal: string): Pair {
    const service = info.cluster?.config.service;
    const mutual = info.connection.principal !== "";
    return this.pair({
      reporter: "destination",
      source: (mutual ? info.peer : null) ?? unknownPeer,
      sourcePrincipal: info.connection.principal,
      destination: this.local,
      destinationPrincipal: mutual ? principal : "",
      service: service?.host ?? "",
      serviceName: service?.name ?? this.local.service,
      serviceNamespace: service?.namespace ?? this.local.namespace,
      security: mutual ? "mutual_tls" : "none",
      protocol: "http",
    });
  }

  private pair(names: PairNames): Pair {
    const labels = pairLabels(names);
    const key = labels.join("\u0001");
    let pair = this.pairs.get(key);
    if (!pair && this.pairs.size >= pairLimit && names.service !== "")
      return this.pair({ ...names, service: "" });
    if (!pair) {
      pair = { labels, series: new Map() };
      this.pairs.set(key, pair);
    }
    return pair;
  }
}

function pairLabels(n: PairNames): readonly string[] {
  return [
    "reporter",
    n.reporter,
    ...["source_workload", or(n.source.workload), "source_canonical_service", or(n.source.service)],
    ...["source_canonical_revision", n.source.revision === "" ? "latest" : n.source.revision],
    ...["source_workload_namespace", or(n.source.namespace), "source_principal", or(n.sourcePrincipal)],
    ...["source_app", or(n.source.app), "source_version", or(n.source.version)],
    ...["source_cluster", or(n.source.cluster)],
    ...["destination_workload", or(n.destination.workload)],
    ...["destination_workload_namespace", or(n.destination.namespace)],
    ...["destination_principal", or(n.destinationPrincipal), "destination_app", or(n.destination.app)],
    ...["destination_version", or(n.destination.version), "destination_service", or(n.service)],
    ...["destination_canonical_service", or(n.destination.service)],
    ...["destination_canonical_revision", n.destination.revision === "" ? "latest" : n.destination.revision],
    ...[
      "destination_service_name",
      or(n.serviceName),
      "destination_service_namespace",
      or(n.serviceNamespace),
    ],
    ...["destination_cluster", or(n.destination.cluster), "request_protocol", n.protocol],
    ...["connection_security_policy", n.security],
  ];
}

/** Words that one new pair and code take: for sizing rows. */
export const requestSeriesWords: number =
  metricWords(metricDefinitions.istio_requests_total) + 3 * (bounds + 2);
