import type { ObjectRef } from "../model/index.ts";
import type { KubeSnapshot, StatusMessage, TranslateOptions } from "../translate/index.ts";

/** One object, for people: what of it acts, what acts otherwise than written, what is ignored. */
export interface Described {
  readonly ref: ObjectRef;
  /** File it came from, where given. */
  readonly file?: string;
  /** Sentences. */
  readonly acts: readonly string[];
  readonly differs: readonly StatusMessage[];
  readonly ignored: readonly StatusMessage[];
  readonly errors: readonly StatusMessage[];
  readonly notes: readonly StatusMessage[];
}

/** `files`: `Kind/namespace/name` -> file; with it only those objects are told of. */
export declare function describe(
  snapshot: KubeSnapshot,
  files?: ReadonlyMap<string, string>,
  options?: TranslateOptions,
): readonly Described[];
