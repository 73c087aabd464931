/** VirtualService -> routes of its hosts. */
import type { HostRoutes, RouteRule } from "../model/index.ts";
import { type Draft, reportOf, resolveHost, rootField, visibilityOf } from "./draft.ts";
import type { Field } from "./field.ts";
import { parseHttpRule } from "./http-rule.ts";
import { type KubeObject, namespaceOf, objectsOf, oldestFirst } from "./snapshot.ts";

const hostName =
  /^(\*\.)?([A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?)*$/;

/** Of two objects for one host and one audience the older holds (Istio). */
export function processVirtualServices(draft: Draft): void {
  const places = new Map<string, HostRoutes>();
  for (const object of oldestFirst(objectsOf(draft.snapshot, "VirtualService")))
    for (const { routes, field } of readVirtualService(draft, object)) {
      const place = JSON.stringify([routes.host, routes.visibility]);
      const other = places.get(place);
      if (other === undefined) {
        places.set(place, routes);
        draft.routes.push(routes);
      } else
        field.unresolved({
          code: "conflict",
          message: `the older ${other.origin.object} routes ${routes.host} and holds; this object has no effect there`,
          fix: "join the two objects",
        });
    }
}

interface Routed {
  readonly routes: HostRoutes;
  readonly field: Field;
}

/** Nothing when the object is wrong in itself, or only for gateways. */
function readVirtualService(draft: Draft, object: KubeObject): readonly Routed[] {
  const report = reportOf(draft, object);
  const spec = rootField(object, report).at("spec").object();
  spec.rest(["hosts", "gateways", "http", "exportTo"], {
    tcp: "TCP routes are accepted and not in effect yet",
    tls: "TLS routes are accepted and not in effect yet",
  });
  const namespace = namespaceOf(object);
  const gateways = spec.at("gateways").texts();
  const forMesh = gateways.length === 0 || gateways.includes("mesh");
  const hosts = readHosts(spec.at("hosts"), forMesh);
  const rules = readRules(draft, spec.at("http"), namespace);
  if (gateways.some((g) => g !== "mesh"))
    spec
      .at("gateways")
      .ignored("gateways are not built yet: the object acts for callers inside the mesh only");
  const visibility = visibilityOf(spec.at("exportTo").texts(), namespace);
  if (report.invalid || !forMesh || rules.length === 0) return [];
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

function readHosts(field: Field, forMesh: boolean): readonly { field: Field; name: string }[] {
  const items = field.items();
  if (items.length === 0) field.error({ code: "required", message: "at least one host is required" });
  return items.flatMap((item) => {
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

function readRules(draft: Draft, field: Field, namespace: string): readonly RouteRule[] {
  const rules: RouteRule[] = [];
  const last: RouteRule[] = [];
  let taken: string | undefined;
  for (const item of field.items()) {
    const { rule, otherwise } = parseHttpRule(draft, item, namespace);
    if (taken !== undefined)
      item.warn({
        code: "unreachable",
        message: `${taken} takes every request before it: this rule is never reached`,
      });
    if (rule) rules.push(rule);
    if (otherwise) last.push(otherwise);
    if (rule !== undefined && rule.matches.length === 0) taken ??= item.path;
  }
  if (taken !== undefined && last.length > 0)
    field.warn({
      code: "unreachable",
      message: `${taken} takes every request before ${last[0]!.origin.field}`,
    });
  return [...rules, ...last];
}
