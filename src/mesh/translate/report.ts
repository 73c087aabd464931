/** Collects what is to be said of one object. */
import { type ObjectRef, type Origin, refName } from "../model/index.ts";
import { type KubeObject, refOf } from "./snapshot.ts";
import type { Condition, ObjectStatus, Severity, StatusMessage } from "./status.ts";

/** Where the error lies: in the object alone (admission refuses it), or in what it refers to. */
export type Blame = "self" | "reference";

interface Entry extends StatusMessage {
  readonly blame: Blame;
}

/** Texts of one message. */
export interface Note {
  readonly code: string;
  readonly message: string;
  readonly fix?: string;
}

/** Annotation in which `weft apply` keeps positions: `FILE:LINE:COL[ FIELD=LINE:COL]...`. */
export const sourceAnnotation = "weft.dev/source";

/** `route[10]` after `route[9]`. */
const naturally = new Intl.Collator("en", { numeric: true });

export class Report {
  readonly ref: ObjectRef;
  private readonly object: KubeObject;
  private readonly entries: Entry[] = [];

  constructor(object: KubeObject) {
    this.object = object;
    this.ref = refOf(object);
  }

  add(severity: Severity, field: string, note: Note, blame: Blame = "self"): void {
    if (this.entries.some((e) => e.field === field && e.code === note.code && e.message === note.message))
      return;
    this.entries.push({ severity, field, ...note, blame });
  }

  /** `VirtualService/default/reviews`. */
  get name(): string {
    return refName(this.ref);
  }

  /** Wrong in itself: the object is left out. */
  get invalid(): boolean {
    return this.entries.some((e) => e.severity === "error" && e.blame === "self");
  }

  /** In order of field. */
  messages(blame?: Blame): readonly StatusMessage[] {
    return this.entries
      .filter((e) => blame === undefined || e.blame === blame)
      .sort((a, b) => naturally.compare(a.field, b.field))
      .map(({ blame: _, ...message }) => message);
  }

  origin(field?: string): Origin {
    const source = sourceOf(this.object.metadata.annotations?.[sourceAnnotation], field ?? "");
    return {
      object: refName(this.ref),
      ...(field !== undefined && field !== "" && { field }),
      ...(source !== undefined && { source }),
    };
  }

  status(): ObjectStatus {
    const self = this.entries.filter((e) => e.severity === "error" && e.blame === "self");
    const unresolved = this.entries.filter((e) => e.severity === "error" && e.blame === "reference");
    const conflict = self.length === 0 && unresolved.find((e) => e.code === "conflict");
    const accepted: Condition = conflict
      ? { type: "Accepted", status: "False", reason: "Conflict", message: conflict.message }
      : condition("Accepted", self, "Accepted", "Invalid");
    return {
      ref: this.ref,
      generation: this.object.metadata.generation ?? 0,
      conditions: [
        accepted,
        condition(
          "ResolvedRefs",
          unresolved.filter((e) => e.code !== "conflict"),
          "ResolvedRefs",
          "UnresolvedRefs",
        ),
      ],
      messages: this.messages(),
    };
  }
}

function condition(type: Condition["type"], errors: readonly Entry[], ok: string, bad: string): Condition {
  if (errors.length === 0) return { type, status: "True", reason: ok, message: "" };
  const message = errors.map((e) => (e.field === "" ? e.message : `${e.field}: ${e.message}`)).join("; ");
  return { type, status: "False", reason: bad, message };
}

/** Position of a field, or of the nearest one around it that the annotation knows. */
export function sourceOf(annotation: string | undefined, field: string): string | undefined {
  if (annotation === undefined || annotation === "") return undefined;
  const [whole = "", ...fields] = annotation.split(" ");
  const file = whole.replace(/(:\d+){0,2}$/, "");
  let best = "";
  let position: string | undefined;
  for (const entry of fields) {
    const at = entry.lastIndexOf("=");
    const name = entry.slice(0, at);
    const around = field === name || field.startsWith(`${name}.`) || field.startsWith(`${name}[`);
    if (at <= 0 || !around || name.length <= best.length) continue;
    best = name;
    position = `${file}:${entry.slice(at + 1)}`;
  }
  return position ?? whole;
}
