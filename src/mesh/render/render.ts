/** Puts a proxy's resources together; what proxies share is made once for each mesh. */
import { ClusterSchema } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import { ClusterLoadAssignmentSchema } from "../../proto/gen/envoy/config/endpoint/v3/endpoint_pb.js";
import { ListenerSchema } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import { RouteConfigurationSchema } from "../../proto/gen/envoy/config/route/v3/route_pb.js";
import { NameTableSchema } from "../../proto/gen/istio/networking/nds/v1/nds_pb.js";
import {
  type DestinationPolicy,
  type Mesh,
  type MeshConfig,
  scopeFor,
  type Workload,
} from "../model/index.ts";
import { virtualInbound } from "./captured/inbound.ts";
import { type NameTableInit, nameTable } from "./captured/name-table.ts";
import { type CapturedOutbound, capturedOutbound } from "./captured/outbound.ts";
import { inboundPassthroughCluster, outboundPassthrough } from "./captured/parts.ts";
import { type VirtualAddresses, virtualAddresses } from "./captured/vip.ts";
import { appCluster, commonClusters, serviceCluster } from "./cluster.ts";
import type { Caller } from "./compose.ts";
import { createEncoder, type Encoder } from "./encode.ts";
import { assignment } from "./endpoint.ts";
import { agentSecrets, tunnelCluster } from "./envoy.ts";
import { type GrpcShared, grpcShared, renderGrpc } from "./grpc/render.ts";
import { inboundPorts, workloadOf } from "./inbound.ts";
import { forwardListener, inboundFilter, meshListener, plainListener, tunnels } from "./listener.ts";
import { localityLabels, localityMatters, type Standpoint } from "./locality.ts";
import {
  ingredientsOf,
  type MadeTarget,
  type RenderedTarget,
  rebound,
  rulesOf,
  sameIngredients,
  sameItems,
  sameTable,
} from "./reuse.ts";
import {
  indexMesh,
  type MeshIndex,
  once,
  policyOf,
  type Target,
  type TargetQuestion,
  targetOf,
} from "./target.ts";
import { type ProxyNode, type Rendered, type RenderedResource, typeUrls } from "./types.ts";
import { ads } from "./values.ts";
import { outbound } from "./virtual-host.ts";

export interface Renderer {
  /** Everything that this proxy is to have. Resources that did not change are the same objects as before. */
  render(mesh: Mesh, node: ProxyNode): Rendered;
}

/** What callers of one namespace (and of one set of labels, where routes ask for labels) have in common. */
interface Shared {
  readonly clusters: ReadonlyMap<string, RenderedResource>;
  readonly endpoints: ReadonlyMap<string, RenderedResource>;
  readonly routes: ReadonlyMap<string, RenderedResource>;
  /** Of captured nodes: what their own connections meet, and their names. */
  readonly listeners: readonly RenderedResource[];
  readonly names: ReadonlyMap<string, RenderedResource> | undefined;
  /** What it was made of. */
  readonly index: MeshIndex;
  readonly uses: ReadonlyMap<string, TargetQuestion>;
}

/** What one node was given last. */
interface NodeMaps {
  /** All that its own resources are made of. */
  readonly from: readonly unknown[];
  readonly ownListeners: readonly RenderedResource[];
  readonly shared: ReadonlyMap<string, RenderedResource>;
  readonly own: readonly RenderedResource[];
  readonly listeners: ReadonlyMap<string, RenderedResource>;
  clusters: ReadonlyMap<string, RenderedResource>;
}

interface MeshCache {
  /** Made when the first captured node asks. */
  readonly vips: () => ReadonlyMap<string, VirtualAddresses>;
  /** Of the mesh before. */
  readonly before: ReadonlyMap<string, Shared>;
  readonly nodes: WeakMap<ProxyNode, NodeMaps>;
  readonly index: MeshIndex;
  /** Clusters that callers of several namespaces have in common, by name and policy. */
  readonly targets: Map<string, MadeTarget>;
  readonly targetsBefore: ReadonlyMap<string, MadeTarget>;
  readonly policyNumbers: ReadonlyMap<DestinationPolicy, number>;
  /** Labels that some route or policy asks of its callers. */
  readonly callerLabels: readonly string[];
  /** Callers see endpoints by where they are themselves. */
  readonly placed: boolean;
  readonly shared: Map<string, Shared>;
  readonly grpc: Map<string, GrpcShared>;
}

/** A renderer with its own cache of encodings; keep one per control plane. */
export function createRenderer(): Renderer {
  const encoder = createEncoder();
  let latest: Mesh | undefined;
  let cache: MeshCache | undefined;
  return {
    render(mesh, node) {
      if (cache === undefined || mesh !== latest) {
        encoder.turn();
        latest = mesh;
        cache = {
          index: indexMesh(mesh),
          targets: new Map(),
          targetsBefore: cache?.targets ?? new Map(),
          policyNumbers: new Map(mesh.policies.map((p, i) => [p, i])),
          callerLabels: labelsAsked(mesh),
          placed: localityMatters(mesh),
          shared: new Map(),
          before: cache?.shared ?? new Map(),
          nodes: cache?.nodes ?? new WeakMap(),
          vips: once(() => virtualAddresses(mesh.services)),
          grpc: new Map(),
        };
      }
      return renderNode(cache, node, encoder);
    },
  };
}

/** For one-off use. */
export function renderFor(mesh: Mesh, node: ProxyNode): Rendered {
  return createRenderer().render(mesh, node);
}

function labelsAsked(mesh: Mesh): readonly string[] {
  const rules = mesh.routes.flatMap((r) => r.rules);
  const keys = rules.flatMap((rule) => rule.matches.flatMap((m) => Object.keys(m.sourceLabels)));
  const more = mesh.policies.flatMap((p) => [...Object.keys(p.callerLabels ?? {})]);
  return [...new Set([...keys, ...more, ...localityLabels(mesh)])].sort();
}

function renderNode(cache: MeshCache, node: ProxyNode, encoder: Encoder): Rendered {
  const { index } = cache;
  const labels = Object.fromEntries(
    cache.callerLabels.flatMap((k) => (node.labels[k] === undefined ? [] : [[k, node.labels[k]]])),
  );
  const { namespace, kind, captured } = node;
  const scope = scopeFor(index.mesh.scopes, node, index.mesh.config.rootNamespace);
  const place = cache.placed ? standpoint(workloadOf(index, node), labels) : undefined;
  const caller = {
    namespace,
    labels,
    kind,
    ...(captured && { captured }),
    ...(place && { place }),
    ...(scope && { scope }),
  };
  const mode = captured === undefined ? "" : `captured ${captured.dual} `;
  const key = `${kind} ${mode}${namespace} ${JSON.stringify([labels, place, scope?.origin])}`;
  if (kind === "grpc") {
    const common = cache.grpc.get(key) ?? grpcShared(index, { namespace, labels, kind }, encoder);
    cache.grpc.set(key, common);
    return renderGrpc(index, node, common, encoder);
  }
  const shared = cache.shared.get(key) ?? renderShared(cache, caller, encoder, cache.before.get(key));
  cache.shared.set(key, shared);
  const before = cache.nodes.get(node);
  const from = ownIngredients(index, node);
  const own =
    before !== undefined && sameItems(before.from, from)
      ? { clusters: before.own, listeners: before.ownListeners }
      : renderOwn(index, node, encoder);
  const listeners = sameOr(before?.listeners, [...shared.listeners, ...own.listeners]);
  const rendered: NodeMaps = {
    from,
    shared: shared.clusters,
    own: own.clusters,
    ownListeners: own.listeners,
    listeners,
    clusters: shared.clusters,
  };
  if (own.clusters.length > 0)
    rendered.clusters =
      before?.shared === shared.clusters && sameItems(before.own, own.clusters)
        ? before.clusters
        : new Map([...shared.clusters, ...byName(own.clusters)]);
  cache.nodes.set(node, rendered);
  return new Map<string, ReadonlyMap<string, RenderedResource>>([
    [typeUrls.cluster, rendered.clusters],
    [typeUrls.endpoints, shared.endpoints],
    [typeUrls.listener, listeners],
    [typeUrls.route, shared.routes],
    ...(shared.names === undefined ? [] : [[typeUrls.nameTable, shared.names] as const]),
  ]);
}

function standpoint(workload: Workload | undefined, labels: Standpoint["labels"]): Standpoint {
  const { locality = "", network = "", cluster = "" } = workload ?? {};
  return { locality, labels, network, cluster };
}

/** The map before, where it holds the same resources: who has seen it then need not look again. */
function sameOr(
  before: ReadonlyMap<string, RenderedResource> | undefined,
  resources: readonly RenderedResource[],
): ReadonlyMap<string, RenderedResource> {
  const same =
    before !== undefined &&
    before.size === resources.length &&
    resources.every((r) => before.get(r.name) === r);
  return same ? before : byName(resources);
}

function byName(resources: readonly RenderedResource[]): ReadonlyMap<string, RenderedResource> {
  return new Map(resources.map((r) => [r.name, r]));
}

function renderShared(
  cache: MeshCache,
  caller: Caller & Pick<ProxyNode, "captured"> & Viewer,
  encoder: Encoder,
  before: Shared | undefined,
): Shared {
  const { index } = cache;
  const { config } = index.mesh;
  const kept = keptUses(cache, caller, before);
  const { tables, listeners, names, uses } = kept ?? outboundOf(cache, caller);
  const rendered = [...uses].map(([name, use]) => sharedTarget(cache, caller, name, use, encoder));
  const tunnel = caller.kind === "envoy" ? [tunnelCluster(config.connectTimeoutMs)] : [];
  const [blackHole, resolving] = commonClusters(config);
  const outside = caller.captured === undefined ? resolving : outboundPassthrough(config);
  const common = [blackHole, outside, ...tunnel].map((c) =>
    encoder.encode(ClusterSchema, typeUrls.cluster, c, c.name),
  );
  return {
    clusters: sameOr(before?.clusters, [...common, ...rendered.map((r) => r.cluster)]),
    endpoints: sameOr(
      before?.endpoints,
      rendered.flatMap((r) => r.endpoints ?? []),
    ),
    routes:
      kept?.routes ??
      sameOr(
        before?.routes,
        tables.map((t) => encoder.encode(RouteConfigurationSchema, typeUrls.route, t, t.name ?? "")),
      ),
    listeners: listeners.map((l) => encoder.encode(ListenerSchema, typeUrls.listener, l, l.name)),
    names:
      names && sameOr(before?.names, [encoder.encode(NameTableSchema, typeUrls.nameTable, names, tableName)]),
    index,
    uses,
  };
}

interface Outbounds extends CapturedOutbound {
  readonly names?: NameTableInit;
  /** Encoded already. */
  readonly routes?: Shared["routes"];
}

/** The route table before and what it uses, where it would come out the same. */
function keptUses(
  { index }: MeshCache,
  { captured, kind }: Caller & Pick<ProxyNode, "captured">,
  before: Shared | undefined,
): Outbounds | undefined {
  if (before === undefined || captured !== undefined || !sameTable(before.index, index, kind))
    return undefined;
  const uses = rebound(before.uses, index);
  return uses && { tables: [], listeners: [], uses, routes: before.routes };
}

/** Whose eyes a target is seen with. */
interface Viewer extends Pick<ProxyNode, "kind" | "captured"> {
  /** Where that makes a difference. */
  readonly place?: Standpoint;
}

/** Rendered once for all callers that make the same of it, and again only when something that it is made of changed. */
function sharedTarget(
  cache: MeshCache,
  caller: Viewer,
  name: string,
  use: TargetQuestion,
  encoder: Encoder,
): RenderedTarget {
  const { index, targets, targetsBefore } = cache;
  const policy = policyOf(index, use);
  const number = policy === undefined ? -1 : cache.policyNumbers.get(policy);
  const seen = caller.place === undefined ? "" : JSON.stringify(caller.place);
  const captured = caller.captured === undefined ? "" : "captured";
  const key = `${caller.kind} ${captured} ${name} ${use.budgeted} ${number} ${seen}`;
  const known = targets.get(key);
  if (known !== undefined) return known;
  const of = ingredientsOf(index, use, policy);
  const old = targetsBefore.get(key);
  const made =
    old !== undefined && sameIngredients(old.of, of)
      ? old
      : { ...renderTarget(targetOf(index, use, policy), index.mesh.config, encoder, caller), of };
  targets.set(key, made);
  return made;
}

/** The one resource of its type. */
const tableName = "names";

function outboundOf(
  { index, vips }: MeshCache,
  { captured, ...caller }: Caller & Pick<ProxyNode, "captured">,
): Outbounds {
  if (captured !== undefined)
    return {
      ...capturedOutbound(index, { ...caller, ...captured }, vips()),
      names: nameTable(index, caller, vips()),
    };
  const { table, uses } = outbound(index, caller);
  return { tables: [table], uses, listeners: [] };
}

function renderTarget(
  target: Target,
  config: MeshConfig,
  encoder: Encoder,
  { kind, place, captured }: Viewer,
): RenderedTarget {
  const { name } = target;
  // Names go with the cluster itself, and some need none.
  const byAddress = !["none", "dns", "dns-one", "dynamic"].includes(target.service.entry?.resolution ?? "");
  const viewer = { kind, captured: captured !== undefined };
  const secrets = kind === "envoy" ? agentSecrets : ads;
  return {
    cluster: encoder.encode(
      ClusterSchema,
      typeUrls.cluster,
      serviceCluster(target, config, secrets, viewer),
      name,
    ),
    ...(byAddress && {
      endpoints: encoder.encode(
        ClusterLoadAssignmentSchema,
        typeUrls.endpoints,
        assignment(target, config, place),
        name,
      ),
    }),
  };
}

/** Of a workload that the mesh does not know (yet): refuse what is not proven. */
const nobodyAsked = { mode: "strict", origin: { object: "" } } as const;

/** Everything that `renderOwn` reads. */
function ownIngredients(index: MeshIndex, node: ProxyNode): readonly unknown[] {
  const workload = workloadOf(index, node);
  const served = workload === undefined ? [] : (index.served().get(workload.key) ?? []);
  return [...rulesOf(index.mesh), workload, ...served.flatMap((s) => [s.service, s.port, s.endpoint])];
}

function renderOwn(
  index: MeshIndex,
  node: ProxyNode,
  encoder: Encoder,
): { readonly clusters: readonly RenderedResource[]; readonly listeners: readonly RenderedResource[] } {
  const { config } = index.mesh;
  const workload = workloadOf(index, node);
  const ports = workload === undefined ? [] : inboundPorts(index, workload);
  const { captured } = node;
  const listeners = [
    ...(captured === undefined
      ? [
          forwardListener(node, config),
          ...(node.kind === "envoy" ? [tunnels(config)] : []),
          ...ports.map((p) => plainListener(node, p, config)),
        ]
      : [
          virtualInbound(
            { kind: node.kind, ...captured },
            ports,
            workload?.authentication.all ?? nobodyAsked,
            config,
            (p) => inboundFilter(node, p, config),
          ),
        ]),
    ...(workload !== undefined && ports.some((p) => p.mtls.mode !== "disable")
      ? [meshListener(node, workload.meshPort, ports, config)]
      : []),
  ];
  const pool = scopeFor(index.mesh.scopes, node, config.rootNamespace)?.inbound;
  const clusters = ports.map((p) =>
    appCluster(p.port, p.appPort, config, {
      host: p.service.host,
      name: p.service.name,
      namespace: p.service.namespace,
      origin: p.origin,
      ...(pool && { pool }),
    }),
  );
  if (captured !== undefined) clusters.push(inboundPassthroughCluster(config));
  return {
    clusters: clusters.map((c) => encoder.encode(ClusterSchema, typeUrls.cluster, c, c.name)),
    listeners: listeners.map((l) => encoder.encode(ListenerSchema, typeUrls.listener, l, l.name)),
  };
}
