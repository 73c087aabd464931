/** Sidecar -> what a proxy is told of: hosts that its callers may reach, and what becomes of others. */
import type { SidecarScope } from "../model/index.ts";
import { type Draft, reportOf, rootField } from "./draft.ts";
import type { Field } from "./field.ts";
import { type KubeObject, namespaceOf, objectsOf, oldestFirst } from "./snapshot.ts";
import { parsePool } from "./traffic-policy.ts";

/** Of two for the same workloads the older holds. */
export function processSidecars(draft: Draft): void {
  const places = new Map<string, SidecarScope>();
  for (const object of oldestFirst(objectsOf(draft.snapshot, "Sidecar"))) {
    const scope = readSidecar(draft, object);
    if (scope === undefined) continue;
    const labels = Object.entries(scope.selector ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    const place = JSON.stringify([scope.namespace, labels]);
    const other = places.get(place);
    if (other === undefined) {
      places.set(place, scope);
      draft.scopes.push(scope);
    } else
      rootField(object, reportOf(draft, object)).unresolved({
        code: "conflict",
        message: `the older ${other.origin.object} is for the same workloads and holds`,
        fix: "keep one of the two",
      });
  }
}

function readSidecar(draft: Draft, object: KubeObject): SidecarScope | undefined {
  const report = reportOf(draft, object);
  const spec = rootField(object, report).at("spec").object();
  spec.rest(["workloadSelector", "egress", "outboundTrafficPolicy", "inboundConnectionPool"], {
    ingress: "listeners of one's own are not in effect yet: the ports of the services are served",
  });
  const namespace = namespaceOf(object);
  const selector: Record<string, string> = {};
  for (const [key, value] of spec.at("workloadSelector").object().at("labels").entries())
    selector[key] = value.text() ?? "";
  const policy = spec.at("outboundTrafficPolicy").object();
  policy.rest(["mode"], { egressProxy: "traffic to unknown hosts through a proxy is not in effect yet" });
  const mode = policy.at("mode").oneOf(["ALLOW_ANY", "REGISTRY_ONLY"]);
  const egress = spec.at("egress").items();
  const hosts = egress.flatMap((item) => {
    item.object().rest(["hosts"], {
      port: "a listener for one port is not in effect yet: its hosts are reachable on all of theirs",
      bind: "an address of one's own is not in effect yet",
      captureMode: "how connections come to the proxy is up to weft run",
    });
    if (item.at("hosts").items().length === 0)
      item.at("hosts").error({ code: "required", message: "at least one host is required" });
    return item
      .at("hosts")
      .items()
      .flatMap((field) => parseHost(field, namespace) ?? []);
  });
  const inbound = parsePool(spec.at("inboundConnectionPool"));
  if (report.invalid) return undefined;
  return {
    namespace,
    ...(Object.keys(selector).length > 0 && { selector }),
    ...(egress.length > 0 && { hosts }),
    ...(mode !== undefined && { outbound: mode === "ALLOW_ANY" ? "allow-any" : "registry-only" }),
    ...(inbound && { inbound }),
    origin: report.origin("spec"),
  };
}

/** `namespace/host`: namespace a name, `*` for any, `.` for one's own, `~` for none; host may begin with `*`. */
function parseHost(field: Field, own: string): NonNullable<SidecarScope["hosts"]>[number] | undefined {
  const text = field.requiredText();
  if (text === undefined) return undefined;
  const [namespace = "", host = "", more] = text.split("/");
  if (namespace === "" || host === "" || more !== undefined || !/^(\*|\*\.|)[A-Za-z0-9_.-]*$/.test(host)) {
    field.expected("namespace/host, such as ./* or shop/reviews.shop.svc.cluster.local");
    return undefined;
  }
  return { namespace: namespace === "." ? own : namespace, host: host.toLowerCase() };
}
