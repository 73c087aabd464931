/**
 * Apart from the compiler, so that a process that only runs compiled resources loads no protobuf.
 * Endpoints meet their cluster: the transport of each is chosen by the cluster's transport_socket_matches.
 */
import type { JsonValue } from "@bufbuild/protobuf";
import type { EndpointsConfig } from "../../config/index.ts";
import type { CompiledCluster } from "../cluster.ts";
import type { CompiledEndpoints } from "../endpoints.ts";

function holds(
  metadata: Readonly<Record<string, JsonValue>>,
  match: Readonly<Record<string, JsonValue>>,
): boolean {
  return Object.entries(match).every(
    ([key, value]) => JSON.stringify(metadata[key]) === JSON.stringify(value),
  );
}

/** The endpoints of `cluster` as the data threads take them; `slotOf` gives each its block in the shared table. */
export function resolveEndpoints(
  cluster: Pick<CompiledCluster, "name" | "transportMatches">,
  assignment: Pick<CompiledEndpoints, "endpoints">,
  slotOf: (address: string) => number,
): EndpointsConfig {
  return {
    cluster: cluster.name,
    endpoints: assignment.endpoints.map(({ transportMatch, ...endpoint }) => ({
      ...endpoint,
      transport: cluster.transportMatches.find((t) => holds(transportMatch, t.match))?.index ?? 0,
      slot: slotOf(endpoint.address),
    })),
  };
}
