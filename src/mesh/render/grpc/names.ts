/** Names that gRPC clients subscribe to: targets of calls, and addresses that servers listen on. */
import { isHttp, type Service, type ServicePort, visibleTo } from "../../model/index.ts";
import { outboundCluster } from "../names.ts";
import type { MeshIndex } from "../target.ts";

/** server_listener_resource_name_template of the bootstrap; gRFC A36's example. */
export const serverListenerTemplate = "grpc/server?xds.resource.listening_address=%s";
/** Istio's bootstraps say this instead. */
const istioServerPrefix = "xds.istio.io/grpc/lds/inbound/";

const defaultHttpPort = 80;

export interface ListeningAddress {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

/** True for a name made of a server's template, whether or not the address in it is sound. */
export function isServerListener(name: string): boolean {
  return name.startsWith(serverListenerTemplate.slice(0, -2)) || name.startsWith(istioServerPrefix);
}

/** The address in a server's listener name. */
export function listeningAddress(name: string): ListeningAddress | undefined {
  const own = serverListenerTemplate.slice(0, -2);
  const prefix = [own, istioServerPrefix].find((p) => name.startsWith(p));
  if (prefix === undefined) return undefined;
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(name.slice(prefix.length));
  const port = Number(found?.[3]);
  return found && port > 0 && port < 65536 ? { host: found[1] ?? found[2]!, port } : undefined;
}

/** What a client means by a target, `xds:///reviews:9080`. */
export interface Called {
  readonly host: string;
  readonly port: number;
  /** Absent: a host that only a route object knows. */
  readonly service?: Service;
}

/** `reviews`, `reviews.default`, `reviews.default.svc` and the whole name, with or without a port. */
export function calledBy(index: MeshIndex, namespace: string, name: string): Called | undefined {
  const [, given = "", digits] = /^([^:[\]]+)(?::(\d{1,5}))?$/.exec(name) ?? [];
  if (given === "") return undefined;
  const asked = digits === undefined ? undefined : Number(digits);
  const service = fullNames(given, namespace, index.mesh.config.clusterDomain)
    .map((host) => index.services.get(host))
    .find((s) => s !== undefined && visibleTo(s.visibility, namespace));
  if (service === undefined) {
    const known = index.routes.exact.get(given)?.some((r) => visibleTo(r.visibility, namespace));
    return known ? { host: given, port: asked ?? defaultHttpPort } : undefined;
  }
  const port = asked ?? impliedPort(service);
  return portOf(service, port) && port !== undefined ? { host: service.host, port, service } : undefined;
}

function fullNames(given: string, namespace: string, domain: string): readonly string[] {
  const labels = given.split(".");
  if (labels.length === 1) return [`${given}.${namespace}.svc.${domain}`];
  if (labels.length === 2) return [`${given}.svc.${domain}`, given];
  if (labels.length === 3 && labels[2] === "svc") return [`${given}.${domain}`, given];
  return [given];
}

/** The only HTTP port, else 80: as for the forward proxy. */
function impliedPort(service: Service): number | undefined {
  const http = service.ports.filter((p) => isHttp(p.protocol));
  return http.length === 1 ? http[0]!.port : http.find((p) => p.port === defaultHttpPort)?.port;
}

export function portOf(service: Service, port: number | undefined): ServicePort | undefined {
  return service.ports.find((p) => p.port === port && p.protocol !== "udp");
}

export interface ClusterParts extends Called {
  readonly subset: string;
}

/** Takes `outbound|9080|v1|reviews.default.svc.cluster.local` apart; also the name of a route table. */
export function clusterParts(index: MeshIndex, namespace: string, name: string): ClusterParts | undefined {
  const [, digits, subset = "", host = ""] = /^outbound\|(\d{1,5})\|([^|]*)\|([^|]+)$/.exec(name) ?? [];
  const called = digits === undefined ? undefined : calledBy(index, namespace, `${host}:${digits}`);
  // One spelling for each thing: `outbound|080||reviews` is nobody's name.
  if (called === undefined || outboundCluster(called.port, subset, called.host) !== name) return undefined;
  return { ...called, subset };
}

const mutualPrefix = "mtls:";

/**
 * Endpoints by mutual TLS have a name of their own: when a cluster goes from one transport to the other, addresses of
 * the one are never dialled by the other.
 */
export function endpointsName(cluster: string, secure: boolean): string {
  return secure ? `${mutualPrefix}${cluster}` : cluster;
}

export function endpointsParts(name: string): { readonly cluster: string; readonly secure: boolean } {
  const secure = name.startsWith(mutualPrefix);
  return { cluster: secure ? name.slice(mutualPrefix.length) : name, secure };
}
