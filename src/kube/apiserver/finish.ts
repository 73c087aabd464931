/** What an object gets last, when its identity is known. */
import type { Catalog } from "./catalog.ts";
import { definitionKind, settleDefinition } from "./definitions.ts";
import type { Json } from "./fields.ts";
import type { Finish } from "./registry.ts";

/** The finish of the server's kinds. */
export const finishers =
  (catalog: Catalog): Finish =>
  (doc, { kind }, tools) => {
    if (kind === definitionKind) settleDefinition(catalog, doc, tools);
    else if (kind.group === "batch" && kind.kind === "Job")
      selectPods(doc["spec"] as Json, doc.metadata.uid!, doc.metadata.name);
  };

/** A Job finds its pods by labels that Kubernetes makes of its uid, unless its author chose them. */
function selectPods(spec: Json, uid: string, name: string): void {
  if (spec["manualSelector"] === true || spec["selector"]) return;
  const key = "batch.kubernetes.io/controller-uid";
  spec["selector"] = { matchLabels: { [key]: uid } };
  const template = spec["template"] as { metadata?: { labels?: Json } };
  const labels = {
    "controller-uid": uid,
    "job-name": name,
    [key]: uid,
    "batch.kubernetes.io/job-name": name,
  };
  template.metadata = { ...template.metadata, labels: { ...template.metadata?.labels, ...labels } };
}
