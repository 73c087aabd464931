/** Reading: get in all its forms, describe, explain, discovery. */
import { configMap, type Row, row, send, short, virtualService } from "./types.ts";

const five = [1, 2, 3, 4, 5]
  .map(
    (n) =>
      `{apiVersion: v1, kind: ConfigMap, metadata: {name: page-${n}, labels: {set: page, n: "${n}"}}, data: {n: "${n}"}}`,
  )
  .join("\n---\n");

const three = ["one", "two", "three"]
  .map((name, n) => {
    const labels = `{set: sel, tier: ${n === 0 ? "front" : "back"}${n === 2 ? ', extra: "yes"' : ""}}`;
    return `{apiVersion: v1, kind: ConfigMap, metadata: {name: sel-${name}, labels: ${labels}}}`;
  })
  .join("\n---\n");

const list = (items: readonly string[]): string => items.join("\n---\n");

const lease = `{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: read-lease}, spec: {holderIdentity: me, leaseDurationSeconds: 10}}`;
const slice = `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: read-slice, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, ports: [{name: http, port: 80, protocol: TCP}], endpoints: [{addresses: ["10.1.2.3"], conditions: {ready: true}}, {addresses: ["10.1.2.4"]}, {addresses: ["10.1.2.5"]}, {addresses: ["10.1.2.6"]}]}`;

export const readRows: readonly Row[] = [
  short(
    "get-missing",
    "what does not exist, a kind that is not served",
    "get configmap nope",
    "get frobnicators",
    "get configmap nope --ignore-not-found",
    "get vs nope -o yaml",
  ),
  short(
    "get-formats",
    "json, yaml, name, jsonpath, custom-columns, go-template",
    send("apply -f -", configMap("formats")),
    { run: "get cm formats -o json", json: true },
    "get cm formats -o yaml",
    "get cm formats -o name",
    "get cm formats -o jsonpath={.data.a}{.metadata.name}",
    "get cm formats -o custom-columns=N:.metadata.name,A:.data.a,B:.data.b",
    "get cm formats -o go-template={{.data.a}}",
  ),
  short(
    "selectors-labels",
    "label selectors: equality, sets, existence, a broken one",
    send("create -f -", three),
    "get cm -l set=sel,tier=back -o name",
    "get cm -l set=sel,tier!=back -o name",
    "get cm -l 'set=sel,tier in (front,back),!extra' -o name",
    "get cm -l 'set=sel,tier notin (front)' -o name",
    "get cm -l set=sel,extra -o name -L tier",
    "get cm -l 'set=sel,tier in back' -o name",
    "get cm -l set=sel --show-labels",
  ),
  row(
    "selectors-fields",
    "field selectors: names, kinds' own fields, one that is not supported",
    send(
      "create -f -",
      "{apiVersion: v1, kind: Secret, metadata: {name: fs, labels: {set: fs}}, type: example.com/x}",
    ),
    "get cm --field-selector metadata.name=kube-root-ca.crt,metadata.namespace=nowhere -o name",
    "get secret -l set=fs --field-selector type=example.com/x -o name",
    "get secret -l set=fs --field-selector type!=example.com/x -o name",
    "get cm --field-selector data.a=1",
    "get vs --field-selector spec.hosts=x",
  ),
  row(
    "chunks",
    "limit and continue, as kubectl pages",
    send("create -f -", five),
    "get cm -l set=page --chunk-size=2 -o name",
    "get cm -l set=page --chunk-size=2 --sort-by=.metadata.name -o name",
    "get cm -l set=page --chunk-size=2 --no-headers",
  ),
  short(
    "tables-core",
    "tables of core kinds, -o wide",
    send(
      "apply -f -",
      "{apiVersion: v1, kind: Service, metadata: {name: tab}, spec: {selector: {app: tab}, ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP}]}}",
    ),
    send(
      "apply -f -",
      "{apiVersion: v1, kind: Service, metadata: {name: tab-ext}, spec: {type: ExternalName, externalName: example.com}}",
    ),
    send(
      "apply -f -",
      "{apiVersion: v1, kind: Service, metadata: {name: tab-none}, spec: {clusterIP: None, ports: [{port: 80}]}}",
    ),
    send("apply -f -", "{apiVersion: v1, kind: Secret, metadata: {name: tab}, stringData: {a: b}}"),
    send("apply -f -", "{apiVersion: v1, kind: ServiceAccount, metadata: {name: tab}}"),
    send("apply -f -", configMap("tab")),
    "get svc tab tab-ext tab-none",
    "get svc tab -o wide",
    "get secret tab",
    "get sa tab",
    "get cm tab",
    "get ns default kube-system",
  ),
  row(
    "tables-more",
    "tables of Leases and EndpointSlices",
    send("apply -f -", list([lease, slice])),
    "get lease read-lease",
    "get endpointslice read-slice",
    "get endpointslice read-slice -o wide",
  ),
  short(
    "tables-custom",
    "tables of custom kinds, in each version, -o wide, by category",
    send("apply -f -", virtualService("tabs")),
    send(
      "apply -f -",
      "{apiVersion: networking.istio.io/v1beta1, kind: WorkloadEntry, metadata: {name: tabs}, spec: {address: 10.0.0.1, serviceAccount: me}}",
    ),
    send(
      "apply -f -",
      "{apiVersion: networking.istio.io/v1beta1, kind: DestinationRule, metadata: {name: tabs}, spec: {host: reviews}}",
    ),
    send(
      "apply -f -",
      "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: tabs}, spec: {mtls: {mode: STRICT}}}",
    ),
    send(
      "apply -f -",
      "{apiVersion: linkerd.io/v1alpha2, kind: ServiceProfile, metadata: {name: tabs.default.svc.cluster.local}, spec: {routes: [{name: a, condition: {method: GET}}]}}",
    ),
    "get vs tabs",
    "get virtualservices.v1alpha3.networking.istio.io tabs -o jsonpath={.apiVersion}",
    "get we tabs",
    "get we tabs -o wide",
    "get dr,pa",
    "get sp",
  ),
  row(
    "get-many",
    "several kinds and names at once, mixed with a missing one",
    send("apply -f -", configMap("many-a")),
    send("apply -f -", configMap("many-b")),
    "get cm/many-a cm/many-b",
    "get cm/many-a cm/many-z -o name",
  ),
  row(
    "describe-core",
    "describe of Service, Secret, ConfigMap, ServiceAccount, Namespace",
    send(
      "apply -f -",
      list([
        "{apiVersion: v1, kind: Service, metadata: {name: desc}, spec: {selector: {app: desc}, ports: [{name: http, port: 80, targetPort: 8080}]}}",
        "{apiVersion: v1, kind: Secret, metadata: {name: desc}, stringData: {a: b}}",
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: desc}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: desc}, data: {a: b}}",
      ]),
    ),
    "describe svc desc",
    "describe secret desc",
    "describe cm desc",
    "describe sa desc",
    "describe ns kube-system",
  ),
  row(
    "describe-custom",
    "describe of a custom resource with an event about it",
    send("apply -f -", virtualService("described")),
    { run: "get vs described -o jsonpath={.metadata.uid}", pick: () => "a uid" },
    send(
      "create -f -",
      "{apiVersion: v1, kind: Event, metadata: {name: described.1}, involvedObject: {apiVersion: networking.istio.io/v1, kind: VirtualService, name: described, namespace: NAMESPACE}, reason: Accepted, message: it acts, type: Normal, source: {component: weft}, firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:00Z', count: 1}",
    ),
    "describe vs described",
    { run: "get events --field-selector involvedObject.name=described", lines: /REASON|Accepted/ },
    { run: "events --for vs/described", lines: /REASON|Accepted/ },
    { run: "get events.events.k8s.io described.1 -o jsonpath={.note}/{.deprecatedCount}/{.regarding.name}" },
  ),
  row(
    "explain",
    "explain: core and custom kinds, down to a field, unknown fields",
    { run: "explain vs.spec.hosts", lines: /GROUP|KIND|VERSION|FIELD/ },
    { run: "explain vs", lines: /^ {2}[a-z]+\t/ },
    { run: "explain sp.spec.retryBudget", lines: /^ {2}[a-z]+/i },
    { run: "explain configmap", lines: /^ {2}[a-z]+\t/i },
    { run: "explain service.spec.ports.protocol", lines: /KIND|VERSION|FIELD/ },
    "explain vs.spec.nope",
  ),
  row(
    "api-resources",
    "discovery: resources of a group, verbs, short names, versions",
    {
      run: "api-resources --api-group=networking.istio.io --no-headers -o wide",
      lines: /^(virtualservices|destinationrules|workloadentries) /,
    },
    { run: "api-resources --api-group=security.istio.io --no-headers", lines: /peerauth/ },
    "api-resources --api-group=linkerd.io --no-headers",
    {
      run: "api-resources --api-group= --no-headers -o wide",
      lines: /^(configmaps|services|secrets|namespaces|serviceaccounts|events) /,
    },
    { run: "api-resources --api-group=coordination.k8s.io --no-headers -o wide", lines: /^leases/ },
    { run: "api-resources --api-group=discovery.k8s.io --no-headers", lines: /^endpointslices/ },
    {
      run: "api-versions",
      lines:
        /^(v1|.*istio.*|linkerd.io.*|coordination.k8s.io\/v1|events.k8s.io\/v1|discovery.k8s.io\/v1|apiextensions.*|authentication.k8s.io\/v1|authorization.*)$/,
    },
  ),
  row(
    "raw",
    "raw paths: health, groups, a resource list, what is not there",
    "get --raw /healthz",
    "get --raw /livez",
    "get --raw /readyz",
    { run: "get --raw /api", json: true },
    { run: "get --raw /apis/networking.istio.io", json: true },
    { run: "get --raw /apis/networking.istio.io/v1/nothing", json: true },
    "get --raw /nothing/at/all",
  ),
  row(
    "all-namespaces",
    "-A shows the namespace",
    send("apply -f -", configMap("everywhere", "")),
    { run: "get cm -A --field-selector metadata.name=everywhere", lines: /NAME|everywhere/ },
    { run: "get cm -A --field-selector metadata.name=everywhere -o jsonpath={.items[*].metadata.namespace}" },
  ),
  row(
    "managed-fields",
    "who owns what: apply, then label by another manager",
    send("apply --server-side --field-manager=owner -f -", configMap("managed")),
    "label cm managed x=y --field-manager=labeller",
    {
      run: "get cm managed -o jsonpath={.metadata.managedFields[*].manager}/{.metadata.managedFields[*].operation}",
    },
    { run: "get cm managed -o jsonpath={.metadata.managedFields[*].fieldsV1}" },
  ),
];
