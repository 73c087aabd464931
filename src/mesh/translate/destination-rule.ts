/** DestinationRule -> destination policies. */
import { type DestinationPolicy, policyFor, type Service, type Subset, scopesOf } from "../model/index.ts";
import { type Draft, reportOf, resolveHost, rootField, visibilityOf } from "./draft.ts";
import type { Field } from "./field.ts";
import { type KubeObject, namespaceOf, objectsOf, oldestFirst } from "./snapshot.ts";
import { parseTrafficPolicy } from "./traffic-policy.ts";

const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** Of a namespace's rules for one host the oldest gives the policy; subsets of all are joined (Istio). */
export function processDestinationRules(draft: Draft): void {
  const places = new Map<string, number>();
  for (const object of oldestFirst(objectsOf(draft.snapshot, "DestinationRule"))) {
    const policy = readDestinationRule(draft, object);
    if (policy === undefined) continue;
    const { host, namespace, visibility, callerLabels } = policy;
    const place = JSON.stringify([host, namespace, visibility, callerLabels]);
    const index = places.get(place);
    if (index === undefined) places.set(place, draft.policies.push(policy) - 1);
    else
      draft.policies[index] = join(
        draft.policies[index]!,
        policy,
        rootField(object, reportOf(draft, object)),
      );
  }
  draft.policyScopes = scopesOf(draft.policies);
  const named = new Map<string, KubeObject>();
  for (const kind of ["Service", "ServiceEntry"] as const)
    for (const o of objectsOf(draft.snapshot, kind))
      named.set(`${kind}/${namespaceOf(o)}/${o.metadata.name}`, o);
  for (const service of draft.services.values()) {
    const object = named.get(service.origin.object);
    if (object !== undefined) sayUnguarded(draft, service, object);
  }
}

/** Of a host that no rule is for; a rule that guards nothing says so itself. */
function sayUnguarded(draft: Draft, { host, namespace }: Service, object: KubeObject): void {
  const policy = policyFor(draft.policyScopes, {
    host,
    serviceNamespace: namespace,
    clientNamespace: namespace,
    clientLabels: {},
    rootNamespace: draft.config.rootNamespace,
  });
  if (policy !== undefined) return;
  rootField(object, reportOf(draft, object)).note({
    code: "no-breaker",
    message: `no DestinationRule is for ${host}: 1,024 connections and requests hold, nobody is ejected`,
    fix: "add one with connectionPool or outlierDetection",
  });
}

function join(first: DestinationPolicy, later: DestinationPolicy, root: Field): DestinationPolicy {
  const spec = root.at("spec");
  const conflict = (field: Field, what: string): void =>
    field.unresolved({
      code: "conflict",
      message: `${what} is given by the older ${first.origin.object} and holds`,
      fix: "join the two objects",
    });
  if (Object.keys(later.policy).length > 0 || Object.keys(later.ports).length > 0) {
    if (Object.keys(first.policy).length > 0 || Object.keys(first.ports).length > 0)
      conflict(spec.at("trafficPolicy"), `the policy of ${first.host}`);
    else
      return join(
        { ...first, policy: later.policy, ports: later.ports },
        { ...later, policy: {}, ports: {} },
        root,
      );
  }
  const subsets = [...first.subsets];
  for (const subset of later.subsets) {
    if (!subsets.some((s) => s.name === subset.name)) subsets.push(subset);
    else conflict(spec.at("subsets"), `subset ${subset.name} of ${first.host}`);
  }
  return { ...first, subsets };
}

/** Undefined when the object is wrong in itself. */
function readDestinationRule(draft: Draft, object: KubeObject): DestinationPolicy | undefined {
  const report = reportOf(draft, object);
  const spec = rootField(object, report).at("spec").object();
  spec.rest(["host", "trafficPolicy", "subsets", "exportTo", "workloadSelector"]);
  const callerLabels = readSelector(spec.at("workloadSelector"));
  const namespace = namespaceOf(object);
  const written = spec.at("host").requiredText();
  const { policy, ports } = parseTrafficPolicy(spec.at("trafficPolicy"));
  const subsets = readSubsets(spec.at("subsets"));
  const visibility = visibilityOf(spec.at("exportTo").texts(), namespace, draft.exportTo.destinationRule);
  if (written === undefined || report.invalid) return undefined;
  const host = resolveHost(draft, written, namespace);
  if (!host.startsWith("*") && !draft.services.has(host))
    spec.at("host").unresolved({
      code: "unknown-host",
      message: `there is no service ${host}`,
      fix: "create the service, or name it service.namespace",
    });
  const selecting = callerLabels && { callerLabels };
  sayNoBreaker(spec, policy, ports);
  return { host, namespace, visibility, ...selecting, policy, ports, subsets, origin: report.origin("spec") };
}

/** Callers that the rule is for: all of the labels, in the rule's namespace. */
function readSelector(field: Field): Readonly<Record<string, string>> | undefined {
  field.object().rest(["matchLabels"]);
  const labels: Record<string, string> = {};
  for (const [key, value] of field.at("matchLabels").entries()) labels[key] = value.text() ?? "";
  return Object.keys(labels).length > 0 ? labels : undefined;
}

function sayNoBreaker(
  spec: Field,
  policy: DestinationPolicy["policy"],
  ports: DestinationPolicy["ports"],
): void {
  const guarded = [policy, ...Object.values(ports)].some((p) => p.pool ?? p.outlier);
  if (!guarded)
    spec.note({
      code: "no-breaker",
      message:
        "limits neither connections nor failing endpoints: 1,024 connections and requests hold, nobody is ejected",
      fix: "set trafficPolicy.connectionPool or trafficPolicy.outlierDetection",
    });
}

function readSubsets(field: Field): readonly Subset[] {
  const subsets: Subset[] = [];
  for (const item of field.items()) {
    item.object().rest(["name", "labels", "trafficPolicy"]);
    const name = item.at("name").requiredText();
    const labels: Record<string, string> = {};
    for (const [key, value] of item.at("labels").entries()) {
      const text = value.text();
      if (text !== undefined && !labelValue.test(text)) value.expected("a label's value");
      else labels[key] = text ?? "";
    }
    const { policy, ports } = parseTrafficPolicy(item.at("trafficPolicy"));
    if (name === undefined) continue;
    if (subsets.some((s) => s.name === name))
      item.at("name").error({ code: "duplicate", message: `subset ${name} is defined twice` });
    else subsets.push({ name, labels, policy, ports, origin: field.report.origin(item.path) });
  }
  return subsets;
}
