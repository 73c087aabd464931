/** What is known of one request: the router, the access log and telemetry read it, nobody computes it twice. */
import type { HeaderList } from "../../wire/http/index.ts";
import type { Owner, Peer, WeightedCluster } from "../config/index.ts";
import type { Cluster, Host } from "./cluster.ts";
import type { CompiledRoute } from "./route-table.ts";

/** Envoy's response flags as bits. */
export const flag = {
  noHealthyUpstream: 1 << 0,
  upstreamConnectionFailure: 1 << 1,
  upstreamOverflow: 1 << 2,
  noRoute: 1 << 3,
  noCluster: 1 << 4,
  retryLimit: 1 << 5,
  upstreamTimeout: 1 << 6,
  upstreamConnectionTermination: 1 << 7,
  upstreamReset: 1 << 8,
  downstreamTermination: 1 << 9,
  downstreamProtocolError: 1 << 10,
  upstreamProtocolError: 1 << 11,
  streamIdleTimeout: 1 << 12,
  localReset: 1 << 13,
  rateLimited: 1 << 14,
  overloadManager: 1 << 15,
  dnsFailure: 1 << 16,
} as const;

const names: readonly (readonly [number, string])[] = [
  [flag.noHealthyUpstream, "UH"],
  [flag.upstreamConnectionFailure, "UF"],
  [flag.upstreamOverflow, "UO"],
  [flag.noRoute, "NR"],
  [flag.noCluster, "NC"],
  [flag.retryLimit, "URX"],
  [flag.upstreamTimeout, "UT"],
  [flag.upstreamConnectionTermination, "UC"],
  [flag.upstreamReset, "UR"],
  [flag.downstreamTermination, "DC"],
  [flag.downstreamProtocolError, "DPE"],
  [flag.upstreamProtocolError, "UPE"],
  [flag.streamIdleTimeout, "SI"],
  [flag.localReset, "LR"],
  [flag.rateLimited, "RL"],
  [flag.overloadManager, "OM"],
  [flag.dnsFailure, "DF"],
];

const texts = new Map<number, string>([[0, "-"]]);

/** `UO,URX`, or `-`. */
export function flagText(flags: number): string {
  let text = texts.get(flags);
  if (text === undefined) {
    text = names
      .filter(([bit]) => (flags & bit) !== 0)
      .map(([, name]) => name)
      .join(",");
    texts.set(flags, text);
  }
  return text;
}

const noHeaders: HeaderList = [];

/** Of the connection a request came on; constant for all of them. */
export interface ConnectionInfo {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly sni: string;
  /** SPIFFE id of the client; "" without mutual TLS. */
  readonly principal: string;
  readonly tls: boolean;
  readonly listener: string;
  /** Agreed upon in the handshake; absent: none. */
  readonly alpn?: string;
}

/** Reset and used again for each request of a connection. */
export class StreamInfo {
  readonly connection: ConnectionInfo;
  method = "";
  /** Normalised path with query, as matched and forwarded. */
  path = "";
  originalPath = "";
  /** Lower case is not forced; the route table lowers it. */
  authority = "";
  scheme = "http";
  version: 10 | 11 | 20 = 11;
  headers: HeaderList = noHeaders;
  responseHeaders: HeaderList = noHeaders;
  requestId = "";
  /** Trusted address of the client, from x-forwarded-for; "": who connected. */
  clientAddress = "";
  /** An internal request with x-envoy-* fields: they may steer the router. */
  overrides = false;
  /** Known once the request has ended and is logged. */
  startWall = 0;
  start = 0;
  /** Milliseconds from start; -1: did not happen. */
  requestEnd = -1;
  upstreamStart = -1;
  responseStart = -1;
  status = 0;
  flags = 0;
  details = "";
  /** Bytes of bodies. */
  bytesReceived = 0;
  bytesSent = 0;
  attempts = 0;
  route: CompiledRoute | null = null;
  cluster: Cluster | null = null;
  host: Host | null = null;
  clusterName = "";
  /** Where the route sent it. */
  destination: WeightedCluster | null = null;
  upstreamPrincipal = "";
  /** The upstream connection is the mesh's: mutual TLS to an identity that was expected. */
  upstreamTrusted = false;
  upstreamLocalAddress = "";
  upstreamFailure = "";
  serviceTime = "";
  /** Object whose rule decided a local answer. */
  owner: Owner | null = null;
  /** x-weft-reason of the upstream's answer, where it may be believed. */
  reason = "";
  peer: Peer | null = null;
  /** What telemetry remembers of the connection's last request; not reset. */
  telemetry: object | null = null;

  constructor(connection: ConnectionInfo) {
    this.connection = connection;
  }

  reset(now: number): void {
    this.method = "";
    this.path = "";
    this.originalPath = "";
    this.authority = "";
    this.scheme = this.connection.tls ? "https" : "http";
    this.version = 11;
    this.headers = noHeaders;
    this.responseHeaders = noHeaders;
    this.requestId = "";
    this.clientAddress = "";
    this.overrides = false;
    this.start = now;
    this.requestEnd = -1;
    this.upstreamStart = -1;
    this.responseStart = -1;
    this.status = 0;
    this.flags = 0;
    this.details = "";
    this.bytesReceived = 0;
    this.bytesSent = 0;
    this.attempts = 0;
    this.route = null;
    this.cluster = null;
    this.host = null;
    this.clusterName = "";
    this.destination = null;
    this.upstreamPrincipal = "";
    this.upstreamTrusted = false;
    this.upstreamLocalAddress = "";
    this.upstreamFailure = "";
    this.serviceTime = "";
    this.owner = null;
    this.reason = "";
  }
}
