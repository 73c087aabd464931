/** What a proxy serves: the published ports of its workload, with the services that lead to them. */
import {
  type MtlsRule,
  mtlsFor,
  type Origin,
  type Protocol,
  type RateLimitRule,
  type Service,
  type Workload,
} from "../model/index.ts";
import { serverName } from "./names.ts";
import type { MeshIndex } from "./target.ts";
import type { ProxyNode } from "./types.ts";

export interface InboundPort {
  /** Published on the workload's address. */
  readonly port: number;
  readonly appPort: number;
  readonly protocol: Protocol;
  readonly mtls: MtlsRule;
  /** Server names of mutual TLS that mean this port. */
  readonly serverNames: readonly string[];
  /** The first service by host; metrics name it. */
  readonly service: Service;
  /** Of the services that lead to it, the first service's first. */
  readonly limits: readonly RateLimitRule[];
  readonly origin: Origin;
}

/** By name, else by address; only in the caller's own namespace, which its credential says. */
export function workloadOf(index: MeshIndex, node: ProxyNode): Workload | undefined {
  const named = index.workloads.get(`${node.namespace}/${node.workload}`);
  if (named !== undefined) return named;
  return index.placed().get(`${node.namespace} ${node.address}`);
}

export function inboundPorts(index: MeshIndex, workload: Workload): readonly InboundPort[] {
  const ports = new Map<number, InboundPort>();
  for (const { service, port, endpoint } of index.served().get(workload.key) ?? []) {
    const names = [
      serverName(port.port, service.host),
      ...(service.ports.length === 1 ? [service.host] : []),
    ];
    const known = ports.get(endpoint.port);
    ports.set(endpoint.port, {
      port: endpoint.port,
      appPort: workload.appPorts[endpoint.port] ?? endpoint.port,
      protocol: port.protocol,
      mtls: mtlsFor(workload.authentication, endpoint.port),
      service,
      origin: service.origin,
      ...known,
      limits: [...(known?.limits ?? []), ...limitsOf(index, service)],
      serverNames: [...new Set([...(known?.serverNames ?? []), ...names])],
    });
  }
  return [...ports.values()].sort((a, b) => a.port - b.port);
}

function limitsOf({ mesh }: MeshIndex, { host }: Service): readonly RateLimitRule[] {
  return mesh.rateLimits.filter((l) => l.host === host).flatMap((l) => l.rules);
}
