/** Istio's names of clusters: `outbound|9080|v1|reviews.default.svc.cluster.local`. */

export interface ClusterName {
  /** The host, or the whole name where it is none of Istio's. */
  readonly fqdn: string;
  readonly port: string;
  readonly subset: string;
  readonly direction: string;
}

export function clusterName(name: string): ClusterName {
  const parts = name.split("|");
  const dnat = /^(outbound|inbound)_\.(\d*)_\.([^_]*)_\.(.*)$/.exec(name)?.slice(1);
  const [direction, port, subset, fqdn] = parts.length === 4 ? parts : (dnat ?? []);
  if (direction !== "outbound" && direction !== "inbound")
    return { fqdn: name, port: "-", subset: "-", direction: "-" };
  return { fqdn: fqdn || "-", port: port || "-", subset: subset || "-", direction };
}

/** `reviews.default.svc.cluster.local:9080 v1`: how a destination is told. */
export function destinationOf(name: string): string {
  const { fqdn, port, subset, direction } = clusterName(name);
  if (direction === "-") return name;
  if (fqdn === "-") return `the application's port ${port}`;
  return `${fqdn}:${port}${subset === "-" ? "" : ` ${subset}`}`;
}

/** `reviews` and `reviews.default` mean the whole name as well. */
export function meansHost(wanted: string, fqdn: string): boolean {
  return fqdn === wanted || fqdn.startsWith(`${wanted}.`);
}
