/** The xDS protocol in both variants as pure state machines, and what server and client share. */
export { ChangeBook, type Changes } from "./changes.ts";
export { type DeltaRequest, DeltaSubscription } from "./delta.ts";
export { encodeDeltaResponse, encodeSotwResponse, type ResponseParts } from "./encode.ts";
export { namesIn } from "./names-in.ts";
export { aggregated, type DiscoveryService, discoveryServices } from "./services.ts";
export { isWhole, type SotwRequest, SotwSubscription } from "./sotw.ts";
export type { Push, PushOptions, Subscription, Verdict } from "./subscription.ts";
export {
  type EncodedResource,
  type Nack,
  type NodeInfo,
  type NodeMetadata,
  pushOrder,
  type Resources,
  shortTypeName,
  typeUrl,
} from "./types.ts";
