/** Who a workload is in metrics: Istio's rules for workload, canonical service and revision. */
import type { Workload } from "../model/index.ts";

export interface PeerLabels {
  readonly workload: string;
  readonly namespace: string;
  readonly app: string;
  readonly version: string;
  readonly service: string;
  readonly revision: string;
  readonly cluster: string;
}

export function peerOf(w: Workload): PeerLabels {
  const { labels } = w;
  const workload = labels["service.istio.io/workload-name"] ?? generation(w);
  const app = labels["app"] ?? labels["app.kubernetes.io/name"] ?? "";
  const version = labels["version"] ?? labels["app.kubernetes.io/version"] ?? "";
  return {
    workload,
    namespace: w.namespace,
    app,
    version,
    service: labels["service.istio.io/canonical-name"] ?? (app || workload),
    revision: labels["service.istio.io/canonical-revision"] ?? (version || "latest"),
    cluster: w.cluster,
  };
}

/** The name without what tells replicas apart: `reviews-v1-x7f2k` and `reviews-v1-5d4c6b7f8-x7f2k` are reviews-v1. */
function generation(w: Workload): string {
  if (w.labels["weft.dev/managed"] === "true") return w.name.replace(/-[a-z0-9]+$/, "");
  const hash = w.labels["pod-template-hash"];
  return hash === undefined
    ? w.name
    : w.name.replace(new RegExp(`-${hash.replace(/\W/g, "")}-[a-z0-9]+$`), "");
}
