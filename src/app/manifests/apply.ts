/** Sends objects to an API server and maps what it says back to lines of the manifest. */
import type { KindRef, KubeClient, KubeObject } from "../../kube/client/index.ts";
import { KubeError } from "../../kube/client/index.ts";
import type { Finding } from "../problem/index.ts";
import type { ManifestObject } from "./parse.ts";

export const sourceAnnotation = "weft.dev/source";

export interface ApplyOptions {
  readonly client: KubeClient;
  /** For namespaced objects that name none. */
  readonly namespace: string;
  readonly resolveKind: (apiVersion: string, kind: string) => KindRef | undefined;
  /** Known kinds for did-you-mean. */
  readonly kinds?: readonly string[];
  readonly dryRun?: boolean;
}

export interface Applied {
  readonly action: "created" | "configured" | "unchanged" | "refused";
  /** `virtualservice.networking.istio.io/reviews-route`. */
  readonly name: string;
  readonly object?: KubeObject;
  readonly findings: readonly Finding[];
}

/** `plural-less` resource name as kubectl prints it. */
export function resourceName(ref: Pick<KindRef, "kind" | "group">, name: string): string {
  return `${ref.kind.toLowerCase()}${ref.group ? `.${ref.group}` : ""}/${name}`;
}

/** Order in which a set is applied: what others name comes first. */
const order = ["Namespace", "CustomResourceDefinition", "ServiceAccount", "Secret", "ConfigMap", "Service"];
const rank = (o: ManifestObject): number => {
  const at = order.indexOf(o.object.kind);
  return at < 0 ? order.length : at;
};

/** Applies all, one after the other; a refused object does not stop the others. */
export async function applyManifests(
  objects: readonly ManifestObject[],
  options: ApplyOptions,
): Promise<readonly Applied[]> {
  const results: Applied[] = [];
  const sorted = objects.map((o, i) => ({ o, i })).sort((a, b) => rank(a.o) - rank(b.o) || a.i - b.i);
  for (const { o } of sorted) results.push(await applyOne(o, options));
  return results;
}

async function applyOne(item: ManifestObject, options: ApplyOptions): Promise<Applied> {
  const { object } = item;
  const ref = options.resolveKind(object.apiVersion, object.kind);
  if (ref === undefined) return unknownKind(item, options);
  const findings: Finding[] = [];
  const name = resourceName(ref, object.metadata.name);
  const sent: KubeObject = {
    ...object,
    metadata: {
      ...object.metadata,
      ...(ref.namespaced && !object.metadata.namespace ? { namespace: options.namespace } : {}),
      annotations: { ...object.metadata.annotations, [sourceAnnotation]: item.source() },
    },
  };
  try {
    const { action, object: stored } = await options.client.apply(ref, sent, {
      fieldValidation: "Strict",
      dryRun: options.dryRun ?? false,
      onWarning: (message) => findings.push(warning(item, message)),
    });
    return { action, name, object: stored, findings };
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    if (error.status === 0 || error.status === 401 || error.status === 403) throw error;
    return { action: "refused", name, findings: [...findings, ...refusals(item, name, error)] };
  }
}

function unknownKind(item: ManifestObject, options: ApplyOptions): Applied {
  const { apiVersion, kind, metadata } = item.object;
  const near = options.kinds?.find((k) => k.toLowerCase() === kind.toLowerCase());
  const known = near !== undefined && near !== kind;
  const finding: Finding = {
    severity: "error",
    what: `no kind ${kind} in ${apiVersion}`,
    where: item.place(known ? "kind" : "apiVersion"),
    mend: known ? `did you mean kind: ${near}?` : "`weft get kinds` lists the kinds that are served",
  };
  return { action: "refused", name: `${kind}/${metadata.name}`, findings: [finding] };
}

/** Warnings come as `field: message`; others stay with the whole object. */
function warning(item: ManifestObject, message: string): Finding {
  const match = /^((?:spec|metadata|data|status)[\w.[\]/-]*): (.*)$/s.exec(message);
  return match
    ? { severity: "warning", what: `${match[1]}: ${match[2]}`, where: item.place(match[1]!) }
    : { severity: "warning", what: message, where: item.place("") };
}

function refusals(item: ManifestObject, name: string, error: KubeError): readonly Finding[] {
  if (error.causes.length === 0) {
    const unknown = [...error.message.matchAll(/unknown field "([^"]+)"/g)].map((m) => m[1]!);
    if (unknown.length === 0)
      return [{ severity: "error", what: `${name}: ${error.message}`, where: item.place("") }];
    return unknown.map((field) => ({
      severity: "error",
      what: `unknown field ${field}`,
      where: item.keyPlace(field),
      why: `${name} was refused (${error.reason})`,
    }));
  }
  return error.causes.map((cause) => ({
    severity: "error",
    what: cause.field ? `${cause.field}: ${cause.message}` : cause.message,
    where: item.place(cause.field ?? ""),
    why: `${name} was refused (${error.reason})`,
  }));
}
