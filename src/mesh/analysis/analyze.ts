import type { KubeObject, KubeSnapshot, StatusMessage, TranslateOptions } from "../translate/index.ts";

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

/** Judges an object that is about to be written over a snapshot of the others. Kinds it does not know pass. */
export declare function analyze(
  object: KubeObject,
  snapshot?: KubeSnapshot,
  options?: TranslateOptions,
): Analysis;
