/** Compiled resources, one type a noun. Every field cites the Envoy field it comes from where the name differs. */

/** The object whose rule this is; from metadata `weft` {owner, field, source}. */
export interface Owner {
  /** `VirtualService/default/reviews-route`. */
  readonly object: string;
  /** `spec.http[0]`. */
  readonly field?: string;
  /** `virtual-service.yaml:9:5`, from annotation weft.dev/source. */
  readonly source?: string;
}

/** type.matcher.v3.StringMatcher. Regex: RE2 syntax, whole-string match. */
export interface StringMatch {
  readonly kind: "exact" | "prefix" | "suffix" | "contains" | "regex";
  readonly value: string;
  readonly ignoreCase?: boolean;
}

/** route.v3.HeaderMatcher; pseudo-headers `:method`, `:path`, `:authority`, `:scheme` are allowed names. */
export interface HeaderMatch {
  readonly name: string;
  readonly match: StringMatch | { readonly kind: "present" };
  readonly invert?: boolean;
  /** treat_missing_header_as_empty. */
  readonly missingAsEmpty?: boolean;
}

export interface QueryMatch {
  readonly name: string;
  readonly match: StringMatch | { readonly kind: "present" };
}

/** route.v3.RouteMatch. pathPrefix `/` matches everything that has a path. */
export interface RouteMatch {
  readonly path:
    | { readonly kind: "prefix" | "exact" | "regex" | "pathSeparatedPrefix"; readonly value: string }
    | { readonly kind: "connect" };
  /** case_sensitive false. */
  readonly ignoreCase?: boolean;
  readonly headers: readonly HeaderMatch[];
  readonly query: readonly QueryMatch[];
}

/** Removals first, then additions. */
export interface HeaderOps {
  readonly add: readonly HeaderMutation[];
  readonly remove: readonly string[];
}

export interface WeightedCluster {
  readonly cluster: string;
  readonly weight: number;
  readonly owner?: Owner;
  /** Before what the route asks for. */
  readonly requestHeaders?: HeaderOps;
  readonly responseHeaders?: HeaderOps;
  /** Instead of the route's. */
  readonly hostRewrite?: string;
}

/** route.v3.RetryPolicy. */
export interface RetryPolicy {
  /** Words of retry_on: 5xx, gateway-error, reset, reset-before-request, connect-failure, refused-stream, retriable-4xx, retriable-status-codes, envoy-ratelimited. */
  readonly retryOn: readonly string[];
  /** num_retries; default 1. */
  readonly numRetries: number;
  /** per_try_timeout; 0: none. */
  readonly perTryTimeoutMs: number;
  readonly retriableStatusCodes: readonly number[];
  /** Any one must match, if the list is not empty (retriable_request_headers). */
  readonly retriableRequestHeaders: readonly HeaderMatch[];
  /** retry_back_off; defaults 25 and 10 x base. */
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  /** Linkerd's budget (metadata `weft` retry_budget): retries within ttl <= ratio x requests + minPerSecond x ttl. */
  readonly budget?: {
    readonly key: string;
    readonly ratio: number;
    readonly minPerSecond: number;
    readonly ttlMs: number;
  };
}

export interface HeaderMutation {
  readonly name: string;
  readonly value: string;
  /** append_action. */
  readonly action: "append" | "overwrite" | "add-if-absent" | "overwrite-if-exists";
}

export interface RouteConfig {
  readonly name: string;
  readonly match: RouteMatch;
  readonly action:
    | {
        readonly kind: "route";
        readonly clusters: readonly WeightedCluster[];
        readonly totalWeight: number;
        /** RouteAction.timeout: from the end of the request to the end of the response; 0: none. Envoy's default is 15 s, compile applies it. */
        readonly timeoutMs: number;
        /** RouteAction.idle_timeout; undefined: the connection manager's stream_idle_timeout; 0: none. */
        readonly idleTimeoutMs?: number;
        readonly retry?: RetryPolicy;
        readonly prefixRewrite?: string;
        /** Every match in the path without its query; `\1` stands for what a group matched. */
        readonly regexRewrite?: { readonly pattern: string; readonly substitution: string };
        readonly hostRewrite?: string;
      }
    | {
        readonly kind: "redirect";
        readonly code: number;
        readonly host?: string;
        readonly path?: string;
        readonly scheme?: string;
        readonly port?: number;
      }
    /** bodyText is UTF-8. */
    | { readonly kind: "direct"; readonly status: number; readonly bodyText: string };
  readonly requestHeadersAdd: readonly HeaderMutation[];
  readonly requestHeadersRemove: readonly string[];
  readonly responseHeadersAdd: readonly HeaderMutation[];
  readonly responseHeadersRemove: readonly string[];
  readonly owner?: Owner;
}

export interface VirtualHostConfig {
  readonly name: string;
  /** Lower case; exact, `*.suffix`, `prefix.*`, `*`. */
  readonly domains: readonly string[];
  readonly routes: readonly RouteConfig[];
  /** include_request_attempt_count: x-envoy-attempt-count to the upstream. */
  readonly requestAttemptCount?: boolean;
  /** include_attempt_count_in_response. */
  readonly responseAttemptCount?: boolean;
  readonly owner?: Owner;
}

/** RouteConfiguration. */
export interface RouteTableConfig {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHostConfig[];
}

export interface AccessLogConfig {
  /** File path, or "stdout" / "stderr". */
  readonly path: string;
  /** Envoy's default text, a text format string, or JSON: key -> format string. */
  readonly format:
    | { readonly kind: "text"; readonly text: string }
    | { readonly kind: "json"; readonly fields: Readonly<Record<string, string>> };
}

/** core.v3.CidrRange. */
export interface AddressRange {
  readonly address: string;
  readonly prefixLength: number;
}

/** The HTTP connection manager. */
export interface HttpManagerConfig {
  readonly statPrefix: string;
  /** Name of a RouteTableConfig (an inline route_config is compiled under `inline:<listener>/<chain>`). */
  readonly routeTable: string;
  /** True for Weft's forward proxy: absolute-form and CONNECT accepted, Proxy-Authorization checked and stripped. */
  readonly forwardProxy: boolean;
  /** request_headers_timeout; Weft's default 10 s. */
  readonly requestHeadersTimeoutMs: number;
  /** request_timeout; default 0. */
  readonly requestTimeoutMs: number;
  /** stream_idle_timeout; default 5 min. */
  readonly streamIdleTimeoutMs: number;
  /** common_http_protocol_options.idle_timeout; default 1 h. */
  readonly idleTimeoutMs: number;
  /** drain_timeout; default 5 s. */
  readonly drainTimeoutMs: number;
  /** max_requests_per_connection; 0: none. */
  readonly maxRequestsPerConnection: number;
  /** Decoded header bytes: 60 KiB; fields: 100. */
  readonly maxHeaderBytes: number;
  readonly maxHeaderCount: number;
  readonly serverName: string;
  /** server_header_transformation. */
  readonly serverHeader: "overwrite" | "append-if-absent" | "pass-through";
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  /** internal_address_config.cidr_ranges; Envoy's default: nobody is internal. */
  readonly internalAddresses: readonly AddressRange[];
  readonly generateRequestId: boolean;
  readonly accessLogs: readonly AccessLogConfig[];
  /** http filter dynamic_forward_proxy is present. */
  readonly dynamicForwardProxy: boolean;
  readonly httpVersion10Accepted: boolean;
  /** codec_type; absent: auto (ALPN, else the first bytes). */
  readonly codec?: "auto" | "http1" | "http2";
  /** http2_protocol_options, as far as they are given. */
  readonly http2?: Http2Options;
}

/** Limits of HTTP/2 connections that configuration may set; names as in wire/http2's limits. */
export interface Http2Options {
  readonly maxConcurrentStreams?: number;
  readonly streamWindowBytes?: number;
  readonly connectionWindowBytes?: number;
  readonly headerTableBytes?: number;
}

/** Validation of the peer: trust bundle by secret name, then any matcher must match the one URI SAN. */
export interface PeerValidation {
  /** Name in the secrets table (validation_context); undefined: accept any certificate (not allowed with sans). */
  readonly caSecret: string;
  /** match_typed_subject_alt_names of type URI; empty: any identity that chains. */
  readonly sans: readonly StringMatch[];
  /** `spiffe`: SPIFFE rules (one URI SAN...). `dns`: trust chain only and no URI rules (file certificates without SPIFFE ids). */
  readonly mode: "spiffe" | "chain";
}

export interface DownstreamTls {
  readonly certSecret: string;
  readonly requireClientCertificate: boolean;
  readonly validation?: PeerValidation;
  readonly alpn: readonly string[];
  /** 771 = TLS 1.2, 772 = TLS 1.3. */
  readonly minVersion: number;
  readonly maxVersion: number;
}

export interface UpstreamTls {
  readonly certSecret?: string;
  readonly validation?: PeerValidation;
  readonly sni: string;
  readonly alpn: readonly string[];
  readonly minVersion: number;
  readonly maxVersion: number;
}

export interface FilterChainConfig {
  readonly name: string;
  /** filter_chain_match. Empty list: any. */
  readonly serverNames: readonly string[];
  readonly alpn: readonly string[];
  readonly transportProtocol: "" | "tls" | "raw_buffer";
  readonly destinationPort?: number;
  readonly tls?: DownstreamTls;
  /** `close`: no network filter, accept and close (Envoy's meaning of an empty filter list), counted and logged with its owner. */
  readonly filter:
    | { readonly kind: "http"; readonly http: HttpManagerConfig }
    | {
        readonly kind: "tcp";
        readonly clusters: readonly WeightedCluster[];
        readonly totalWeight: number;
        /** max_connect_attempts, default 1. */
        readonly connectAttempts: number;
        readonly statPrefix: string;
        readonly idleTimeoutMs: number;
        readonly accessLogs: readonly AccessLogConfig[];
      }
    | { readonly kind: "close" };
  readonly owner?: Owner;
}

export interface ListenerConfig {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** traffic_direction: decides `reporter` of the metrics. */
  readonly direction: "inbound" | "outbound" | "unspecified";
  readonly filterChains: readonly FilterChainConfig[];
  readonly defaultFilterChain?: FilterChainConfig;
  /** False (bind_to_port): it has no socket, and takes what a listener with `handsOff` passes on. Default true. */
  readonly binds?: false;
  /** use_original_dst: a connection goes to the listener of the address that it was meant for, if there is one. */
  readonly handsOff?: true;
  /** Listener filter original_dst (use_original_dst implies it): the local address is the one that was meant. */
  readonly restoresAddress?: true;
  /** Listener filter http_inspector: plaintext that is HTTP counts as `http/1.0`, `http/1.1` or `h2c` for `alpn`. */
  readonly inspectsHttp?: true;
  /** Time to see the first bytes where the choice of the chain needs them: listener_filters_timeout, default 15 s. */
  readonly detectTimeoutMs: number;
  readonly owner?: Owner;
}

/** Who a workload is, for metrics and for `why`. Empty string: unknown. */
export interface Peer {
  readonly workload: string;
  readonly namespace: string;
  readonly app: string;
  readonly version: string;
  /** canonical_service, canonical_revision. */
  readonly service: string;
  readonly revision: string;
  readonly cluster: string;
}

export interface EndpointConfig {
  /** `127.66.0.5:15008`: identity of the endpoint within its cluster. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  readonly weight: number;
  readonly priority: number;
  /** health_status: DRAINING and UNHEALTHY get no new requests. */
  readonly healthy: boolean;
  /** Index into the cluster's transports, chosen by transport_socket_matches. */
  readonly transport: number;
  readonly peer?: Peer;
  /** Base index of this endpoint's words in the shared table (see shared.ts). */
  readonly slot: number;
}

/** A ClusterLoadAssignment, after transport choice. One per cluster. */
export interface EndpointsConfig {
  readonly cluster: string;
  readonly endpoints: readonly EndpointConfig[];
}

export interface Breaker {
  /** Envoy's defaults: 1024, 1024, 1024, 3. */
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  /** circuit_breakers retry_budget: replaces maxRetries. */
  readonly retryBudget?: { readonly percent: number; readonly minConcurrency: number };
}

export interface OutlierConfig {
  /** 0: detector off. Envoy's default 5. */
  readonly consecutive5xx: number;
  readonly consecutiveGatewayFailure: number;
  /** Used when splitExternalLocalOrigin. */
  readonly consecutiveLocalOriginFailure: number;
  readonly splitExternalLocalOrigin: boolean;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  /** max_ejection_time; default max(300 s, base). */
  readonly maxEjectionMs: number;
  readonly maxEjectionPercent: number;
  /** enforcing_* percentages, 0-100. */
  readonly enforcing5xx: number;
  readonly enforcingGatewayFailure: number;
  readonly enforcingLocalOrigin: number;
}

export interface ClusterConfig {
  readonly name: string;
  /**
   * `dynamic`: dynamic forward proxy (the authority is the address). `original`: ORIGINAL_DST, where the connection
   * was meant to go. `empty`: no endpoint ever (BlackHoleCluster).
   */
  readonly discovery: "endpoints" | "dynamic" | "original" | "empty";
  /** upstream_bind_config.source_address: connections to endpoints come from there. */
  readonly bindAddress?: string;
  readonly lb: "round_robin" | "least_request" | "random";
  /** least_request choice_count; default 2. */
  readonly choiceCount: number;
  readonly connectTimeoutMs: number;
  /** common_lb_config.healthy_panic_threshold in percent; default 50. */
  readonly panicThreshold: number;
  readonly breaker: Breaker;
  readonly outlier?: OutlierConfig;
  /** Candidates that EndpointConfig.transport indexes; null: plaintext. */
  readonly transports: readonly (UpstreamTls | null)[];
  /** Upstream keep-alive: idle_timeout (default 1 h), max_requests_per_connection (0: none). */
  readonly idleTimeoutMs: number;
  readonly maxRequestsPerConnection: number;
  /** max_connection_duration: older connections carry no further request; default none. */
  readonly maxConnectionDurationMs?: number;
  /** Base index of this cluster's words in the shared table. */
  readonly slot: number;
  /** For metrics: from metadata `weft` or Istio's `istio` services. */
  readonly service?: { readonly host: string; readonly name: string; readonly namespace: string };
  readonly owner?: Owner;
}
