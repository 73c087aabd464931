import type { MtlsMode } from "../model/index.ts";

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
