/** Kubernetes objects -> mesh and statuses. Pure. */

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
export { type TranslateOptions, type Translation, translate } from "./translate.ts";
