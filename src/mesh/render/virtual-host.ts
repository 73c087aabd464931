/** Services and their rules -> the route table of the forward proxy, and the clusters that it uses. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  RouteMatchSchema,
  VirtualHostSchema,
} from "../../proto/gen/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationSchema } from "../../proto/gen/envoy/config/route/v3/route_pb.js";
import {
  type Destination,
  inScope,
  isHttp,
  type Service,
  type ServicePort,
  sees,
  visibleTo,
} from "../model/index.ts";
import { addressesOf, type VirtualAddresses } from "./captured/vip.ts";
import { applicable, type Caller, rulesFor } from "./compose.ts";
import { outboundFields, outsideFields, peerFields, tunnelName, tunnelTarget } from "./envoy.ts";
import { hashPolicies } from "./hash-policy.ts";
import { forwardRoutes, outboundCluster, passthroughCluster } from "./names.ts";
import { grpcRetryPolicy, retryPolicy } from "./retry.ts";
import { type RouteInit, routesOf } from "./route.ts";
import type { MeshIndex, TargetQuestion } from "./target.ts";
import { duration, weftMetadata } from "./values.ts";

type VirtualHostInit = MessageInitShape<typeof VirtualHostSchema>;
export type RouteTableInit = MessageInitShape<typeof RouteConfigurationSchema>;

export interface Outbound {
  readonly table: RouteTableInit;
  /** Clusters in use, by name. */
  readonly uses: ReadonlyMap<string, TargetQuestion>;
}

const defaultHttpPort = 80;

/** Builds one table; domains are given out once, the first wins (Envoy refuses a domain twice). */
class Builder {
  readonly hosts: VirtualHostInit[] = [];
  readonly uses = new Map<string, TargetQuestion>();
  private readonly taken = new Set<string>(["*"]);
  private readonly index: MeshIndex;
  private readonly caller: Caller;

  constructor(index: MeshIndex, caller: Caller) {
    this.index = index;
    this.caller = caller;
  }

  service(service: Service): void {
    const names = shortForms(service, this.caller.namespace, this.index.mesh.config.clusterDomain);
    const http = service.ports.filter((p) => isHttp(p.protocol));
    const implied = http.length === 1 ? http[0] : http.find((p) => p.port === defaultHttpPort);
    for (const port of service.ports) {
      if (port.protocol === "udp") continue;
      const withPort = names.map((n) => `${n}:${port.port}`);
      const domains = port === implied ? [...names, ...withPort] : withPort;
      const name = `${service.host}:${port.port}`;
      this.use(service, port, "", false);
      const routes = isHttp(port.protocol) ? this.routes(service.host, port.port, service) : [];
      const tunnel = this.tunnel(
        outboundCluster(port.port, "", service.host),
        service,
        isHttp(port.protocol),
      );
      const metadata = weftMetadata(service.origin);
      this.add({ name, domains, routes: [...routes, tunnel], metadata, ...this.peerFields(service) });
    }
    // Names outside have web servers of their own on ports that nobody wrote down.
    if (implied === undefined && service.ports.length > 0 && service.entry === undefined)
      this.add(noSuchPort(service, http, names));
  }

  /** A host that only a route object knows; called on port 80. */
  outside(host: string): void {
    const routes = this.routes(host, defaultHttpPort, undefined);
    if (routes.length > 0)
      this.add({ name: `${host}:${defaultHttpPort}`, domains: [host, `${host}:${defaultHttpPort}`], routes });
  }

  /** For captured connections: the port is the connection's, the host names the service. */
  capturedPort(service: Service, port: ServicePort, addresses: readonly string[]): void {
    const names = shortForms(
      { ...service, addresses },
      this.caller.namespace,
      this.index.mesh.config.clusterDomain,
    );
    this.use(service, port, "", false);
    this.add({
      name: `${service.host}:${port.port}`,
      domains: [...names, ...names.map((n) => `${n}:${port.port}`)],
      routes: this.routes(service.host, port.port, service),
      metadata: weftMetadata(service.origin),
      ...this.peerFields(service),
    });
  }

  /** `connect`: CONNECT has a route too. */
  finish(name = forwardRoutes, connect = true): Outbound {
    const { config } = this.index.mesh;
    const mode = this.caller.scope?.outbound ?? config.outbound;
    const { routes, ...rest } = mode === "allow-any" ? allowAny() : blockAll();
    this.hosts.push({
      ...rest,
      routes: routes.filter((r) => connect || r.match?.pathSpecifier?.case !== "connectMatcher"),
      ...(this.envoy && outsideFields),
    });
    const virtualHosts = this.hosts;
    return {
      table: { name, virtualHosts, ...(this.envoy && outboundFields) },
      uses: this.uses,
    };
  }

  private get envoy(): boolean {
    return this.caller.kind === "envoy";
  }

  /** Weft's proxy looks into a tunnel to a HTTP port itself; Envoy is led through a listener of its own. */
  private tunnel(cluster: string, { origin }: Service, http: boolean): RouteInit {
    if (!this.envoy || !http) return connectRoute(cluster, origin);
    return { ...connectRoute(tunnelName, origin), typedPerFilterConfig: tunnelTarget(cluster) };
  }

  private peerFields(service: Service): Partial<ReturnType<typeof peerFields>> {
    if (!this.envoy) return {};
    return peerFields(service, (key) => this.index.workloads.get(key)?.sidecar === true);
  }

  private add(host: VirtualHostInit & { readonly domains: readonly string[] }): void {
    const domains = host.domains.filter((d) => !this.taken.has(d));
    for (const domain of domains) this.taken.add(domain);
    if (domains.length > 0) this.hosts.push({ ...host, domains });
  }

  routes(host: string, port: number, service: Service | undefined): RouteInit[] {
    const routes: RouteInit[] = [];
    for (const rule of rulesFor(this.index, host, this.caller, service)) {
      const matches = applicable(rule, this.caller, port);
      if (matches === undefined) continue;
      routes.push(
        ...routesOf(rule, matches, {
          defaultRetries: this.index.mesh.config.defaultRetries,
          retryPolicy: this.caller.kind === "grpc" ? grpcRetryPolicy : retryPolicy,
          clusterOf: (d, budgeted) => this.destination(d, port, budgeted),
          kind: this.caller.kind,
          port,
          hashOf: (destinations) => hashPolicies(this.index, this.caller, destinations, port),
        }),
      );
      // Envoy takes the first: what stands behind a rule without a condition is dead weight.
      if (matches.length === 0) break;
    }
    return routes;
  }

  /** A cluster that is missing answers 503 with flag NC: that is what an unknown host gets. */
  private destination(d: Destination, called: number, budgeted: boolean): string {
    const service = this.index.services.get(d.host);
    const only = service?.ports.length === 1 ? service.ports[0]!.port : called;
    const number = d.port ?? only;
    const port = service?.ports.find((p) => p.port === number);
    if (service !== undefined && port !== undefined && visibleTo(service.visibility, this.caller.namespace))
      this.use(service, port, d.subset ?? "", budgeted);
    return outboundCluster(number, d.subset ?? "", d.host);
  }

  use(service: Service, port: ServicePort, subset: string, budgeted: boolean): void {
    const name = outboundCluster(port.port, subset, service.host);
    const before = this.uses.get(name)?.budgeted ?? false;
    const { namespace: clientNamespace, labels: clientLabels, kind } = this.caller;
    this.uses.set(name, {
      ...{ service, port, subset, clientNamespace, clientLabels, kind },
      budgeted: before || budgeted,
    });
  }
}

/** What calls of one host on one port meet, in order. */
export function hostRoutes(
  index: MeshIndex,
  caller: Caller,
  host: string,
  port: number,
  service: Service | undefined,
): readonly RouteInit[] {
  return new Builder(index, caller).routes(host, port, service);
}

export function outbound(index: MeshIndex, caller: Caller): Outbound {
  const builder = new Builder(index, caller);
  for (const service of index.mesh.services) if (sees(caller, service)) builder.service(service);
  for (const host of outsideHosts(index, caller)) builder.outside(host);
  return builder.finish();
}

/** A table for each port that some service speaks HTTP on, named by its number. */
export function capturedTables(
  index: MeshIndex,
  caller: Caller,
  vips: ReadonlyMap<string, VirtualAddresses>,
): { readonly tables: readonly RouteTableInit[]; readonly uses: ReadonlyMap<string, TargetQuestion> } {
  const builders = new Map<number, Builder>();
  const at = (port: number): Builder => {
    const builder = builders.get(port) ?? new Builder(index, caller);
    builders.set(port, builder);
    return builder;
  };
  const plain = new Builder(index, caller);
  for (const service of index.mesh.services) {
    if (!sees(caller, service)) continue;
    for (const port of service.ports) {
      if (port.protocol === "udp") continue;
      if (isHttp(port.protocol)) at(port.port).capturedPort(service, port, addressesOf(service, vips));
      else plain.use(service, port, "", false);
    }
  }
  for (const host of outsideHosts(index, caller)) at(defaultHttpPort).outside(host);
  const done = [...builders]
    .sort(([a], [b]) => a - b)
    .map(([port, builder]) => builder.finish(String(port), false));
  const uses = new Map([...plain.uses, ...done.flatMap((d) => [...d.uses])]);
  return { tables: done.map((d) => d.table), uses };
}

/** Of one endpoint of a headless service: the service's rules by its names, the endpoint itself by any other. */
export function endpointTable(
  index: MeshIndex,
  caller: Caller,
  service: Service,
  port: ServicePort,
  cluster: string,
): RouteTableInit {
  const builder = new Builder(index, caller);
  builder.capturedPort(service, port, []);
  const own: VirtualHostInit = {
    name: cluster,
    domains: ["*"],
    routes: [
      {
        name: "endpoint",
        match: { pathSpecifier: { case: "prefix", value: "/" } },
        action: {
          case: "route",
          value: { clusterSpecifier: { case: "cluster", value: cluster }, timeout: duration(0) },
        },
        metadata: weftMetadata(service.origin),
      },
    ],
  };
  return {
    name: cluster,
    virtualHosts: [...builder.hosts, own],
    ...(caller.kind === "envoy" && outboundFields),
  };
}

/** Hosts that only route objects know. */
function outsideHosts(index: MeshIndex, caller: Caller): readonly string[] {
  const outside = new Set(
    index.mesh.routes
      .filter(
        (r) =>
          visibleTo(r.visibility, caller.namespace) &&
          inScope(caller.scope, r.host, r.namespace) &&
          !index.services.has(r.host),
      )
      .map((r) => r.host),
  );
  return [...outside].sort();
}

/** All names by which a caller may mean the service. */
function shortForms(service: Service, namespace: string, domain: string): readonly string[] {
  const { name, namespace: own } = service;
  const addresses = service.addresses.map((a) => (a.includes(":") ? `[${a}]` : a));
  if (service.entry !== undefined) return [service.host, ...addresses];
  return [
    ...(namespace === own ? [name] : []),
    `${name}.${own}`,
    `${name}.${own}.svc`,
    `${name}.${own}.svc.${domain}`,
    ...addresses,
  ];
}

const connect: MessageInitShape<typeof RouteMatchSchema> = {
  pathSpecifier: { case: "connectMatcher", value: {} },
};

function connectRoute(cluster: string, origin: Service["origin"] | undefined): RouteInit {
  return {
    name: "connect",
    match: connect,
    action: {
      case: "route",
      value: {
        clusterSpecifier: { case: "cluster", value: cluster },
        timeout: duration(0),
        upgradeConfigs: [{ upgradeType: "CONNECT", connectConfig: {} }],
      },
    },
    ...(origin && { metadata: weftMetadata(origin) }),
  };
}

function noSuchPort(
  service: Service,
  http: readonly ServicePort[],
  names: readonly string[],
): VirtualHostInit & { readonly domains: readonly string[] } {
  const ports = (http.length > 0 ? http : service.ports).map((p) => p.port).join(", ");
  const kind = http.length > 0 ? "HTTP ports" : "ports, none of them HTTP";
  const body = `${service.host} has the ${kind} ${ports}: name one in the URL\n`;
  return {
    name: service.host,
    domains: [...names],
    routes: [
      {
        name: "no-port",
        match: { pathSpecifier: { case: "prefix", value: "/" } },
        action: {
          case: "directResponse",
          value: { status: 404, body: { specifier: { case: "inlineString", value: body } } },
        },
        metadata: weftMetadata(service.origin),
      },
    ],
  };
}

/** For hosts that nothing else is for. */
interface RestInit {
  readonly name: string;
  readonly domains: string[];
  readonly routes: RouteInit[];
}

function allowAny(): RestInit {
  return {
    name: "allow_any",
    domains: ["*"],
    routes: [
      connectRoute(passthroughCluster, undefined),
      {
        name: "allow_any",
        match: { pathSpecifier: { case: "prefix", value: "/" } },
        action: {
          case: "route",
          value: { clusterSpecifier: { case: "cluster", value: passthroughCluster }, timeout: duration(0) },
        },
      },
    ],
  };
}

/** MeshConfig outboundTrafficPolicy REGISTRY_ONLY. */
function blockAll(): RestInit {
  const refuse = (match: RouteInit["match"]): RouteInit => ({
    name: "block_all",
    ...(match && { match }),
    action: { case: "directResponse", value: { status: 502 } },
  });
  return {
    name: "block_all",
    domains: ["*"],
    routes: [refuse(connect), refuse({ pathSpecifier: { case: "prefix", value: "/" } })],
  };
}
