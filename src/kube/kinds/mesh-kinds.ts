/** Kinds of the meshes: Istio's, Linkerd's, the Gateway API's and SMI's. `inert` says which have no effect yet. */
import { columns, pathColumn } from "./columns.ts";
import { type IstioKind, istioSchema } from "./istio-schema.ts";
import { type Kind, makeKind } from "./kind.ts";
import { serviceProfileSchema } from "./linkerd-schema.ts";
import { shapeSchema } from "./shapes.ts";
import { rateLimitSchema } from "./weft-schema.ts";

const notYet = (kind: string): string => `${kind} is stored and validated, but has no effect yet`;

const istio = (
  group: string,
  kind: IstioKind,
  plural: string,
  more: Partial<Kind> & { readonly shortNames: readonly string[] },
): Kind =>
  makeKind({
    group: `${group}.istio.io`,
    kind,
    plural,
    versions: ["v1", "v1beta1", "v1alpha3"],
    categories: ["istio-io", ...(group === "networking" || group === "security" ? ["all"] : [])],
    statusSubresource: true,
    generation: true,
    custom: true,
    columns: columns[kind] ?? [],
    schema: () => istioSchema(kind),
    ...more,
  });

const security = ["v1", "v1beta1"] as const;

const istioKinds: readonly Kind[] = [
  istio("networking", "VirtualService", "virtualservices", { shortNames: ["vs"] }),
  istio("networking", "DestinationRule", "destinationrules", { shortNames: ["dr"] }),
  istio("networking", "WorkloadEntry", "workloadentries", { shortNames: ["we"] }),
  istio("networking", "ServiceEntry", "serviceentries", {
    shortNames: ["se"],
    columns: [
      pathColumn("Hosts", ".spec.hosts"),
      pathColumn("Location", ".spec.location"),
      pathColumn("Resolution", ".spec.resolution"),
    ],
  }),
  istio("networking", "Gateway", "gateways", { shortNames: ["gw"], inert: notYet("Gateway") }),
  istio("networking", "Sidecar", "sidecars", { shortNames: [] }),
  istio("networking", "WorkloadGroup", "workloadgroups", {
    shortNames: ["wg"],
    inert: notYet("WorkloadGroup"),
  }),
  istio("networking", "EnvoyFilter", "envoyfilters", {
    shortNames: [],
    versions: ["v1alpha3"],
    inert: "EnvoyFilter has no effect: Weft's proxies are not configured past the mesh's own model (yet)",
  }),
  istio("networking", "ProxyConfig", "proxyconfigs", {
    shortNames: [],
    versions: ["v1beta1"],
    inert: notYet("ProxyConfig"),
  }),
  istio("security", "PeerAuthentication", "peerauthentications", { shortNames: ["pa"], versions: security }),
  istio("security", "AuthorizationPolicy", "authorizationpolicies", {
    shortNames: ["ap"],
    versions: security,
    inert: notYet("AuthorizationPolicy"),
    columns: [pathColumn("Action", ".spec.action")],
  }),
  istio("security", "RequestAuthentication", "requestauthentications", {
    shortNames: ["ra"],
    versions: security,
    inert: notYet("RequestAuthentication"),
  }),
  istio("telemetry", "Telemetry", "telemetries", {
    shortNames: ["telemetry"],
    versions: ["v1", "v1alpha1"],
    inert: notYet("Telemetry"),
  }),
  istio("extensions", "WasmPlugin", "wasmplugins", {
    shortNames: [],
    versions: ["v1alpha1"],
    inert: "WasmPlugin has no effect: proxies run no WebAssembly (yet)",
  }),
];

/** A kind whose shape is written per version in shapes/<file>.txt. */
const shaped = (
  file: string,
  group: string,
  kind: string,
  plural: string,
  versions: readonly string[],
  more: Partial<Kind> = {},
): Kind =>
  makeKind({
    group,
    kind,
    plural,
    versions,
    generation: true,
    custom: true,
    inert: notYet(`${kind}.${group}`),
    schema: (version = versions[0]!) => Promise.resolve(shapeSchema(file, `${kind}.${version}`)),
    ...more,
  });

const gateway = (kind: string, plural: string, versions: readonly string[], more: Partial<Kind> = {}): Kind =>
  shaped("gateway", "gateway.networking.k8s.io", kind, plural, versions, {
    statusSubresource: true,
    categories: ["gateway-api"],
    ...more,
  });

const condition = (type: string) => `.status.conditions[?(@.type=="${type}")].status`;
const hostnames = [pathColumn("Hostnames", ".spec.hostnames")];

const gatewayKinds: readonly Kind[] = [
  gateway("GatewayClass", "gatewayclasses", ["v1", "v1beta1"], {
    shortNames: ["gc"],
    namespaced: false,
    columns: [
      pathColumn("Controller", ".spec.controllerName"),
      pathColumn("Accepted", condition("Accepted")),
      pathColumn("Description", ".spec.description", { wide: true }),
    ],
  }),
  gateway("Gateway", "gateways", ["v1", "v1beta1"], {
    shortNames: ["gtw"],
    columns: [
      pathColumn("Class", ".spec.gatewayClassName"),
      pathColumn("Address", ".status.addresses[*].value"),
      pathColumn("Programmed", condition("Programmed")),
    ],
  }),
  gateway("ListenerSet", "listenersets", ["v1"], {
    shortNames: ["lset"],
    columns: [
      pathColumn("Accepted", condition("Accepted")),
      pathColumn("Programmed", condition("Programmed")),
    ],
  }),
  gateway("HTTPRoute", "httproutes", ["v1", "v1beta1"], { columns: hostnames }),
  gateway("GRPCRoute", "grpcroutes", ["v1"], { columns: hostnames }),
  gateway("TLSRoute", "tlsroutes", ["v1", "v1alpha3", "v1alpha2"]),
  gateway("TCPRoute", "tcproutes", ["v1", "v1alpha2"]),
  gateway("UDPRoute", "udproutes", ["v1", "v1alpha2"]),
  gateway("ReferenceGrant", "referencegrants", ["v1", "v1beta1"], {
    shortNames: ["refgrant"],
    storageVersion: "v1beta1",
    statusSubresource: false,
  }),
  gateway("BackendTLSPolicy", "backendtlspolicies", ["v1", "v1alpha3"], { shortNames: ["btlspolicy"] }),
];

const policy = (kind: string, plural: string, versions: readonly string[], more: Partial<Kind> = {}): Kind =>
  shaped("linkerd", "policy.linkerd.io", kind, plural, versions, more);

const linkerdKinds: readonly Kind[] = [
  makeKind({
    group: "linkerd.io",
    versions: ["v1alpha2"],
    kind: "ServiceProfile",
    plural: "serviceprofiles",
    shortNames: ["sp"],
    statusSubresource: true,
    generation: true,
    custom: true,
    schema: () => Promise.resolve(serviceProfileSchema),
  }),
  policy("Server", "servers", ["v1beta3", "v1beta2", "v1beta1", "v1alpha1"], {
    shortNames: ["srv"],
    columns: [
      pathColumn("Port", ".spec.port"),
      pathColumn("Protocol", ".spec.proxyProtocol"),
      pathColumn("Access Policy", ".spec.accessPolicy"),
    ],
  }),
  policy("ServerAuthorization", "serverauthorizations", ["v1beta1", "v1alpha1"], {
    shortNames: ["saz", "serverauthz", "srvauthz"],
    columns: [pathColumn("Server", ".spec.server.name")],
  }),
  policy("AuthorizationPolicy", "authorizationpolicies", ["v1alpha1"], { shortNames: ["authzpolicy"] }),
  policy("MeshTLSAuthentication", "meshtlsauthentications", ["v1alpha1"], { shortNames: ["meshtlsauthn"] }),
  policy("NetworkAuthentication", "networkauthentications", ["v1alpha1"], {
    shortNames: ["netauthn", "networkauthn"],
  }),
  policy("HTTPRoute", "httproutes", ["v1beta3", "v1beta2", "v1beta1", "v1alpha1"], {
    statusSubresource: true,
    columns: hostnames,
  }),
  policy("HTTPLocalRateLimitPolicy", "httplocalratelimitpolicies", ["v1alpha1"], {
    statusSubresource: true,
    columns: [
      pathColumn("Target_kind", ".spec.targetRef.kind"),
      pathColumn("Target_name", ".spec.targetRef.name"),
      pathColumn("Total_RPS", ".spec.total.requestsPerSecond"),
      pathColumn("Identity_RPS", ".spec.identity.requestsPerSecond"),
    ],
  }),
  policy("EgressNetwork", "egressnetworks", ["v1alpha1"], {
    statusSubresource: true,
    categories: ["policy"],
  }),
  shaped("linkerd", "workload.linkerd.io", "ExternalWorkload", "externalworkloads", ["v1beta1", "v1alpha1"], {
    statusSubresource: true,
    categories: ["external"],
    columns: [pathColumn("Identity", ".spec.meshTLS.identity")],
  }),
];

const smiKinds: readonly Kind[] = [
  shaped(
    "smi",
    "split.smi-spec.io",
    "TrafficSplit",
    "trafficsplits",
    ["v1alpha4", "v1alpha3", "v1alpha2", "v1alpha1"],
    { shortNames: ["ts"], columns: [pathColumn("Service", ".spec.service")] },
  ),
  shaped(
    "smi",
    "access.smi-spec.io",
    "TrafficTarget",
    "traffictargets",
    ["v1alpha3", "v1alpha2", "v1alpha1"],
    { shortNames: ["tt"] },
  ),
  shaped(
    "smi",
    "specs.smi-spec.io",
    "HTTPRouteGroup",
    "httproutegroups",
    ["v1alpha4", "v1alpha3", "v1alpha2", "v1alpha1"],
    { shortNames: ["htr"] },
  ),
  shaped("smi", "specs.smi-spec.io", "TCPRoute", "tcproutes", ["v1alpha4"], { shortNames: ["tr"] }),
];

const weftKinds: readonly Kind[] = [
  makeKind({
    group: "weft.dev",
    versions: ["v1alpha1"],
    kind: "RateLimit",
    plural: "ratelimits",
    shortNames: [],
    statusSubresource: true,
    generation: true,
    custom: true,
    columns: [pathColumn("Host", ".spec.host")],
    schema: () => Promise.resolve(rateLimitSchema),
  }),
];

export const meshKinds: readonly Kind[] = [
  ...weftKinds,
  ...istioKinds,
  ...linkerdKinds,
  ...gatewayKinds,
  ...smiKinds,
];
