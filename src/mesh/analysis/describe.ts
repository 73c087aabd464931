/** What became of each applied object, for people: `weft dev -f` prints it. */
import type { Mesh, ObjectRef } from "../model/index.ts";
import { refName } from "../model/index.ts";
import {
  type KubeSnapshot,
  type StatusMessage,
  type TranslateOptions,
  translate,
} from "../translate/index.ts";
import { sentencesFor } from "./sentences.ts";

/** One object: what of it acts, what acts otherwise than written, what is ignored. */
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
export function describe(
  snapshot: KubeSnapshot,
  files?: ReadonlyMap<string, string>,
  options: TranslateOptions = {},
): readonly Described[] {
  const { mesh, statuses } = translate(snapshot, options);
  return statuses
    .filter((s) => files === undefined || files.has(refName(s.ref)))
    .map((status) => {
      const file = files?.get(refName(status.ref));
      const of = (severity: StatusMessage["severity"]): readonly StatusMessage[] =>
        status.messages.filter((m) => m.severity === severity);
      return {
        ref: status.ref,
        ...(file !== undefined && { file }),
        acts: sentences(mesh, status.ref),
        differs: of("warning"),
        ignored: of("ignored"),
        errors: of("error"),
        notes: of("note"),
      };
    });
}

function sentences(mesh: Mesh, ref: ObjectRef): readonly string[] {
  return sentencesFor(mesh, refName(ref));
}
