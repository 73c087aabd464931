/** What was rendered of the mesh before and holds for this one too, judged by what it was made of. */
import { sameJson } from "../../base/index.ts";
import type { DestinationPolicy, Mesh, MeshConfig, Service, ServicePort, Workload } from "../model/index.ts";
import { peerFields } from "./envoy.ts";
import type { MeshIndex, TargetQuestion } from "./target.ts";
import type { ProxyNode, RenderedResource } from "./types.ts";

/** All of a mesh but services and workloads: what those who are not sure what they read compare. */
export function rulesOf(mesh: Mesh): readonly unknown[] {
  const known = rules.get(mesh);
  if (known !== undefined) return known;
  const keys = (Object.keys(mesh) as (keyof Mesh)[]).sort();
  const found = keys.filter((k) => k !== "services" && k !== "workloads").map((k) => mesh[k]);
  rules.set(mesh, found);
  return found;
}

const rules = new WeakMap<Mesh, readonly unknown[]>();

/** The same but for endpoints. */
function sameShape(a: Service, b: Service): boolean {
  return a === b || sameJson(shapeOf(a), shapeOf(b));
}

const shapeOf = (service: Service): unknown => ({
  ...service,
  ports: service.ports.map(({ endpoints: _, ...port }) => port),
});

/** True where callers that are not captured get the same route table: it does not depend on endpoints. */
export function sameTable(before: MeshIndex, now: MeshIndex, kind: ProxyNode["kind"]): boolean {
  const [a, b] = [before.mesh, now.mesh];
  if (a === b) return true;
  if (!sameItems(rulesOf(a), rulesOf(b)) || a.services.length !== b.services.length) return false;
  return b.services.every((service, i) => {
    const old = a.services[i]!;
    if (!sameShape(old, service)) return false;
    // Envoy is told which services have sidecars everywhere.
    return kind !== "envoy" || told(before, old) === told(now, service);
  });
}

/** Whether a service's peers are told who calls. */
const told = (index: MeshIndex, service: Service): boolean =>
  "requestHeadersToAdd" in peerFields(service, (key) => index.workloads.get(key)?.sidecar === true);

/** The clusters in use, with services and ports of this mesh; undefined where one is no more. */
export function rebound(
  uses: ReadonlyMap<string, TargetQuestion>,
  index: MeshIndex,
): ReadonlyMap<string, TargetQuestion> | undefined {
  const now = new Map<string, TargetQuestion>();
  for (const [name, use] of uses) {
    const service = index.services.get(use.service.host);
    const port = service?.ports.find((p) => p.port === use.port.port);
    if (service === undefined || port === undefined) return undefined;
    now.set(name, service === use.service && port === use.port ? use : { ...use, service, port });
  }
  return now;
}

/** Everything that a target is made of. */
interface Ingredients {
  readonly config: MeshConfig;
  readonly service: Service;
  readonly port: ServicePort;
  readonly policy: DestinationPolicy | undefined;
  readonly workloads: readonly (Workload | undefined)[];
}

export interface RenderedTarget {
  readonly cluster: RenderedResource;
  /** Absent where the cluster carries them, or has none. */
  readonly endpoints?: RenderedResource;
}

export interface MadeTarget extends RenderedTarget {
  readonly of: Ingredients;
}

export function ingredientsOf(
  index: MeshIndex,
  { service, port }: TargetQuestion,
  policy: DestinationPolicy | undefined,
): Ingredients {
  const workloads = port.endpoints.map((e) => index.workloads.get(e.workload));
  return { config: index.mesh.config, service, port, policy, workloads };
}

export function sameIngredients(a: Ingredients, b: Ingredients): boolean {
  return (
    a.config === b.config &&
    a.policy === b.policy &&
    a.port === b.port &&
    sameShape(a.service, b.service) &&
    sameItems(a.workloads, b.workloads)
  );
}

/** The same objects in the same order. */
export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
