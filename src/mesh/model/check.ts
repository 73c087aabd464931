/** The model's invariants. A breach is a bug of a translator, never a user's mistake. */
import { assert } from "../../base/index.ts";
import type { Mesh } from "./mesh.ts";
import type { RouteRule } from "./route.ts";

const maxPort = 65535;

/** Throws AssertionError on the first broken invariant; returns the mesh for chaining. */
export function checkMesh(mesh: Mesh): Mesh {
  const workloads = new Set<string>();
  for (const w of mesh.workloads) {
    assert(!workloads.has(w.key), `workload ${w.key} twice`);
    assert(w.key === `${w.namespace}/${w.name}`, `workload key ${w.key}`);
    assert(w.weight >= 1, `weight of workload ${w.key}`);
    workloads.add(w.key);
  }
  const hosts = new Set<string>();
  for (const s of mesh.services) {
    assert(!hosts.has(s.host), `service ${s.host} twice`);
    hosts.add(s.host);
    const ports = new Set<number>();
    for (const p of s.ports) {
      assert(p.port >= 1 && p.port <= maxPort && !ports.has(p.port), `port ${p.port} of ${s.host}`);
      ports.add(p.port);
      for (const e of p.endpoints)
        assert(workloads.has(e.workload), `endpoint of ${s.host} names workload ${e.workload}`);
    }
  }
  for (const r of [...mesh.routes, ...mesh.profiles]) for (const rule of r.rules) checkRule(r.host, rule);
  for (const p of mesh.policies) {
    const names = new Set(p.subsets.map((s) => s.name));
    assert(names.size === p.subsets.length, `subset twice in policy of ${p.host}`);
  }
  return mesh;
}

function checkRule(host: string, rule: RouteRule): void {
  const where = `rule ${rule.origin.field ?? ""} of ${host}`;
  assert(rule.timeoutMs === undefined || rule.timeoutMs > 0, `${where}: timeout`);
  const { action } = rule;
  if (action.kind === "forward" && action.destinations.length > 0) {
    const total = action.destinations.reduce((sum, d) => sum + d.weight, 0);
    assert(total > 0, `${where}: weights sum to 0`);
    for (const d of action.destinations) assert(d.weight >= 0, `${where}: negative weight`);
  }
  for (const m of rule.matches)
    for (const h of m.headers) assert(h.name === h.name.toLowerCase(), `${where}: header ${h.name}`);
}
