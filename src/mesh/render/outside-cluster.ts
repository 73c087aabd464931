/** Services that are known by names, or not resolved at all: what stands in the place of endpoints. */
import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import {
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  Cluster_LbPolicy,
} from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import { ClusterConfigSchema } from "../../proto/gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.js";
import { carriesOut, type MeshConfig } from "../model/index.ts";
import type { ClusterInit } from "./cluster-init.ts";
import { dnsCache } from "./dns.ts";
import { assignment } from "./endpoint.ts";
import type { Target } from "./target.ts";
import type { ProxyNode } from "./types.ts";

export interface ClusterViewer {
  readonly kind: ProxyNode["kind"];
  /** Connections come by redirect rules: where they were meant to go is known. */
  readonly captured: boolean;
}

type Discovery = Pick<
  ClusterInit,
  "clusterDiscoveryType" | "lbPolicy" | "lbConfig" | "loadAssignment" | "dnsLookupFamily" | "respectDnsTtl"
>;

/** Undefined: endpoints by stream. */
export function outsideDiscovery(
  target: Target,
  config: MeshConfig,
  { kind, captured }: ClusterViewer,
): Discovery | undefined {
  const resolution = target.service.entry?.resolution;
  if (resolution === undefined) return passedThrough(target, captured);
  if (captured && resolution === "none") return original;
  if (resolution === "none" || resolution === "dynamic") return byAuthority;
  if (!carriesOut(kind, "dns"))
    return target.members.every((m) => m.endpoint.address === target.service.host) ? byAuthority : undefined;
  return {
    clusterDiscoveryType: {
      case: "type",
      value: resolution === "dns" ? Cluster_DiscoveryType.STRICT_DNS : Cluster_DiscoveryType.LOGICAL_DNS,
    },
    dnsLookupFamily: Cluster_DnsLookupFamily.V4_PREFERRED,
    respectDnsTtl: true,
    loadAssignment: assignment(resolution === "dns" ? target : first(target), config),
  };
}

/** Envoy's LOGICAL_DNS takes one name. */
function first(target: Target): Target {
  return { ...target, members: target.members.slice(0, 1) };
}

const original: Discovery = {
  clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.ORIGINAL_DST },
  lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
};

function passedThrough(target: Target, captured: boolean): Discovery | undefined {
  return captured && target.policy.balancing?.kind === "passthrough" ? original : undefined;
}

/** The request's own host is resolved, as for hosts that the mesh does not know. */
export const byAuthority: Discovery = {
  lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
  clusterDiscoveryType: {
    case: "clusterType",
    value: {
      name: "envoy.clusters.dynamic_forward_proxy",
      typedConfig: anyPack(
        ClusterConfigSchema,
        create(ClusterConfigSchema, {
          clusterImplementationSpecifier: { case: "dnsCacheConfig", value: dnsCache },
        }),
      ),
    },
  },
};
