/** PeerAuthentication -> what each workload asks of its callers. */
import type { MtlsMode, MtlsRule, WorkloadAuthentication } from "../model/index.ts";
import { type Draft, type PeerPolicy, reportOf } from "./draft.ts";
import { Field } from "./field.ts";
import type { Report } from "./report.ts";
import { type KubeObject, namespaceOf, objectsOf, oldestFirst } from "./snapshot.ts";

const modes = ["UNSET", "DISABLE", "PERMISSIVE", "STRICT"] as const;

/** Reads all of them once; of two for the same workloads the older holds. */
export function processPeerAuthentications(draft: Draft): void {
  const policies = draft.peerPolicies;
  for (const object of oldestFirst(objectsOf(draft.snapshot, "PeerAuthentication"))) {
    const policy = readPolicy(object, reportOf(draft, object));
    if (policy === undefined) continue;
    const other = policies.find((p) => samePlace(p, policy));
    if (other === undefined) policies.push(policy);
    else
      policy.report.add(
        "error",
        "",
        {
          code: "conflict",
          message: `the older PeerAuthentication ${other.namespace}/${other.report.ref.name} is for the same workloads and holds`,
          fix: "keep one of the two",
        },
        "reference",
      );
  }
}

function samePlace(a: PeerPolicy, b: PeerPolicy): boolean {
  const text = (p: PeerPolicy): string =>
    JSON.stringify(Object.entries(p.selector ?? {}).sort(([x], [y]) => (x < y ? -1 : 1)));
  return a.namespace === b.namespace && text(a) === text(b);
}

/** Wrong in itself: undefined, and the report says why. */
function readPolicy(object: KubeObject, report: Report): PeerPolicy | undefined {
  const spec = new Field(object, "", report).at("spec").object();
  spec.rest(["selector", "mtls", "portLevelMtls"]);
  const labels: Record<string, string> = {};
  for (const [key, value] of spec.at("selector").object().at("matchLabels").entries())
    labels[key] = value.text() ?? "";
  const selected = Object.keys(labels).length > 0;
  const rule = readRule(spec.at("mtls"));
  const ports: Record<number, MtlsRule | undefined> = {};
  for (const [key, value] of spec.at("portLevelMtls").entries()) {
    const port = Number(key);
    if (Number.isInteger(port) && port >= 1 && port <= 65535) ports[port] = readRule(value);
    else value.error({ code: "invalid-value", message: `${JSON.stringify(key)} is no port` });
  }
  if (spec.at("portLevelMtls").keys().length > 0 && !selected)
    spec.at("portLevelMtls").error({
      code: "selector-required",
      message: "port rules need a selector: ports belong to workloads",
      fix: "add spec.selector.matchLabels",
    });
  if (report.invalid) return undefined;
  return {
    namespace: namespaceOf(object),
    ...(selected && { selector: labels }),
    ...(rule !== undefined && { rule }),
    ports,
    report,
  };
}

export function mtlsMode(word: (typeof modes)[number] | undefined): MtlsMode | undefined {
  switch (word) {
    case "STRICT":
      return "strict";
    case "PERMISSIVE":
      return "permissive";
    case "DISABLE":
      return "disable";
    default:
      return undefined;
  }
}

function readRule(field: Field): MtlsRule | undefined {
  const mode = mtlsMode(field.object().at("mode").oneOf(modes));
  return mode === undefined ? undefined : { mode, origin: field.report.origin(`${field.path}.mode`) };
}

/** The workload's own policy goes before its namespace's, that before the mesh's. */
export function authenticationOf(
  draft: Draft,
  namespace: string,
  labels: Readonly<Record<string, string>>,
): WorkloadAuthentication {
  const policies = draft.peerPolicies;
  const selects = (p: PeerPolicy): boolean =>
    p.selector !== undefined && Object.entries(p.selector).every(([k, v]) => labels[k] === v);
  const root = draft.config.rootNamespace;
  const own = policies.find((p) => p.namespace === namespace && selects(p));
  const around = policies.find((p) => p.namespace === namespace && p.selector === undefined);
  const mesh = policies.find((p) => p.namespace === root && p.selector === undefined);
  const all = own?.rule ?? around?.rule ?? mesh?.rule ?? { mode: draft.defaultMtls, origin: { object: "" } };
  const ports: Record<number, MtlsRule> = {};
  for (const [port, rule] of Object.entries(own?.ports ?? {})) if (rule) ports[Number(port)] = rule;
  return { all, ports };
}
