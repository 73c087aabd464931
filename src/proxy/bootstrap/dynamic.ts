/** dynamic_resources, and what static resources name that is not in the file. */
import type { Message } from "@bufbuild/protobuf";
import type { Bootstrap } from "../../proto/gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { Cluster } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ApiConfigSource, ConfigSource } from "../../proto/gen/envoy/config/core/v3/config_source_pb.js";
import { type Reference, referencesIn } from "../../xds/client/index.ts";
import { shortTypeName, typeUrl } from "../../xds/protocol/index.ts";
import {
  type CompiledResource,
  Findings,
  Path,
  type SecretSource,
  secretResource,
} from "../compile/index.ts";
import {
  type DiscoveryConfig,
  grpcSource,
  sourceOf,
  type Target,
  targetOf,
  timedSource,
} from "../discovery/index.ts";

export interface ControlClusters {
  /** Clusters that a configuration source may name. */
  readonly targets: Readonly<Record<string, Target>>;
  /** Those of them that requests need not be able to go to. */
  readonly only: ReadonlySet<string>;
}

interface Loaded {
  readonly resources: readonly { readonly resource: CompiledResource }[];
  readonly secrets: readonly SecretSource[];
}

/** A reference of a static resource, and where it stands. */
interface Placed {
  readonly reference: Reference;
  readonly path: Path;
}

function placedReferences(message: Bootstrap, root: Path): Placed[] {
  const { clusters = [], listeners = [] } = message.staticResources ?? {};
  const of = (items: readonly Message[], path: Path): Placed[] =>
    items.flatMap((item, i) =>
      referencesIn(item).map((reference) => {
        const eds = reference.typeUrl === typeUrl.endpoints;
        return { reference, path: eds ? path.at(i).at("eds_cluster_config") : path.at(i) };
      }),
    );
  const at = root.at("static_resources");
  return [...of(clusters, at.at("clusters")), ...of(listeners, at.at("listeners"))];
}

const apiOf = (source: ConfigSource | undefined): ApiConfigSource | undefined =>
  source?.configSourceSpecifier.case === "apiConfigSource" ? source.configSourceSpecifier.value : undefined;

/** Names of clusters that sources in the file ask. */
function askedClusters(message: Bootstrap): ReadonlySet<string> {
  const dynamic = message.dynamicResources;
  const sources = [
    dynamic?.ldsConfig,
    dynamic?.cdsConfig,
    ...placedReferences(message, Path.root("")).map((p) => p.reference.source),
  ];
  const services = [dynamic?.adsConfig, ...sources.map(apiOf)].flatMap((api) => api?.grpcServices ?? []);
  const names = services.map(({ targetSpecifier: t }) =>
    t.case === "envoyGrpc" ? t.value.clusterName : undefined,
  );
  return new Set(names.filter((n) => n !== undefined));
}

const onPipe = (cluster: Cluster): boolean =>
  (cluster.loadAssignment?.endpoints ?? []).some((locality) =>
    locality.lbEndpoints.some(
      ({ hostIdentifier: h }) => h.case === "endpoint" && h.value.address?.address.case === "pipe",
    ),
  );

/** Mistakes of clusters that the file asks go to `findings`; others may be asked by resources to come. */
export function controlClusters(message: Bootstrap, root: Path, findings: Findings): ControlClusters {
  const { clusters = [], secrets = [] } = message.staticResources ?? {};
  const asked = askedClusters(message);
  const known = new Map(secrets.map((s) => [s.name, secretResource(s, root, new Findings())] as const));
  const at = root.at("static_resources").at("clusters");
  const targets: Record<string, Target> = {};
  const only = new Set<string>();
  for (const [i, cluster] of clusters.entries()) {
    const named = asked.has(cluster.name);
    const found = named ? findings : new Findings();
    const target = targetOf(cluster, known, at.at(i), found);
    if (named || found.errors.length === 0) targets[cluster.name] = target;
    if (named || onPipe(cluster)) only.add(cluster.name);
  }
  return { targets, only };
}

/** Undefined: the file says all. What it names and nobody has is an error. */
export function discoveryOf(
  message: Bootstrap,
  { targets, only }: ControlClusters,
  loaded: Loaded,
  root: Path,
  findings: Findings,
): DiscoveryConfig | undefined {
  const dynamic = message.dynamicResources;
  const at = root.at("dynamic_resources");
  const ads = dynamic?.adsConfig && grpcSource(dynamic.adsConfig, targets, at.at("ads_config"), findings);
  const listeners = timedSource(dynamic?.ldsConfig, targets, at.at("lds_config"), findings);
  const clusters = timedSource(dynamic?.cdsConfig, targets, at.at("cds_config"), findings);
  const secrets = new Set(loaded.secrets.map((s) => s.name));
  const fixed: DiscoveryConfig["fixed"][number][] = [];
  for (const { reference, path } of placedReferences(message, root)) {
    const { typeUrl: url, name } = reference;
    if (url === typeUrl.secret && secrets.has(name)) continue;
    const source = sourceOf(reference.source, targets, path, findings);
    const missing = source === undefined || (source.kind === "ads" && dynamic?.adsConfig === undefined);
    if (missing) findings.error(path, unavailable(url, name, source !== undefined));
    else fixed.push({ typeUrl: url, name, source });
  }
  for (const [timed, field] of [
    [listeners, "lds_config"],
    [clusters, "cds_config"],
  ] as const)
    if (timed?.source.kind === "ads" && dynamic?.adsConfig === undefined)
      findings.error(at.at(field), "takes the aggregated stream, and there is no ads_config");
  if (ads === undefined && listeners === undefined && clusters === undefined && fixed.length === 0)
    return undefined;
  checkNode(message, root, findings);
  return {
    ...(ads ? { ads } : {}),
    ...(listeners ? { listeners } : {}),
    ...(clusters ? { clusters } : {}),
    fixed,
    targets,
    own: [
      ...loaded.resources.map(({ resource }) => `${resource.type} ${resource.name}`),
      ...[...only].map((name) => `cluster ${name}`),
    ],
  };
}

function unavailable(url: string, name: string, ads: boolean): string {
  const what = `${shortTypeName(url)} ${JSON.stringify(name)}`;
  const why = ads ? "there is no ads_config to ask" : "nothing says where to ask for it";
  if (url === typeUrl.route) return `${what} is not in the file, and ${why}: use route_config instead of rds`;
  if (url === typeUrl.endpoints) return `${what} is not in the file, and ${why}: use type STATIC`;
  return `${what} is not in the file, and ${why}`;
}

/** Servers know their clients by it; Envoy insists too. */
function checkNode({ node }: Bootstrap, root: Path, findings: Findings): void {
  if (!node?.id) findings.error(root.at("node").at("id"), "is required where configuration is asked for");
  if (!node?.cluster)
    findings.error(root.at("node").at("cluster"), "is required where configuration is asked for");
}
