/** Load balancing -> the balancer's fields of a Cluster. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  Cluster_LbPolicy,
  type Cluster_SlowStartConfigSchema,
} from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import { carriesOut, type LoadBalancing, type Warmup } from "../model/index.ts";
import type { ClusterInit } from "./cluster-init.ts";
import type { ProxyNode } from "./types.ts";
import { duration } from "./values.ts";

type Balancer = Pick<ClusterInit, "lbPolicy" | "lbConfig">;

/** Names of Envoy's runtime, which nobody sets: the values beside them hold. */
const aggressionKey = "weft.warmup_aggression";

/** Without a policy LEAST_REQUEST; what the proxy has no balancer for, too. */
export function balancer(balancing: LoadBalancing | undefined, kind: ProxyNode["kind"]): Balancer {
  const slowStartConfig =
    balancing?.warmup && carriesOut(kind, "warmup") ? slowStart(balancing.warmup) : undefined;
  const slow = slowStartConfig && { slowStartConfig };
  switch (balancing?.kind) {
    case "round-robin":
      return {
        lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
        ...(slow && { lbConfig: { case: "roundRobinLbConfig", value: slow } }),
      };
    case "random":
      return { lbPolicy: Cluster_LbPolicy.RANDOM };
    case "ring-hash":
      if (!carriesOut(kind, "hash")) break;
      return {
        lbPolicy: Cluster_LbPolicy.RING_HASH,
        lbConfig: { case: "ringHashLbConfig", value: { minimumRingSize: BigInt(balancing.size ?? 1024) } },
      };
    case "maglev":
      if (!carriesOut(kind, "hash")) break;
      return {
        lbPolicy: Cluster_LbPolicy.MAGLEV,
        ...(balancing.size !== undefined && {
          lbConfig: { case: "maglevLbConfig", value: { tableSize: BigInt(balancing.size) } },
        }),
      };
    default:
  }
  return {
    lbPolicy: Cluster_LbPolicy.LEAST_REQUEST,
    ...(slow && { lbConfig: { case: "leastRequestLbConfig", value: slow } }),
  };
}

function slowStart(warmup: Warmup): MessageInitShape<typeof Cluster_SlowStartConfigSchema> {
  return {
    slowStartWindow: duration(warmup.durationMs),
    aggression: { defaultValue: warmup.aggression, runtimeKey: aggressionKey },
    minWeightPercent: { value: warmup.minimumPercent },
  };
}
