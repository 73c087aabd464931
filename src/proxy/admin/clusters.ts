/** /clusters as text and as Envoy's Clusters message. */
import type { Agent, ClusterStatus, EndpointStatus } from "../agent/index.ts";

function hostAndPort(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(address.slice(at + 1)) };
}

function flags(e: EndpointStatus): string {
  const found = [e.ejected ? "/failed_outlier_check" : "", e.healthy ? "" : "/failed_eds_health"].filter(
    (f) => f !== "",
  );
  return found.length > 0 ? found.join("") : "healthy";
}

function clusterLines(c: ClusterStatus): string[] {
  const { name, breaker, outlier } = c.config;
  return [
    `${name}::observability_name::${name}`,
    ...(outlier
      ? [
          `${name}::outlier::interval_ms::${outlier.intervalMs}`,
          `${name}::outlier::max_ejection_percent::${outlier.maxEjectionPercent}`,
          `${name}::outlier::ejections_active::${c.counts["ejected"] ?? 0}`,
        ]
      : []),
    `${name}::default_priority::max_connections::${breaker.maxConnections}`,
    `${name}::default_priority::max_pending_requests::${breaker.maxPendingRequests}`,
    `${name}::default_priority::max_requests::${breaker.maxRequests}`,
    `${name}::default_priority::max_retries::${breaker.maxRetries}`,
    `${name}::cx_active::${c.counts["connections"] ?? 0}`,
    `${name}::rq_active::${c.counts["requests"] ?? 0}`,
    `${name}::rq_pending::${c.counts["pending"] ?? 0}`,
    ...c.endpoints.flatMap((e) => [
      `${name}::${e.address}::rq_active::${e.activeRequests}`,
      `${name}::${e.address}::health_flags::${flags(e)}`,
      `${name}::${e.address}::weight::${e.weight}`,
      `${name}::${e.address}::priority::${e.priority}`,
      ...(e.ejected ? [`${name}::${e.address}::ejected_by::${e.reason}`] : []),
      ...(e.workload !== "" ? [`${name}::${e.address}::workload::${e.workload}`] : []),
    ]),
  ];
}

export function clustersText(agent: Agent): string {
  return agent
    .clusters()
    .flatMap(clusterLines)
    .map((line) => `${line}\n`)
    .join("");
}

/** Envoy's admin.v3.Clusters as JSON. */
export function clustersJson(agent: Agent): unknown {
  const threshold = (c: ClusterStatus): unknown => ({
    priority: "DEFAULT",
    max_connections: c.config.breaker.maxConnections,
    max_pending_requests: c.config.breaker.maxPendingRequests,
    max_requests: c.config.breaker.maxRequests,
    max_retries: c.config.breaker.maxRetries,
  });
  return {
    cluster_statuses: agent.clusters().map((c) => ({
      name: c.config.name,
      observability_name: c.config.name,
      circuit_breakers: { thresholds: [threshold(c)] },
      host_statuses: c.endpoints.map((e) => {
        const { host, port } = hostAndPort(e.address);
        return {
          address: { socket_address: { address: host, port_value: port } },
          stats: [{ name: "rq_active", type: "GAUGE", value: String(e.activeRequests) }],
          health_status: {
            eds_health_status: e.healthy ? "HEALTHY" : "UNHEALTHY",
            ...(e.ejected ? { failed_outlier_check: true } : {}),
          },
          weight: e.weight,
          priority: e.priority,
        };
      }),
    })),
  };
}
