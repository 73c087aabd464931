/** What a gRPC client or server without a proxy is told: by name, and only what it asked for. */
import { ClusterSchema } from "../../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import { ClusterLoadAssignmentSchema } from "../../../proto/gen/envoy/config/endpoint/v3/endpoint_pb.js";
import { ListenerSchema } from "../../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import { RouteConfigurationSchema } from "../../../proto/gen/envoy/config/route/v3/route_pb.js";
import type { Caller } from "../compose.ts";
import type { Encoder } from "../encode.ts";
import { workloadOf } from "../inbound.ts";
import { outboundCluster } from "../names.ts";
import { type MeshIndex, policyOf, type Target, targetOf } from "../target.ts";
import { type ProxyNode, type Rendered, type RenderedResource, typeUrls } from "../types.ts";
import { hostRoutes } from "../virtual-host.ts";
import { grpcAssignment, grpcCluster } from "./cluster.ts";
import { clientListener, serverListener } from "./listener.ts";
import {
  calledBy,
  clusterParts,
  endpointsParts,
  isServerListener,
  listeningAddress,
  portOf,
} from "./names.ts";
import { OnDemand } from "./on-demand.ts";
import { grpcTable } from "./route.ts";

/** What callers of one namespace (and of one set of labels, where routes ask for labels) have in common. */
export interface GrpcShared {
  readonly clusters: OnDemand;
  readonly endpoints: OnDemand;
  readonly listeners: OnDemand;
  readonly routes: OnDemand;
}

export function grpcShared(index: MeshIndex, caller: Caller, encoder: Encoder): GrpcShared {
  const { config } = index.mesh;
  const { namespace } = caller;
  const targets = (name: string): Target | undefined => grpcTarget(index, caller, name);
  return {
    listeners: new OnDemand((name) => {
      const called = calledBy(index, namespace, name);
      if (called === undefined) return undefined;
      const table = outboundCluster(called.port, "", called.host);
      const listener = clientListener(name, table, called.service?.origin);
      return encoder.encode(ListenerSchema, typeUrls.listener, listener, name);
    }),
    routes: new OnDemand((name) => {
      const called = clusterParts(index, namespace, name);
      if (called === undefined || called.subset !== "") return undefined;
      const { host, port, service } = called;
      const routes = hostRoutes(index, caller, host, port, service);
      const table = grpcTable(name, `${host}:${port}`, routes, service?.origin);
      return encoder.encode(RouteConfigurationSchema, typeUrls.route, table, name);
    }),
    clusters: new OnDemand((name) => {
      const target = targets(name);
      return target && encoder.encode(ClusterSchema, typeUrls.cluster, grpcCluster(target, config), name);
    }),
    endpoints: new OnDemand((name) => {
      const { cluster, secure } = endpointsParts(name);
      const target = targets(cluster);
      if (target === undefined) return undefined;
      const assignment = grpcAssignment(target, config, secure);
      return encoder.encode(ClusterLoadAssignmentSchema, typeUrls.endpoints, assignment, name);
    }),
  };
}

function grpcTarget(
  index: MeshIndex,
  { namespace: clientNamespace, labels: clientLabels }: Caller,
  name: string,
): Target | undefined {
  const parts = clusterParts(index, clientNamespace, name);
  const port = parts?.service && portOf(parts.service, parts.port);
  if (parts?.service === undefined || port === undefined) return undefined;
  const { service, subset } = parts;
  const question = {
    service,
    port,
    subset,
    clientNamespace,
    clientLabels,
    budgeted: false,
    kind: "grpc" as const,
  };
  const policy = policyOf(index, question);
  const target = targetOf(index, question, policy);
  // A subset that nobody defined and nobody is in is a slip of the pen.
  const known = subset === "" || policy?.subsets.some((s) => s.name === subset) || target.members.length > 0;
  return known ? target : undefined;
}

/** All of one node: what its namespace shares, and the listeners of its own servers. */
export function renderGrpc(
  index: MeshIndex,
  node: ProxyNode,
  shared: GrpcShared,
  encoder: Encoder,
): Rendered {
  const own = (name: string): RenderedResource | undefined => {
    const address = listeningAddress(name);
    const workload = address && workloadOf(index, node);
    if (address === undefined || workload === undefined) return undefined;
    const listener = serverListener(index, workload, name, address);
    return encoder.encode(ListenerSchema, typeUrls.listener, listener, name);
  };
  return new Map<string, ReadonlyMap<string, RenderedResource>>([
    [typeUrls.cluster, shared.clusters],
    [typeUrls.endpoints, shared.endpoints],
    [
      typeUrls.listener,
      new OnDemand((name) => (isServerListener(name) ? own(name) : shared.listeners.get(name))),
    ],
    [typeUrls.route, shared.routes],
  ]);
}
