/** VirtualService -> routes of its hosts. */
import { type HostRoutes, type RouteRule, refName } from "../model/index.ts";
import { type Draft, reportOf, resolveHost, rootField, visibilityOf } from "./draft.ts";
import type { Field } from "./field.ts";
import { parseHttpRule } from "./http-rule.ts";
import { sayUnreachable } from "./reach.ts";
import { type KubeObject, namespaceOf, objectsOf, oldestFirst } from "./snapshot.ts";

const hostName =
  /^(\*\.)?([A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?)*$/;

/** Of several objects for one host and one audience the rules are joined, the oldest's first. */
export function processVirtualServices(draft: Draft): void {
  const places = new Map<string, number>();
  const objects = oldestFirst(objectsOf(draft.snapshot, "VirtualService"));
  for (const object of objects)
    for (const { routes, field } of readVirtualService(draft, object)) {
      const place = JSON.stringify([routes.host, routes.visibility]);
      const index = places.get(place);
      if (index === undefined) places.set(place, draft.routes.push(routes) - 1);
      else draft.routes[index] = join(draft.routes[index]!, routes, field);
    }
  for (const object of objects) if (isDelegate(object, draft)) sayUnused(object, draft);
}

/** Rules with a match in order of age; at the end the oldest rule without one. */
function join(first: HostRoutes, later: HostRoutes, field: Field): HostRoutes {
  const [head, tail] = split(first.rules);
  const [more, rest] = split(later.rules);
  const older = first.origin.object;
  const taken = tail[0];
  if (more.length === 0 && taken !== undefined) {
    field.unresolved({
      code: "conflict",
      message: `the older ${taken.origin.object} routes ${later.host} and holds; this object has no effect there`,
      fix: "join the two objects",
    });
    return first;
  }
  field.note({
    code: "joined",
    message: `its rules for ${later.host} come after those of the older ${older} (a rule without a match goes last)`,
  });
  if (taken !== undefined && rest[0] !== undefined)
    field.report.add("warning", rest[0].origin.field ?? "", {
      code: "conflict",
      message: `the older ${taken.origin.object} ${taken.origin.field} takes all other requests to ${later.host}: this rule has no effect there`,
      fix: "give the rule a match, or join the two objects",
    });
  sayUnreachable(more, field.report, head);
  return { ...first, rules: [...head, ...more, ...(taken === undefined ? rest : tail)] };
}

/** Before the first rule without a match, and from it on. */
function split(rules: readonly RouteRule[]): readonly [readonly RouteRule[], readonly RouteRule[]] {
  const at = rules.findIndex((r) => r.matches.length === 0);
  return at < 0 ? [rules, []] : [rules.slice(0, at), rules.slice(at)];
}

interface Routed {
  readonly routes: HostRoutes;
  readonly field: Field;
}

/** Nothing when the object is wrong in itself, only for gateways, or for others to delegate to. */
function readVirtualService(draft: Draft, object: KubeObject): readonly Routed[] {
  const report = reportOf(draft, object);
  const spec = rootField(object, report).at("spec").object();
  spec.rest(["hosts", "gateways", "http", "exportTo"], {
    tcp: "TCP routes are accepted and not in effect yet",
    tls: "TLS routes are accepted and not in effect yet",
  });
  const namespace = namespaceOf(object);
  const gateways = spec.at("gateways").texts();
  const delegate = isDelegate(object, draft);
  const forMesh = gateways.length === 0 || gateways.includes("mesh");
  const hosts = readHosts(spec.at("hosts"), forMesh);
  if (!delegate && spec.at("hosts").items().length === 0)
    spec.at("hosts").error({ code: "required", message: "at least one host is required" });
  const rules = readRules(draft, spec.at("http"), namespace, delegate);
  if (delegate && gateways.length > 0)
    spec.at("gateways").error({
      code: "one-of",
      message: "an object without hosts is one to delegate to: gateways belong to who delegates",
    });
  if (gateways.some((g) => g !== "mesh"))
    spec
      .at("gateways")
      .ignored("gateways are not built yet: the object acts for callers inside the mesh only");
  const visibility = visibilityOf(spec.at("exportTo").texts(), namespace, draft.exportTo.virtualService);
  if (report.invalid || !forMesh || delegate || rules.length === 0) return [];
  sayUnreachable(rules, report);
  return hosts.map(({ field, name }) => {
    const host = resolveHost(draft, name, namespace);
    if (!host.startsWith("*") && !draft.services.has(host))
      field.note({
        code: "host-outside",
        message: `there is no service ${host}: only requests to just this name are routed`,
      });
    return { routes: { host, visibility, namespace, rules, origin: report.origin("spec") }, field };
  });
}

/** Rules, and no host that they are for. */
function isDelegate(object: KubeObject, draft: Draft): boolean {
  const spec = rootField(object, reportOf(draft, object)).at("spec");
  const none = (key: string): boolean => {
    const { value } = spec.at(key);
    return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
  };
  return none("hosts") && !none("http");
}

function sayUnused(object: KubeObject, draft: Draft): void {
  const report = reportOf(draft, object);
  if (draft.delegated.has(object) || report.invalid) return;
  report.add("note", "spec.hosts", {
    code: "not-delegated",
    message: `has no hosts and no VirtualService delegates to ${refName(report.ref)}: nothing of it acts`,
    fix: "name the hosts, or delegate to it",
  });
}

function readHosts(field: Field, forMesh: boolean): readonly { field: Field; name: string }[] {
  return field.items().flatMap((item) => {
    const name = item.requiredText();
    if (name === undefined) return [];
    if (name === "*" && forMesh)
      item.error({
        code: "invalid-value",
        message: "* is for gateways: inside the mesh every host would be taken over",
        fix: "name the hosts",
      });
    else if (name !== "*" && !hostName.test(name)) item.expected("a host name, or *. and a host name");
    return [{ field: item, name }];
  });
}

function readRules(draft: Draft, field: Field, namespace: string, delegate: boolean): readonly RouteRule[] {
  const rules: RouteRule[] = [];
  const last: RouteRule[] = [];
  for (const item of field.items()) {
    const parsed = parseHttpRule(draft, item, namespace, delegate);
    rules.push(...parsed.rules);
    if (parsed.otherwise) last.push(parsed.otherwise);
  }
  return [...rules, ...last];
}
