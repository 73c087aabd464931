/** What the rule and the policies that decided do besides, read from the model. */
import { policyEffects, ruleEffects } from "../../mesh/analysis/index.ts";
import type { Mesh, Origin, TrafficPolicy } from "../../mesh/model/index.ts";
import type { Explanation } from "../../proxy/explain/index.ts";

export interface Effect {
  readonly what: string;
  readonly owner: Origin;
}

export function effectsOf(mesh: Mesh, e: Explanation): readonly Effect[] {
  const decided = e.route?.owner;
  const rule = mesh.routes
    .flatMap((r) => r.rules)
    .find(
      (r) => decided !== undefined && r.origin.object === decided.object && r.origin.field === decided.field,
    );
  const clusters = e.outcome.kind === "route" ? e.outcome.clusters : [];
  return [
    ...(rule ? ruleEffects(rule).map((what) => ({ what, owner: rule.origin })) : []),
    ...clusters.flatMap((c) => clusterEffects(mesh, c.name, c.owner?.object)),
  ];
}

/** The policies of the object that shaped the cluster, for its host, port and subset. */
function clusterEffects(mesh: Mesh, name: string, object: string | undefined): readonly Effect[] {
  const [, port = "", subset = "", host = ""] = name.split("|");
  const policy = mesh.policies.find((p) => p.origin.object === object && p.host === host);
  if (policy === undefined) return [];
  const own = policy.subsets.find((s) => s.name === subset);
  const merged: TrafficPolicy = {
    ...(policy.ports[Number(port)] ?? policy.policy),
    ...(own?.ports[Number(port)] ?? own?.policy),
  };
  return policyEffects(merged).map((what) => ({ what, owner: own?.origin ?? policy.origin }));
}
