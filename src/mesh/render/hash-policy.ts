/** What consistent hashing goes by: a policy of the destination, told to the route (Envoy hashes there). */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RouteAction_HashPolicySchema } from "../../proto/gen/envoy/config/route/v3/route_components_pb.js";
import { carriesOut, type Destination, type HashKey } from "../model/index.ts";
import type { Caller } from "./compose.ts";
import { type MeshIndex, policyAt, policyOf } from "./target.ts";
import { duration } from "./values.ts";

type HashInit = MessageInitShape<typeof RouteAction_HashPolicySchema>;

/** Of all destinations, each key once. */
export function hashPolicies(
  index: MeshIndex,
  caller: Caller,
  destinations: readonly Destination[],
  called: number,
): HashInit[] {
  if (!carriesOut(caller.kind, "hash")) return [];
  const keys = new Map<string, HashKey>();
  for (const d of destinations) {
    const key = keyOf(index, caller, d, called);
    if (key !== undefined) keys.set(JSON.stringify(key), key);
  }
  return [...keys.values()].map(hashPolicy);
}

function keyOf(index: MeshIndex, caller: Caller, d: Destination, called: number): HashKey | undefined {
  const service = index.services.get(d.host);
  const number = d.port ?? (service?.ports.length === 1 ? service.ports[0]!.port : called);
  const port = service?.ports.find((p) => p.port === number);
  if (service === undefined || port === undefined) return undefined;
  const question = {
    service,
    port,
    subset: d.subset ?? "",
    clientNamespace: caller.namespace,
    clientLabels: caller.labels,
    budgeted: false,
  };
  return policyAt(policyOf(index, question), number, question.subset).merged.balancing?.hash;
}

function hashPolicy(key: HashKey): HashInit {
  switch (key.by) {
    case "header":
      return { policySpecifier: { case: "header", value: { headerName: key.name } } };
    case "query":
      return { policySpecifier: { case: "queryParameter", value: { name: key.name } } };
    case "source":
      return { policySpecifier: { case: "connectionProperties", value: { sourceIp: true } } };
    default:
      return {
        policySpecifier: {
          case: "cookie",
          value: {
            name: key.name,
            path: key.path,
            ...(key.ttlMs !== undefined && { ttl: duration(key.ttlMs) }),
            attributes: key.attributes.map(({ name, value }) => ({ name, value })),
          },
        },
      };
  }
}
