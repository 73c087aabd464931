/** What the status of an object says: Istio's shape (conditions, validationMessages, observedGeneration). Pure. */
import type { ObjectStatus, Severity } from "../translate/index.ts";
import { limits } from "./limits.ts";
import type { Refusal } from "./refusals.ts";

export interface WrittenCondition {
  readonly type: string;
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

export interface WrittenStatus {
  readonly observedGeneration: number;
  readonly conditions: readonly WrittenCondition[];
  readonly validationMessages: readonly {
    readonly type: { readonly name: string; readonly code: string };
    readonly level: "ERROR" | "WARNING" | "INFO";
    readonly documentationUrl: string;
  }[];
}

/** What is ours in a status that others keep too. */
export interface GuestStatus {
  readonly conditions: readonly Omit<WrittenCondition, "observedGeneration">[];
}

const levels: Readonly<Record<Severity, "ERROR" | "WARNING" | "INFO">> = {
  error: "ERROR",
  warning: "WARNING",
  ignored: "WARNING",
  note: "INFO",
};

const cut = (text: string): string =>
  text.length <= limits.statusMessageLength ? text : `${text.slice(0, limits.statusMessageLength)}...`;

function programmed(
  refusals: readonly Refusal[],
): Pick<WrittenCondition, "type" | "status" | "reason" | "message"> {
  const [first] = refusals;
  if (first === undefined)
    return { type: "Programmed", status: "True", reason: "Programmed", message: "no proxy refuses it" };
  const others = new Set(refusals.map((r) => r.node)).size - 1;
  const where = first.field === "" ? "" : `${first.field}: `;
  const more = others === 0 ? "" : ` (and ${others} more)`;
  return {
    type: "Programmed",
    status: "False",
    reason: "RefusedByProxy",
    message: cut(`${where}${first.node}${more}: ${first.message}`),
  };
}

/** Condition of ours in a status that belongs to others: Kubernetes' rule for such names. */
const guestCondition = "weft.dev/Programmed";

/**
 * The status of an object whose status others keep too (a Service): theirs with a condition of ours, which is there
 * from the first refusal on. Undefined: there is nothing to say.
 */
export function guestStatus(
  refusals: readonly Refusal[],
  before: unknown,
  nowIso: string,
): GuestStatus | undefined {
  const conditions = (before as Partial<GuestStatus> | undefined)?.conditions;
  const all = Array.isArray(conditions) ? conditions : [];
  const old = all.find((c) => c.type === guestCondition);
  if (refusals.length === 0 && old === undefined) return undefined;
  const now = { ...programmed(refusals), type: guestCondition };
  const since = old?.status === now.status ? old.lastTransitionTime : nowIso;
  const others = all.filter((c) => c.type !== guestCondition);
  return { conditions: [...others, { ...now, lastTransitionTime: since }] };
}

/** Istio's validationMessages have no place for field and text, so they stand in a condition. */
function remarks(judged: ObjectStatus): Pick<WrittenCondition, "type" | "status" | "reason" | "message"> {
  const told = judged.messages.filter((m) => m.severity !== "note");
  if (told.length === 0) return { type: "HasWarnings", status: "False", reason: "None", message: "" };
  const text = told.map(
    (m) => `${m.field === "" ? "" : `${m.field}: `}${m.message}${m.fix ? ` (${m.fix})` : ""}`,
  );
  return { type: "HasWarnings", status: "True", reason: "SeeMessage", message: text.join("; ") };
}

/** `before`: the status that is there; a condition that stays keeps its time. */
export function writtenStatus(
  judged: ObjectStatus,
  refusals: readonly Refusal[],
  before: unknown,
  nowIso: string,
): WrittenStatus {
  const old = (before as Partial<WrittenStatus> | undefined)?.conditions ?? [];
  const wanted = [...judged.conditions, remarks(judged), programmed(refusals)];
  return {
    observedGeneration: judged.generation,
    conditions: wanted.map((c) => {
      const same = Array.isArray(old)
        ? old.find((o) => o?.type === c.type && o.status === c.status)
        : undefined;
      return {
        type: c.type,
        status: c.status,
        reason: c.reason,
        message: cut(c.message),
        observedGeneration: judged.generation,
        lastTransitionTime: same?.lastTransitionTime ?? nowIso,
      };
    }),
    validationMessages: judged.messages.slice(0, limits.statusMessages).map((m) => ({
      type: { name: m.code, code: m.code },
      level: levels[m.severity],
      documentationUrl: "",
    })),
  };
}
