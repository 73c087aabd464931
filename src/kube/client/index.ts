/** Client of the Kubernetes API: kubeconfig, verbs, informers, leases. Knows neither Istio nor the mesh. */
export { createKubeClient, type KubeClientOptions } from "./client.ts";
export { isKubeError, KubeError, type StatusCause } from "./error.ts";
export { createInformer, type Informer, type InformerChange, type InformerOptions } from "./informer.ts";
export { KubeconfigError, type LoadOptions, loadKubeconfig } from "./kubeconfig.ts";
export { keepLease, type LeaseKeeper, type LeaseOptions } from "./lease.ts";
export { limits } from "./limits.ts";
export { threeWayPatch } from "./merge.ts";
export { apiVersionOf, pathOf } from "./paths.ts";
export { refs } from "./refs.ts";
export { identityOf } from "./tokens.ts";
export type {
  ApplyResult,
  CallOptions,
  DeleteOptions,
  KindRef,
  KubeClient,
  KubeConfig,
  KubeList,
  KubeObject,
  ListOptions,
  PatchOptions,
  PatchType,
  TokenIdentity,
  TokenReviewResult,
  WatchEvent,
  WatchEventType,
  WatchOptions,
  WriteOptions,
} from "./types.ts";
