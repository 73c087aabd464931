/**
 * Schemas of the Istio kinds. Structure (fields, types, enums) comes from gen/istio.json, made at build time by
 * tools/schemas.ts; ranges, patterns and one-ofs from the compiled validators of the same package. Both are
 * loaded at first use: the control plane starts without them.
 */
import { type Cause, childPath, type Schema } from "./schema.ts";

export type IstioKind =
  | "VirtualService"
  | "DestinationRule"
  | "WorkloadEntry"
  | "ServiceEntry"
  | "Gateway"
  | "Sidecar"
  | "WorkloadGroup"
  | "EnvoyFilter"
  | "ProxyConfig"
  | "PeerAuthentication"
  | "AuthorizationPolicy"
  | "RequestAuthentication"
  | "Telemetry"
  | "WasmPlugin";

interface PackageError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly message?: string;
  readonly params: Readonly<Record<string, unknown>>;
}
interface Model {
  validate(): void;
}
type ModelClass = new (data: unknown) => Model;

/** Each is a line of its own: the bundler must see the paths. */
const loaders: Readonly<Record<IstioKind, () => Promise<unknown>>> = {
  VirtualService: async () =>
    (await import("@kubernetes-models/istio/networking.istio.io/v1/VirtualService")).VirtualService,
  DestinationRule: async () =>
    (await import("@kubernetes-models/istio/networking.istio.io/v1/DestinationRule")).DestinationRule,
  WorkloadEntry: async () =>
    (await import("@kubernetes-models/istio/networking.istio.io/v1/WorkloadEntry")).WorkloadEntry,
  ServiceEntry: async () =>
    (await import("@kubernetes-models/istio/networking.istio.io/v1/ServiceEntry")).ServiceEntry,
  Gateway: async () => (await import("@kubernetes-models/istio/networking.istio.io/v1/Gateway")).Gateway,
  Sidecar: async () => (await import("@kubernetes-models/istio/networking.istio.io/v1/Sidecar")).Sidecar,
  WorkloadGroup: async () =>
    (await import("@kubernetes-models/istio/networking.istio.io/v1/WorkloadGroup")).WorkloadGroup,
  EnvoyFilter: async () =>
    (await import("@kubernetes-models/istio/networking.istio.io/v1alpha3/EnvoyFilter")).EnvoyFilter,
  ProxyConfig: async () =>
    (await import("@kubernetes-models/istio/networking.istio.io/v1beta1/ProxyConfig")).ProxyConfig,
  PeerAuthentication: async () =>
    (await import("@kubernetes-models/istio/security.istio.io/v1/PeerAuthentication")).PeerAuthentication,
  AuthorizationPolicy: async () =>
    (await import("@kubernetes-models/istio/security.istio.io/v1/AuthorizationPolicy")).AuthorizationPolicy,
  RequestAuthentication: async () =>
    (await import("@kubernetes-models/istio/security.istio.io/v1/RequestAuthentication"))
      .RequestAuthentication,
  Telemetry: async () => (await import("@kubernetes-models/istio/telemetry.istio.io/v1/Telemetry")).Telemetry,
  WasmPlugin: async () =>
    (await import("@kubernetes-models/istio/extensions.istio.io/v1alpha1/WasmPlugin")).WasmPlugin,
};

let structures: Promise<Record<IstioKind, Schema>> | undefined;

/** The structural schema of `spec` and `status` of a kind. */
export async function istioSchema(kind: IstioKind): Promise<Schema> {
  structures ??= import("./gen/istio.json").then(({ default: raw }) => extend(raw as never));
  return (await structures)[kind];
}

/**
 * An entry of `http[].route` may carry a nested `route` (null, empty or a list): the seed's manifest has one, and
 * DESIGN.md section 7 says what it means. A destination is therefore not required here; see `checkIstio`.
 */
function extend(all: Record<IstioKind, Schema>): Record<IstioKind, Schema> {
  const spec = all.VirtualService.properties!["spec"]!;
  const http = spec.properties!["http"]!;
  const rule = http.items!.properties!;
  const entry = rule["route"]!.items!;
  const { required: _, ...loose } = entry;
  const nested: Schema = {
    type: "array",
    items: entry,
    description: "A nested list of destinations; it ends the rule, and its entries make a rule of their own.",
  };
  const route = {
    ...rule["route"]!,
    items: { ...loose, properties: { ...entry.properties, route: nested } },
  };
  const extended = { ...http, items: { ...http.items!, properties: { ...rule, route } } };
  const virtualService: Schema = {
    ...all.VirtualService,
    properties: {
      ...all.VirtualService.properties,
      spec: { ...spec, properties: { ...spec.properties, http: extended } },
    },
  };
  return {
    ...all,
    VirtualService: virtualService,
    EnvoyFilter: opened(all.EnvoyFilter, [
      "properties",
      "spec",
      "properties",
      "configPatches",
      "items",
      "properties",
      "patch",
      "properties",
      "value",
    ]),
    WasmPlugin: opened(all.WasmPlugin, ["properties", "spec", "properties", "pluginConfig"]),
  };
}

/** With any fields at a place that holds somebody else's configuration. */
function opened(schema: Schema, [step, ...rest]: readonly string[]): Schema {
  if (step === undefined) return { ...schema, anything: true };
  const inner = (schema as Readonly<Record<string, Schema | undefined>>)[step];
  return inner === undefined ? schema : { ...schema, [step]: opened(inner, rest) };
}

/** What the package's validator says beyond types: one-ofs, ranges, patterns. Call it on a well-typed spec. */
export async function checkIstio(kind: IstioKind, spec: unknown): Promise<Cause[]> {
  const Type = (await loaders[kind]()) as ModelClass;
  try {
    new Type({
      metadata: { name: "x" },
      spec: kind === "VirtualService" ? withoutNested(spec) : spec,
    }).validate();
    return [];
  } catch (e) {
    const errors = (e as { errors?: readonly PackageError[] }).errors;
    if (!Array.isArray(errors)) throw e;
    return causesOf(errors as readonly PackageError[]);
  }
}

interface Entry {
  readonly destination?: unknown;
  readonly route?: unknown;
}

/** A stand-in destination for entries that hold nothing but a nested list, so that the rest is still checked. */
function withoutNested(spec: unknown): unknown {
  const http = (spec as { http?: readonly { route?: readonly Entry[] }[] } | undefined)?.http;
  if (!Array.isArray(http)) return spec;
  return {
    ...(spec as object),
    http: http.map((rule) =>
      Array.isArray(rule?.route)
        ? {
            ...rule,
            route: rule.route.map((e: Entry | null) =>
              isNestedOnly(e) ? { destination: { host: "x" } } : e,
            ),
          }
        : rule,
    ),
  };
}

/** `{}` or `{route: null | [] | [...]}`: an entry that opens a nested list and says nothing else. */
function isNestedOnly(entry: Entry | null): boolean {
  return (
    entry === null || (entry.destination === undefined && Object.keys(entry).every((k) => k === "route"))
  );
}

/** One cause a field: a failed one-of reports each branch, of which the outermost error says it best. */
function causesOf(errors: readonly PackageError[]): Cause[] {
  const combined = new Set(["oneOf", "anyOf", "not"]);
  const outer = errors.filter((e) => combined.has(e.keyword)).map((e) => e.instancePath);
  const causes = new Map<string, Cause>();
  for (const error of errors) {
    const inside = outer.some(
      (path) => error.instancePath === path || error.instancePath.startsWith(`${path}/`),
    );
    if (inside && !combined.has(error.keyword)) continue;
    const cause = causeOf(error);
    if (!causes.has(cause.field)) causes.set(cause.field, cause);
  }
  return [...causes.values()];
}

function causeOf(error: PackageError): Cause {
  const path = error.instancePath
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((at, part) => (/^\d+$/.test(part) ? `${at}[${part}]` : childPath(at, part)), "");
  if (error.keyword === "required") {
    const field = childPath(path, String(error.params["missingProperty"]));
    return { field, message: "Required value", reason: "FieldValueRequired" };
  }
  const text: Readonly<Record<string, string>> = {
    oneOf: "must have exactly one of its alternatives",
    anyOf: "must have exactly one of its alternatives",
    not: "must not combine fields that exclude each other",
    type: `must be of type ${error.params["type"]}`,
  };
  return {
    field: path,
    message: `Invalid value: ${text[error.keyword] ?? error.message ?? error.keyword}`,
    reason: "FieldValueInvalid",
  };
}
