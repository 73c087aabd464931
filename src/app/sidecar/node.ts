/** Who a sidecar says it is, to the control plane and to other proxies. */
import type { Registration } from "./register.ts";
import { workloadLabels } from "./register.ts";

/** What replicas have in common, `reviews-v1`: the workload of metrics, as endpoint metadata names it. */
function generation(r: Registration): string {
  return r.version === undefined ? r.service : `${r.service}-${r.version}`;
}

export function nodeId(r: Registration): string {
  return `sidecar~${r.address}~${r.workload}.${r.namespace}~${r.namespace}.svc.cluster.local`;
}

export function nodeMetadata(r: Registration, version: string): Record<string, unknown> {
  const labels = workloadLabels(r);
  return {
    NAME: r.workload,
    WORKLOAD_NAME: generation(r),
    NAMESPACE: r.namespace,
    SERVICE_ACCOUNT: r.serviceAccount,
    LABELS: { ...labels, "service.istio.io/canonical-name": r.service },
    INSTANCE_IPS: r.address,
    CLUSTER_ID: "Kubernetes",
    WEFT_VERSION: version,
    FEATURES: [],
  };
}

/** Labels of metrics. */
export function peerOf(r: Registration) {
  return {
    workload: generation(r),
    namespace: r.namespace,
    app: r.service,
    version: r.version ?? "",
    service: r.service,
    revision: r.version ?? "latest",
    cluster: "Kubernetes",
  };
}
