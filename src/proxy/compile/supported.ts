/**
 * The fields that Weft understands, by message. A field that is set and not here is refused with its path. Three
 * kinds: it acts; it is accepted because its having no effect is harmless, with the reason; or only some values are.
 */

export type Rule =
  | "acts"
  | { readonly harmless: string }
  /** Undefined: the value is fine; else why it is not. */
  | { readonly only: (value: unknown) => string | undefined };

type Table = Readonly<Record<string, Rule>>;

const acts = (names: string, more: Table = {}): Table => ({
  ...Object.fromEntries(names.split(/\s+/).map((n) => [n, "acts"] as const)),
  ...more,
});
const harmless = (why: string): Rule => ({ harmless: why });
const only = (ok: (value: unknown) => boolean, why: string): Rule => ({
  only: (value) => (ok(value) ? undefined : why),
});

/** Envoy's watermark fields: Weft's own bound is lower, so any bound from here up holds. */
const watermark = only(
  (v) => typeof v === "number" && v >= 32_768,
  "Weft buffers up to 32 KiB a direction of a connection; a lower bound is not supported",
);
const statName = harmless("names Envoy's statistics; Weft's carry Istio's names and the cluster's");
const noTracing = harmless("names spans; there is no tracing yet");
const notHashing = harmless("acts with hashing load balancers only, and those are refused");
const noHealthChecks = harmless("acts with active health checks only, and those are refused");

const v3 = "envoy.config";
const ext = "envoy.extensions";
const hcm = `${ext}.filters.network.http_connection_manager.v3`;
const tls = `${ext}.transport_sockets.tls.v3`;

const isV3 = only((v) => v === 2, "only API version V3 exists");

/** Where configuration comes from. */
function sources(): Record<string, Table> {
  const core = `${v3}.core.v3`;
  const google = `${core}.GrpcService.GoogleGrpc`;
  return {
    [`${core}.ConfigSource`]: acts(
      "ads self path path_config_source api_config_source initial_fetch_timeout",
      { resource_api_version: isV3 },
    ),
    [`${core}.AggregatedConfigSource`]: {},
    [`${core}.SelfConfigSource`]: { transport_api_version: isV3 },
    [`${core}.PathConfigSource`]: acts("path watched_directory"),
    [`${core}.WatchedDirectory`]: acts("path"),
    [`${core}.ApiConfigSource`]: acts("grpc_services set_node_on_first_message_only", {
      api_type: only((v) => v === 2 || v === 3, "GRPC and DELTA_GRPC are supported"),
      transport_api_version: isV3,
      rate_limit_settings: harmless("requests answer responses one by one; nothing is sent in bursts"),
    }),
    [`${core}.GrpcService`]: acts("envoy_grpc google_grpc initial_metadata", {
      timeout: harmless("a stream of configuration has none"),
      retry_policy: harmless("a stream that ended is opened again with growing pauses"),
    }),
    [`${core}.GrpcService.EnvoyGrpc`]: acts("cluster_name authority", {
      retry_policy: harmless("a stream that ended is opened again with growing pauses"),
      skip_envoy_headers: harmless("none of Envoy's headers are sent"),
    }),
    [google]: acts("target_uri channel_credentials call_credentials", {
      stat_prefix: statName,
      credentials_factory_name: only((v) => v === "", "credentials come from channel_credentials"),
      per_stream_buffer_limit_bytes: harmless("requests are small and answered one by one"),
    }),
    [`${google}.ChannelCredentials`]: acts("ssl_credentials local_credentials", {
      google_default: only(() => false, "give ssl_credentials"),
    }),
    [`${google}.SslCredentials`]: acts("root_certs private_key cert_chain"),
    [`${google}.GoogleLocalCredentials`]: {},
    [`${google}.CallCredentials`]: acts("access_token"),
  };
}

const core: Record<string, Table> = {
  [`${v3}.core.v3.Address`]: acts("socket_address"),
  [`${v3}.core.v3.BindConfig`]: acts("source_address"),
  [`${v3}.core.v3.SocketAddress`]: acts("address port_value", {
    ipv4_compat: harmless("an IPv6 listener takes IPv4 too"),
    protocol: only((v) => v === 0, "only TCP is supported"),
  }),
  [`${v3}.core.v3.CidrRange`]: acts("address_prefix prefix_len"),
  [`${v3}.core.v3.Metadata`]: acts("filter_metadata", {
    typed_filter_metadata: harmless("read by Envoy's own extensions only"),
  }),
  [`${v3}.core.v3.DataSource`]: acts("filename inline_bytes inline_string"),
  [`${v3}.core.v3.TransportSocket`]: acts("name typed_config"),
  [`${v3}.core.v3.TypedExtensionConfig`]: acts("name typed_config"),
  [`${v3}.core.v3.HeaderValueOption`]: acts("header append append_action", {
    keep_empty_value: harmless("Weft keeps an empty value either way"),
  }),
  [`${v3}.core.v3.HeaderValue`]: acts("key value raw_value"),
  ...sources(),
  [`${v3}.core.v3.HttpProtocolOptions`]: acts(
    "idle_timeout max_headers_count max_requests_per_connection max_connection_duration",
  ),
  [`${v3}.core.v3.Http1ProtocolOptions`]: acts("accept_http_10", {
    allow_absolute_url: only((v) => v === true, "absolute-form targets are always understood"),
    enable_trailers: harmless("trailers are always carried"),
    use_balsa_parser: harmless("chooses between Envoy's parsers"),
    allow_custom_methods: harmless("every token is a method"),
  }),
  [`${v3}.core.v3.Http2ProtocolOptions`]: acts(
    "hpack_table_size max_concurrent_streams initial_stream_window_size initial_connection_window_size",
    {
      stream_error_on_invalid_http_messaging: harmless("an invalid message resets its stream only"),
      override_stream_error_on_invalid_http_message: harmless("an invalid message resets its stream only"),
      use_oghttp2_codec: harmless("chooses between Envoy's codecs"),
    },
  ),
  [`${v3}.core.v3.SubstitutionFormatString`]: acts("text_format json_format text_format_source", {
    content_type: harmless("for response bodies, not for log lines"),
    json_format_options: harmless("the order of keys in a JSON object has no meaning"),
    omit_empty_values: only((v) => v === false, "empty values are logged as - or null"),
  }),
  [`${v3}.core.v3.Locality`]: acts("region zone sub_zone"),
  [`${v3}.core.v3.Node`]: acts("id cluster metadata locality", {
    user_agent_name: harmless("tells a control plane the client's name"),
    user_agent_version: harmless("tells a control plane the client's version"),
  }),
  "envoy.type.matcher.v3.StringMatcher": acts("exact prefix suffix contains safe_regex ignore_case"),
  "envoy.type.matcher.v3.RegexMatchAndSubstitute": acts("pattern substitution"),
  "envoy.type.matcher.v3.RegexMatcher": acts("regex", {
    google_re2: harmless("RE2 syntax is the only one; its cost is bounded here by the length"),
  }),
  "envoy.type.v3.Percent": acts("value"),
  [`${v3}.accesslog.v3.AccessLog`]: acts("name typed_config"),
  [`${ext}.access_loggers.file.v3.FileAccessLog`]: acts(
    "path format json_format typed_json_format log_format",
  ),
  [`${ext}.access_loggers.stream.v3.StdoutAccessLog`]: acts("log_format"),
  [`${ext}.access_loggers.stream.v3.StderrAccessLog`]: acts("log_format"),
};

const listener: Record<string, Table> = {
  [`${v3}.listener.v3.Listener`]: acts(
    `name address filter_chains default_filter_chain metadata listener_filters listener_filters_timeout traffic_direction
     bind_to_port use_original_dst`,
    {
      stat_prefix: statName,
      per_connection_buffer_limit_bytes: watermark,
      drain_type: harmless("connections finish whatever the cause of the drain"),
      enable_reuse_port: harmless("the threads of one proxy share the address by the kernel in any case"),
      reuse_port: harmless("the threads of one proxy share the address by the kernel in any case"),
      tcp_backlog_size: harmless("the runtime's accept queue of 511 or more is used"),
      connection_balance_config: harmless("the kernel spreads connections over threads"),
      max_connections_to_accept_per_socket_event: harmless("a hint to Envoy's event loop"),
      continue_on_listener_filters_timeout: harmless(
        "a connection that stays silent goes on to the chain for plaintext in any case",
      ),
      transparent: only((v) => v === false, "redirect rules are supported, TPROXY is not"),
    },
  ),
  [`${v3}.listener.v3.ListenerFilter`]: acts("name typed_config"),
  [`${ext}.filters.listener.tls_inspector.v3.TlsInspector`]: {
    initial_read_buffer_size: harmless("a hint for the first read"),
  },
  [`${ext}.filters.listener.http_inspector.v3.HttpInspector`]: {},
  [`${ext}.filters.listener.original_dst.v3.OriginalDst`]: {},
  [`${v3}.listener.v3.FilterChain`]: acts("filter_chain_match filters metadata transport_socket name", {
    transport_socket_connect_timeout: only(() => false, "use listener_filters_timeout"),
  }),
  [`${v3}.listener.v3.FilterChainMatch`]: acts(
    "destination_port server_names transport_protocol application_protocols",
  ),
  [`${v3}.listener.v3.Filter`]: acts("name typed_config"),
  [`${ext}.filters.network.tcp_proxy.v3.TcpProxy`]: acts(
    "stat_prefix cluster weighted_clusters idle_timeout access_log max_connect_attempts",
  ),
  [`${ext}.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster`]: acts("clusters"),
  [`${ext}.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight`]: acts("name weight"),
  [`${hcm}.HttpConnectionManager`]: acts(
    `codec_type stat_prefix rds route_config http_filters common_http_protocol_options http_protocol_options http2_protocol_options
     server_name server_header_transformation max_request_headers_kb stream_idle_timeout request_timeout
     request_headers_timeout drain_timeout access_log use_remote_address xff_num_trusted_hops internal_address_config generate_request_id
     normalize_path merge_slashes upgrade_configs`,
    {
      codec_type: only((v) => v === 0 || v === 1 || v === 2, "only AUTO, HTTP1 and HTTP2 are supported"),
      delayed_close_timeout: harmless("a closing connection is flushed and shut down without a timer"),
      add_user_agent: only((v) => v === false, "user-agent is left as it came"),
      skip_xff_append: only((v) => v === false, "the caller's address is appended to x-forwarded-for"),
      forward_client_cert_details: only((v) => v === 0, "only SANITIZE is supported"),
      path_with_escaped_slashes_action: only((v) => v === 0 || v === 1, "only KEEP_UNCHANGED is supported"),
      stream_error_on_invalid_http_message: only((v) => v === false, "HTTP/1.1 closes on an invalid message"),
      access_log_options: harmless("lines are written when a request ends"),
    },
  ),
  [`${hcm}.HttpConnectionManager.HcmAccessLogOptions`]: {},
  [`${hcm}.HttpConnectionManager.InternalAddressConfig`]: acts("cidr_ranges", {
    unix_sockets: harmless("no listener is a Unix socket"),
  }),
  [`${hcm}.HttpConnectionManager.UpgradeConfig`]: acts("upgrade_type enabled"),
  [`${hcm}.Rds`]: acts("config_source route_config_name"),
  [`${hcm}.HttpFilter`]: acts("name typed_config", {
    is_optional: harmless("only filters that are understood are accepted, optional or not"),
  }),
  [`${ext}.filters.http.router.v3.Router`]: {
    dynamic_stats: harmless("statistics of clusters are always kept"),
    start_child_span: noTracing,
    suppress_grpc_request_failure_code_stats: harmless("Envoy's statistics only"),
    suppress_envoy_headers: harmless("Weft sends no x-envoy headers but the upstream's service time"),
  },
  [`${ext}.filters.http.dynamic_forward_proxy.v3.FilterConfig`]: acts("dns_cache_config"),
  [`${ext}.common.dynamic_forward_proxy.v3.DnsCacheConfig`]: acts("name", {
    dns_lookup_family: harmless("the system's resolver decides"),
    dns_refresh_rate: harmless("a name is resolved when a connection is made"),
    host_ttl: harmless("a name is resolved when a connection is made"),
    max_hosts: harmless("pools of hosts have a limit of their own"),
  }),
};

const headers =
  "request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove";
const route: Record<string, Table> = {
  [`${v3}.route.v3.RouteConfiguration`]: acts(
    `name virtual_hosts ${headers} most_specific_header_mutations_wins max_direct_response_body_size_bytes metadata`,
    { validate_clusters: harmless("a route to a cluster that is missing answers 503 NC") },
  ),
  [`${v3}.route.v3.VirtualHost`]: acts(
    `name domains routes ${headers} retry_policy metadata include_request_attempt_count
     include_attempt_count_in_response`,
  ),
  [`${v3}.route.v3.Route`]: acts(`name match route redirect direct_response metadata ${headers}`, {
    decorator: noTracing,
    tracing: noTracing,
    stat_prefix: statName,
  }),
  [`${v3}.route.v3.RouteMatch`]: acts(
    "prefix path safe_regex connect_matcher path_separated_prefix case_sensitive headers query_parameters",
  ),
  [`${v3}.route.v3.RouteMatch.ConnectMatcher`]: {},
  [`${v3}.route.v3.HeaderMatcher`]: acts(
    `name exact_match safe_regex_match present_match prefix_match suffix_match contains_match string_match
     invert_match treat_missing_header_as_empty`,
  ),
  [`${v3}.route.v3.QueryParameterMatcher`]: acts("name string_match present_match"),
  [`${v3}.route.v3.RouteAction`]: acts(
    "cluster weighted_clusters prefix_rewrite regex_rewrite host_rewrite_literal timeout idle_timeout retry_policy upgrade_configs",
    {
      hash_policy: notHashing,
      cluster_not_found_response_code: only((v) => v === 0, "a missing cluster answers 503"),
      priority: only((v) => v === 0, "only the DEFAULT priority is supported"),
    },
  ),
  [`${v3}.route.v3.RouteAction.UpgradeConfig`]: acts("upgrade_type enabled connect_config"),
  [`${v3}.route.v3.RouteAction.UpgradeConfig.ConnectConfig`]: {},
  [`${v3}.route.v3.WeightedCluster`]: acts("clusters total_weight", {
    runtime_key_prefix: harmless("there is no runtime to look weights up in"),
  }),
  [`${v3}.route.v3.WeightedCluster.ClusterWeight`]: acts(`name weight host_rewrite_literal ${headers}`),
  [`${v3}.route.v3.RetryPolicy`]: acts(
    "retry_on num_retries per_try_timeout retriable_status_codes retry_back_off retriable_request_headers",
    { host_selection_retry_max_attempts: harmless("acts with retry_host_predicate only, which is refused") },
  ),
  [`${v3}.route.v3.RetryPolicy.RetryBackOff`]: acts("base_interval max_interval"),
  [`${v3}.route.v3.RedirectAction`]: acts(
    "https_redirect scheme_redirect host_redirect port_redirect path_redirect response_code",
  ),
  [`${v3}.route.v3.DirectResponseAction`]: acts("status body"),
};

const cluster: Record<string, Table> = {
  [`${v3}.cluster.v3.Cluster`]: acts(
    `transport_socket_matches name type cluster_type eds_cluster_config connect_timeout lb_policy load_assignment
     max_requests_per_connection circuit_breakers common_http_protocol_options http_protocol_options
     typed_extension_protocol_options outlier_detection least_request_lb_config round_robin_lb_config common_lb_config
     transport_socket metadata load_balancing_policy upstream_bind_config`,
    {
      alt_stat_name: statName,
      per_connection_buffer_limit_bytes: watermark,
      http2_protocol_options: only(() => false, "there is no HTTP/2 yet: use HTTP/1.1"),
      health_checks: only(() => false, "active health checks are not supported; outlier_detection is"),
      dns_lookup_family: harmless("addresses are IP addresses"),
      dns_refresh_rate: harmless("addresses are IP addresses"),
      respect_dns_ttl: harmless("addresses are IP addresses"),
      cleanup_interval: harmless("idle hosts of a forward proxy are dropped with their last connection"),
      track_cluster_stats: harmless("Envoy's statistics only"),
      wait_for_warm_on_init: harmless("listeners wait for their clusters' endpoints in any case"),
      ignore_health_on_host_removal: noHealthChecks,
    },
  ),
  [`${v3}.cluster.v3.Cluster.TransportSocketMatch`]: acts("name match transport_socket"),
  [`${v3}.cluster.v3.Cluster.CustomClusterType`]: acts("name typed_config"),
  [`${ext}.clusters.dynamic_forward_proxy.v3.ClusterConfig`]: acts("dns_cache_config"),
  [`${v3}.cluster.v3.Cluster.EdsClusterConfig`]: acts("eds_config service_name"),
  [`${v3}.cluster.v3.CircuitBreakers`]: acts("thresholds"),
  [`${v3}.cluster.v3.CircuitBreakers.Thresholds`]: acts(
    "priority max_connections max_pending_requests max_requests max_retries retry_budget",
    { track_remaining: harmless("adds gauges of what is left; the counts themselves are always shown") },
  ),
  [`${v3}.cluster.v3.CircuitBreakers.Thresholds.RetryBudget`]: acts("budget_percent min_retry_concurrency"),
  [`${v3}.cluster.v3.OutlierDetection`]: acts(
    `consecutive_5xx interval base_ejection_time max_ejection_percent enforcing_consecutive_5xx
     consecutive_gateway_failure enforcing_consecutive_gateway_failure split_external_local_origin_errors
     consecutive_local_origin_failure enforcing_consecutive_local_origin_failure max_ejection_time
     enforcing_success_rate`,
    {
      enforcing_success_rate: only((v) => v === 0, "success-rate detection is not supported: set it to 0"),
      enforcing_local_origin_success_rate: only((v) => v === 0, "success-rate detection is not supported"),
      enforcing_failure_percentage: only((v) => v === 0, "failure-percentage detection is not supported"),
      enforcing_failure_percentage_local_origin: only(
        (v) => v === 0,
        "failure-percentage detection is not supported",
      ),
      success_rate_minimum_hosts: harmless("success-rate detection is off"),
      success_rate_request_volume: harmless("success-rate detection is off"),
      success_rate_stdev_factor: harmless("success-rate detection is off"),
      failure_percentage_threshold: harmless("failure-percentage detection is off"),
      failure_percentage_minimum_hosts: harmless("failure-percentage detection is off"),
      failure_percentage_request_volume: harmless("failure-percentage detection is off"),
      successful_active_health_check_uneject_host: noHealthChecks,
    },
  ),
  [`${v3}.cluster.v3.Cluster.LeastRequestLbConfig`]: acts("choice_count"),
  [`${v3}.cluster.v3.Cluster.RoundRobinLbConfig`]: {},
  [`${v3}.cluster.v3.Cluster.CommonLbConfig`]: acts("healthy_panic_threshold", {
    update_merge_window: harmless("updates are merged by their sender"),
  }),
  [`${v3}.cluster.v3.LoadBalancingPolicy`]: acts("policies"),
  [`${v3}.cluster.v3.LoadBalancingPolicy.Policy`]: acts("typed_extension_config"),
  [`${ext}.load_balancing_policies.least_request.v3.LeastRequest`]: acts("choice_count"),
  [`${ext}.load_balancing_policies.round_robin.v3.RoundRobin`]: {},
  [`${ext}.upstreams.http.v3.HttpProtocolOptions`]: acts(
    "common_http_protocol_options explicit_http_config",
    {
      auto_config: only(
        () => false,
        "there is no HTTP/2 yet: use explicit_http_config.http_protocol_options",
      ),
      use_downstream_protocol_config: only(
        () => false,
        "there is no HTTP/2 yet: use explicit_http_config.http_protocol_options",
      ),
    },
  ),
  [`${ext}.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig`]: acts("http_protocol_options", {
    http2_protocol_options: only(() => false, "there is no HTTP/2 yet: use http_protocol_options"),
    http3_protocol_options: only(() => false, "there is no HTTP/3: use http_protocol_options"),
  }),
  [`${v3}.endpoint.v3.ClusterLoadAssignment`]: acts("cluster_name endpoints policy"),
  [`${v3}.endpoint.v3.ClusterLoadAssignment.Policy`]: {
    overprovisioning_factor: only((v) => v === 140, "only the default of 140 is supported"),
  },
  [`${v3}.endpoint.v3.LocalityLbEndpoints`]: acts("lb_endpoints priority", {
    locality: harmless("balancing is not zone-aware, as Envoy's is not by default"),
    load_balancing_weight: harmless("acts with locality_weighted_lb_config only, which is refused"),
  }),
  [`${v3}.endpoint.v3.LbEndpoint`]: acts("endpoint health_status metadata load_balancing_weight"),
  [`${v3}.endpoint.v3.Endpoint`]: acts("address", {
    hostname: harmless("acts with auto_host_rewrite only, which is refused"),
    health_check_config: noHealthChecks,
  }),
};

const transport: Record<string, Table> = {
  [`${ext}.transport_sockets.raw_buffer.v3.RawBuffer`]: {},
  [`${tls}.UpstreamTlsContext`]: acts("common_tls_context sni", {
    max_session_keys: harmless("sessions are resumed within Weft's own limits"),
    enforce_rsa_key_usage: harmless("key usage is always checked"),
    allow_renegotiation: only((v) => v === false, "renegotiation is never allowed"),
  }),
  [`${tls}.DownstreamTlsContext`]: acts("common_tls_context require_client_certificate", {
    disable_stateless_session_resumption: harmless("a resumed session is verified as a new one"),
    disable_stateful_session_resumption: harmless("a resumed session is verified as a new one"),
    session_timeout: harmless("tickets live no longer than the process's context"),
    ocsp_staple_policy: only((v) => v === 0, "OCSP stapling is not supported"),
  }),
  [`${tls}.CommonTlsContext`]: acts(
    `tls_params tls_certificates tls_certificate_sds_secret_configs validation_context
     validation_context_sds_secret_config combined_validation_context alpn_protocols`,
  ),
  [`${tls}.CommonTlsContext.CombinedCertificateValidationContext`]: acts(
    "default_validation_context validation_context_sds_secret_config",
  ),
  [`${tls}.TlsParameters`]: acts("tls_minimum_protocol_version tls_maximum_protocol_version"),
  [`${tls}.TlsCertificate`]: acts("certificate_chain private_key"),
  [`${tls}.SdsSecretConfig`]: acts("name sds_config"),
  [`${tls}.CertificateValidationContext`]: acts("trusted_ca match_typed_subject_alt_names", {
    trust_chain_verification: only((v) => v === 0, "a peer's chain is always verified"),
  }),
  [`${tls}.SubjectAltNameMatcher`]: acts("san_type matcher"),
  [`${tls}.Secret`]: acts("name tls_certificate validation_context"),
};

const bootstrap: Record<string, Table> = {
  [`${v3}.bootstrap.v3.Bootstrap`]: acts("node static_resources dynamic_resources admin", {
    stats_flush_interval: harmless("statistics are read when asked for"),
  }),
  [`${v3}.bootstrap.v3.Bootstrap.DynamicResources`]: acts("ads_config lds_config cds_config"),
  [`${v3}.bootstrap.v3.Bootstrap.StaticResources`]: acts("listeners clusters secrets"),
  [`${v3}.bootstrap.v3.Admin`]: acts("address", {
    profile_path: harmless("where Envoy's profiler would write"),
    ignore_global_conn_limit: harmless("the admin page has a listener of its own"),
  }),
};

export const supported: Readonly<Record<string, Table>> = {
  ...core,
  ...listener,
  ...route,
  ...cluster,
  ...transport,
  ...bootstrap,
};
