/** The mesh judges each object before it is stored: what is wrong in itself is refused, the rest is warned of. */
import type { Admission } from "../../kube/apiserver/index.ts";
import { analyze } from "../../mesh/analysis/index.ts";
import {
  buildSnapshot,
  type KubeObject,
  type TranslateOptions,
  translatedKind,
  translatedKinds,
} from "../../mesh/translate/index.ts";

/** Kinds that are judged without a look at the others. */
const alone = new Set(["EndpointSlice", "Pod", "Service", "WorkloadEntry", "ConfigMap"]);
/** Not served by the embedded API server. */
const absent = new Set(["Pod"]);

export function meshAdmission(options: TranslateOptions): Admission {
  return async ({ operation, object, list }) => {
    const judged = object as unknown as KubeObject;
    const kind = translatedKind(judged);
    if (operation === "delete" || kind === undefined) return { causes: [], warnings: [] };
    const others: KubeObject[] = [];
    if (!alone.has(kind))
      for (const other of translatedKinds)
        if (!absent.has(other)) others.push(...((await list(other)) as unknown as readonly KubeObject[]));
    const { causes, warnings } = analyze(judged, buildSnapshot(others), options);
    return { causes, warnings };
  };
}
