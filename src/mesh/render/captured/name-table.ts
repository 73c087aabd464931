/** What the DNS of a captured workload knows: Istio's NameTable. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { NameTableSchema } from "../../../proto/gen/istio/networking/nds/v1/nds_pb.js";
import { type Service, sees } from "../../model/index.ts";
import type { Caller } from "../compose.ts";
import type { MeshIndex } from "../target.ts";
import { addressesOf, type VirtualAddresses } from "./vip.ts";

export type NameTableInit = MessageInitShape<typeof NameTableSchema>;
type Entries = NonNullable<NameTableInit["table"]>;

const registry = "Kubernetes";

export function nameTable(
  index: MeshIndex,
  caller: Pick<Caller, "namespace" | "scope">,
  vips: ReadonlyMap<string, VirtualAddresses>,
): NameTableInit {
  const table: Entries = {};
  for (const service of index.mesh.services) {
    if (!sees(caller, service) || service.host.startsWith("*")) continue;
    if (service.headless) headless(table, index, service);
    else table[service.host] = entry(service, addressesOf(service, vips));
  }
  return { table, clusterDomain: index.mesh.config.clusterDomain };
}

function entry(service: Service, ips: readonly string[]): Entries[string] {
  return {
    ips: [...ips],
    registry,
    shortname: service.name,
    namespace: service.namespace,
    ports: service.ports.map((p) => ({ name: p.name, number: p.port })),
  };
}

/** The addresses of all endpoints that are ready, and each by its own name. */
function headless(table: Entries, index: MeshIndex, service: Service): void {
  const ready = service.ports.flatMap((p) => p.endpoints.filter((e) => e.ready && !e.draining));
  const names: string[] = [];
  for (const [key, [first]] of Map.groupBy(ready, (e) => e.workload)) {
    const workload = index.workloads.get(key);
    if (workload === undefined || first === undefined || !/^[a-z0-9-]{1,63}$/.test(workload.name)) continue;
    const name = `${workload.name}.${service.host}`;
    names.push(name);
    table[name] = {
      ips: [first.address],
      registry,
      shortname: `${workload.name}.${service.name}`,
      namespace: service.namespace,
    };
  }
  table[service.host] = {
    ...entry(service, [...new Set(ready.map((e) => e.address))]),
    endpoints: names.sort(),
  };
}
