/** Kubernetes objects -> mesh and statuses. Pure. */

export type { TranslateOptions } from "./options.ts";
export type { Blame, Report } from "./report.ts";
export { sourceAnnotation, sourceOf } from "./report.ts";
export {
  buildSnapshot,
  type KubeObject,
  type KubeSnapshot,
  namespaceOf,
  refOf,
  type TranslatedKind,
  translatedKind,
  translatedKinds,
} from "./snapshot.ts";
export type { Condition, ObjectStatus, Severity, StatusMessage } from "./status.ts";
export { refreshEndpoints, type Translation, translate, translateDraft } from "./translate.ts";
