/** Which object, and which place in it, something in the mesh comes from. */

/** A reference to a manifest's object; `namespace` is "" for cluster-wide kinds. */
export interface ObjectRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** The rule that decided: travels with routes, policies and chains down to the proxy, for `weft why`. */
export interface Origin {
  /** `VirtualService/default/reviews-route`; "" means a default that no object asked for. */
  readonly object: string;
  /** `spec.http[0]`. */
  readonly field?: string;
  /** `virtual-service.yaml:9:5`, where the manifest's file is known. */
  readonly source?: string;
}

export function refName(ref: Pick<ObjectRef, "kind" | "namespace" | "name">): string {
  return ref.namespace === "" ? `${ref.kind}/${ref.name}` : `${ref.kind}/${ref.namespace}/${ref.name}`;
}

/** Who may see a service, route or policy (exportTo): everyone, or the named namespaces. */
export type Visibility = "all" | readonly string[];

export function visibleTo(visibility: Visibility, namespace: string): boolean {
  return visibility === "all" || visibility.includes(namespace);
}
