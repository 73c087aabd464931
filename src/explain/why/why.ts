/** Why a request goes where it goes: objects -> mesh -> the caller's configuration -> its own matcher, in one go. */
import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import type { Mesh, MtlsRule, Service, Workload } from "../../mesh/model/index.ts";
import { mtlsFor } from "../../mesh/model/index.ts";
import { renderFor } from "../../mesh/render/index.ts";
import {
  buildSnapshot,
  type KubeObject,
  type TranslateOptions,
  translate,
} from "../../mesh/translate/index.ts";
import { type CompiledResource, compileAny, describeProblems } from "../../proxy/compile/index.ts";
import { type Explanation, explain, tablesOf } from "../../proxy/explain/index.ts";
import { type Effect, effectsOf } from "./effects.ts";

export interface WhyRequest {
  /** Workload or service, `NAME` or `NAME.NAMESPACE`. */
  readonly source: string;
  /** Host as the caller writes it, with or without port. */
  readonly destination: string;
  readonly namespace: string;
  readonly method: string;
  readonly path: string;
  /** Flat: name, value, ... */
  readonly headers: readonly string[];
}

/** What the receiving side asks of callers. */
export interface Reception {
  readonly workload: string;
  readonly address: string;
  readonly mtls: MtlsRule;
  readonly sidecar: boolean;
}

export interface Why {
  readonly source: Workload;
  readonly explanation: Explanation;
  readonly receptions: readonly Reception[];
  /** What the deciding rule and policies do besides. */
  readonly effects: readonly Effect[];
  /** Messages of the objects that take part. */
  readonly notes: readonly { readonly object: string; readonly field: string; readonly message: string }[];
}

export type WhyResult =
  | { readonly ok: true; readonly why: Why }
  | { readonly ok: false; readonly reason: string; readonly near: readonly string[] };

/** Pure. Not knowing the caller is data; everything else has an answer. */
export function whyOf(
  objects: Iterable<KubeObject>,
  request: WhyRequest,
  options: TranslateOptions,
): WhyResult {
  const snapshot = buildSnapshot(objects);
  const { mesh, statuses } = translate(snapshot, options);
  const source = findCaller(mesh, request);
  if (source === undefined) {
    const near = [...new Set(mesh.workloads.flatMap((w) => [w.labels["app"] ?? w.name]))];
    return { ok: false, reason: `no workload or service ${request.source} in the mesh`, near };
  }
  const tables = tablesOf(compileFor(mesh, source));
  const explanation = explain(tables, {
    routeTable: "http_proxy",
    method: request.method,
    path: request.path,
    authority: request.destination,
    headers: request.headers,
  });
  const deciding = owners(explanation);
  const notes = statuses.flatMap((s) => {
    const object = `${s.ref.kind}/${s.ref.namespace}/${s.ref.name}`;
    const fields = deciding.get(object);
    const concerning = fields === undefined ? [] : s.messages.filter((m) => concerns(m.field, fields));
    return concerning.map(({ field, message }) => ({ object, field, message }));
  });
  return {
    ok: true,
    why: {
      source,
      explanation,
      receptions: receptions(mesh, explanation),
      effects: effectsOf(mesh, explanation),
      notes,
    },
  };
}

/** A workload of that name, else the first (by key) that carries the service's selector label or serves it. */
function findCaller(mesh: Mesh, request: WhyRequest): Workload | undefined {
  const dot = request.source.indexOf(".");
  const name = dot < 0 ? request.source : request.source.slice(0, dot);
  const namespace = dot < 0 ? request.namespace : request.source.slice(dot + 1).split(".")[0];
  const here = mesh.workloads.filter((w) => w.namespace === namespace);
  const serving = mesh.services.find((s: Service) => s.name === name && s.namespace === namespace);
  const keys = new Set(serving?.ports.flatMap((p) => p.endpoints.map((e) => e.workload)));
  return (
    here.find((w) => w.name === name) ??
    here.find((w) => keys.has(w.key)) ??
    here.find((w) => w.labels["app"] === name)
  );
}

function compileFor(mesh: Mesh, source: Workload): readonly CompiledResource[] {
  const rendered = renderFor(mesh, {
    id: source.key,
    kind: "weft",
    namespace: source.namespace,
    serviceAccount: source.serviceAccount,
    workload: source.name,
    address: source.address,
    labels: source.labels,
    features: [],
  });
  const compiled: CompiledResource[] = [];
  for (const resources of rendered.values())
    for (const { typeUrl, bytes, name } of resources.values()) {
      const outcome = compileAny(create(AnySchema, { typeUrl, value: bytes }));
      if (outcome.resource === undefined)
        throw new Error(`${name}: the proxy would refuse it: ${describeProblems(outcome.errors)}`);
      compiled.push(outcome.resource);
    }
  return compiled;
}

/** Objects that decided something, and the fields of them that did. */
function owners(e: Explanation): ReadonlyMap<string, readonly string[]> {
  const clusters = e.outcome.kind === "route" ? e.outcome.clusters : [];
  const found = new Map<string, string[]>();
  for (const owner of [e.host?.owner, e.route?.owner, ...clusters.map((c) => c.owner)])
    if (owner) found.set(owner.object, [...(found.get(owner.object) ?? []), owner.field ?? ""]);
  return found;
}

/** A message about one of the deciding fields, about something in it, or about the object as a whole. */
function concerns(field: string, deciding: readonly string[]): boolean {
  const around = (a: string, b: string): boolean => b === a || b.startsWith(`${a}.`) || b.startsWith(`${a}[`);
  if (!/^spec\.(http|routes)\[/.test(field)) return true;
  return deciding.some((d) => d !== "" && around(d, field));
}

function receptions(mesh: Mesh, e: Explanation): readonly Reception[] {
  if (e.outcome.kind !== "route") return [];
  const endpoints = e.outcome.clusters.flatMap((c) => c.endpoints);
  const addresses = new Set(endpoints.map((p) => p.address.replace(/:\d+$/, "")));
  const port = Number(e.host?.name.split(":")[1] ?? 0);
  return mesh.workloads
    .filter((w) => addresses.has(w.address))
    .map((w) => ({
      workload: w.name,
      address: w.address,
      mtls: mtlsFor(w.authentication, port),
      sidecar: w.sidecar,
    }));
}
