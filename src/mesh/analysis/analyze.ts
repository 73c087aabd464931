/** Judges one object as admission does: wrong in itself is refused, wrong by reference is warned of. */
import {
  buildSnapshot,
  type KubeObject,
  type KubeSnapshot,
  namespaceOf,
  type StatusMessage,
  type TranslatedKind,
  type TranslateOptions,
  translateDraft,
  translatedKind,
} from "../translate/index.ts";

/** As in a Kubernetes Status: reason is one of FieldValueInvalid, FieldValueRequired... */
export interface Cause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

export interface Analysis {
  /** Wrong in itself: the object is to be refused. */
  readonly causes: readonly Cause[];
  /** API warnings, each `field: message`. */
  readonly warnings: readonly string[];
  /** The same and notes, with severities, for callers that show positions. */
  readonly messages: readonly StatusMessage[];
}

/** Kinds that are judged without the others: they refer to nothing, and are written often. */
const alone = new Set<TranslatedKind>(["EndpointSlice", "Pod", "Service", "WorkloadEntry"]);

const nothing: Analysis = { causes: [], warnings: [], messages: [] };

/** Judges an object that is about to be written over a snapshot of the others. Kinds it does not know pass. */
export function analyze(
  object: KubeObject,
  snapshot: KubeSnapshot = buildSnapshot([]),
  options: TranslateOptions = {},
): Analysis {
  const kind = translatedKind(object);
  if (kind === undefined) return nothing;
  const around = alone.has(kind) ? buildSnapshot([]) : snapshot;
  const draft = translateDraft(withObject(around, object), options);
  const report = draft.reports.get(object);
  if (report === undefined) return nothing;
  const own = report.messages("self");
  const causes = own.filter((m) => m.severity === "error").map(causeOf);
  const messages = report.messages();
  const references = report.messages("reference").filter((m) => m.severity === "error");
  const warned = [
    ...references,
    ...messages.filter((m) => m.severity === "warning" || m.severity === "ignored"),
  ];
  return { causes, warnings: warned.map(sentence), messages };
}

/** The object in place of the one that it would replace. */
function withObject(snapshot: KubeSnapshot, object: KubeObject): KubeSnapshot {
  const kind = translatedKind(object)!;
  const others = (snapshot.byKind.get(kind) ?? []).filter(
    (o) => o.metadata.name !== object.metadata.name || namespaceOf(o) !== namespaceOf(object),
  );
  const same = buildSnapshot([...others, object]).byKind.get(kind) ?? [];
  return { byKind: new Map([...snapshot.byKind, [kind, same]]) };
}

function causeOf(message: StatusMessage): Cause {
  const reason = message.code === "required" ? "FieldValueRequired" : "FieldValueInvalid";
  return { reason, message: withFix(message), field: message.field };
}

function sentence(message: StatusMessage): string {
  return message.field === "" ? withFix(message) : `${message.field}: ${withFix(message)}`;
}

function withFix(message: StatusMessage): string {
  return message.fix === undefined ? message.message : `${message.message} (${message.fix})`;
}
