/** What a captured workload's own connections meet: by address where it is TCP, by host where it is HTTP. */
import { TrafficDirection } from "../../../proto/gen/envoy/config/core/v3/base_pb.js";
import { isHttp, type MeshConfig, type Service, type ServicePort, sees } from "../../model/index.ts";
import type { Caller } from "../compose.ts";
import { outboundFilters } from "../http-filters.ts";
import { httpManager } from "../http-manager.ts";
import type { ListenerInit } from "../listener.ts";
import { blackHoleCluster, outboundCluster } from "../names.ts";
import { inspectors, tcpProxy } from "../network-filters.ts";
import type { MeshIndex, TargetQuestion } from "../target.ts";
import { ads, socketAddress, weftMetadata } from "../values.ts";
import { capturedTables, endpointTable, type RouteTableInit } from "../virtual-host.ts";
import { capturePorts, everywhere, inspectTimeout, unknownTarget } from "./parts.ts";
import { addressesOf, type VirtualAddresses } from "./vip.ts";

export interface CapturedOutbound {
  readonly listeners: readonly ListenerInit[];
  readonly tables: readonly RouteTableInit[];
  readonly uses: ReadonlyMap<string, TargetQuestion>;
}

/** Endpoints of headless services that get a listener of their own, a service. Beyond: as unknown addresses. */
export const maxHeadlessEndpoints = 1000;

export function capturedOutbound(
  index: MeshIndex,
  caller: Caller & { readonly dual: boolean },
  vips: ReadonlyMap<string, VirtualAddresses>,
): CapturedOutbound {
  const mesh = index.mesh.config;
  const config = { ...mesh, outbound: caller.scope?.outbound ?? mesh.outbound };
  const { tables, uses } = capturedTables(index, caller, vips);
  const all = new Map(uses);
  const byPlace = new Map<string, ListenerInit>();
  const add = (listener: ListenerInit): void => {
    // The first service by host keeps an address that two claim.
    if (!byPlace.has(listener.name)) byPlace.set(listener.name, listener);
  };
  for (const service of index.mesh.services) {
    if (!sees(caller, service)) continue;
    for (const port of service.ports) {
      if (port.protocol === "udp") continue;
      if (service.headless) for (const l of headless(index, caller, service, port, all)) add(l);
      else if (!isHttp(port.protocol))
        for (const address of addressesOf(service, vips)) add(tcpListener(address, service, port, config));
    }
  }
  const http = tables.map((t) => httpListener(Number(t.name), caller, config));
  const listeners = [virtualOutbound(caller.dual, config), ...http, ...byPlace.values()];
  return { listeners, tables, uses: all };
}

/** Where the redirect leads; hands each connection to the listener of its own address. */
function virtualOutbound(dual: boolean, config: MeshConfig): ListenerInit {
  const { outbound: port } = capturePorts;
  const name = "virtualOutbound";
  return {
    name,
    address: everywhere(dual, port),
    useOriginalDst: true,
    trafficDirection: TrafficDirection.OUTBOUND,
    filterChains: [
      {
        name: `${name}-blackhole`,
        filterChainMatch: { destinationPort: port },
        filters: [tcpProxy(blackHoleCluster, blackHoleCluster, config)],
      },
      {
        name: `${name}-catchall-tcp`,
        filters: [tcpProxy(unknownTarget(config), unknownTarget(config), config)],
      },
    ],
  };
}

/** HTTP to any address on a port, by host name; what is no HTTP goes where it was meant to go. */
function httpListener(port: number, caller: Caller & { dual: boolean }, config: MeshConfig): ListenerInit {
  const { dual, kind } = caller;
  const table = String(port);
  const manager = httpManager(config, {
    statPrefix: `outbound_${port}`,
    forwardProxy: false,
    filters: outboundFilters(kind),
    envoy: kind === "envoy",
    routes: { case: "rds", value: { configSource: ads, routeConfigName: table } },
  });
  return {
    name: `${dual ? "[::]" : "0.0.0.0"}_${port}`,
    address: everywhere(dual, port),
    bindToPort: false,
    trafficDirection: TrafficDirection.OUTBOUND,
    listenerFilters: [inspectors.tls, inspectors.http],
    listenerFiltersTimeout: inspectTimeout,
    continueOnListenerFiltersTimeout: true,
    filterChains: [
      {
        name: `outbound_${port}_http`,
        filterChainMatch: {
          transportProtocol: "raw_buffer",
          applicationProtocols: ["http/1.0", "http/1.1", "h2c"],
        },
        filters: [manager],
      },
    ],
    defaultFilterChain: {
      name: `outbound_${port}_other`,
      filters: [tcpProxy(unknownTarget(config), unknownTarget(config), config)],
    },
  };
}

function unbound(address: string, port: ServicePort, service: Service) {
  return {
    name: `${address.includes(":") ? `[${address}]` : address}_${port.port}`,
    address: socketAddress(address, port.port),
    bindToPort: false,
    trafficDirection: TrafficDirection.OUTBOUND,
    metadata: weftMetadata(service.origin),
  };
}

/** No byte is looked at: the server may speak first. */
function tcpListener(
  address: string,
  service: Service,
  port: ServicePort,
  config: MeshConfig,
  cluster = outboundCluster(port.port, "", service.host),
): ListenerInit {
  return {
    ...unbound(address, port, service),
    filterChains: [{ name: cluster, filters: [tcpProxy(cluster, cluster, config)] }],
  };
}

/** Each endpoint by its own address: it is the one that is meant, whatever name led to it. */
function headless(
  index: MeshIndex,
  caller: Caller,
  service: Service,
  port: ServicePort,
  uses: Map<string, TargetQuestion>,
): ListenerInit[] {
  const { config } = index.mesh;
  const serving = port.endpoints.filter((e) => e.ready || e.draining).slice(0, maxHeadlessEndpoints);
  return serving.flatMap((endpoint) => {
    const workload = index.workloads.get(endpoint.workload);
    if (workload === undefined) return [];
    const subset = `@${workload.name}`;
    const cluster = outboundCluster(port.port, subset, service.host);
    uses.set(cluster, {
      ...{
        service,
        port,
        subset,
        clientNamespace: caller.namespace,
        clientLabels: caller.labels,
        budgeted: false,
        kind: caller.kind,
      },
      endpoint: endpoint.workload,
    });
    // Connections come to the endpoint's own port, which is not always the service's.
    const place = { ...port, port: endpoint.port };
    if (!isHttp(port.protocol)) return [tcpListener(endpoint.address, service, place, config, cluster)];
    const manager = httpManager(config, {
      statPrefix: cluster,
      forwardProxy: false,
      filters: outboundFilters(caller.kind),
      envoy: caller.kind === "envoy",
      routes: { case: "routeConfig", value: endpointTable(index, caller, service, port, cluster) },
    });
    return [
      {
        ...unbound(endpoint.address, place, service),
        filterChains: [{ name: cluster, filters: [manager] }],
      },
    ];
  });
}
