/** The ordered processors, each pure over the snapshot. */
import type { Mesh, MtlsMode } from "../model/index.ts";
import type { KubeSnapshot } from "./snapshot.ts";
import type { ObjectStatus } from "./status.ts";

export interface TranslateOptions {
  /** Default `weft-system`; MeshConfig may name another. */
  readonly rootNamespace?: string;
  /** Where no PeerAuthentication says otherwise: `strict` under `weft dev`, default `permissive`. */
  readonly defaultMtls?: MtlsMode;
  /** Domain of service names; default `cluster.local`. */
  readonly clusterDomain?: string;
  /** Default `Kubernetes`, as Istio's. */
  readonly clusterId?: string;
}

export interface Translation {
  readonly mesh: Mesh;
  /** One for each object that has something to say of itself, by kind, namespace and name. */
  readonly statuses: readonly ObjectStatus[];
}

/** Never throws on a user's mistake. The order of objects does not matter. */
export declare function translate(snapshot: KubeSnapshot, options?: TranslateOptions): Translation;
