/** What became of each object: the user's mistakes are data, never exceptions. */
import type { ObjectRef } from "../model/index.ts";

/**
 * error: this part is left out or answers 503. warning: it acts otherwise than written. ignored: accepted and not
 * in effect. note: worth knowing.
 */
export type Severity = "error" | "warning" | "ignored" | "note";

export interface StatusMessage {
  readonly severity: Severity;
  /** Stable, kebab-case: `undefined-subset`. */
  readonly code: string;
  /** `spec.http[0].route[1]`; "" means the whole object. */
  readonly field: string;
  readonly message: string;
  /** How to mend it. */
  readonly fix?: string;
}

/** Accepted: the object itself is sound and takes part. ResolvedRefs: what it names exists. */
export interface Condition {
  readonly type: "Accepted" | "ResolvedRefs";
  readonly status: "True" | "False";
  /** CamelCase word, as Kubernetes' conditions have. */
  readonly reason: string;
  readonly message: string;
}

export interface ObjectStatus {
  readonly ref: ObjectRef;
  /** metadata.generation that was judged; 0 where the object has none. */
  readonly generation: number;
  readonly conditions: readonly Condition[];
  /** In order of field. */
  readonly messages: readonly StatusMessage[];
}
