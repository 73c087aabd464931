/** The delta xDS protocol as pure state machines, and what server and client share. */
export { encodeDeltaResponse } from "./encode.ts";
export {
  type Delta,
  type DeltaOptions,
  type DeltaRequest,
  DeltaSubscription,
  namesIn,
  type Verdict,
} from "./subscription.ts";
export {
  type EncodedResource,
  type Nack,
  type NodeInfo,
  type NodeMetadata,
  pushOrder,
  shortTypeName,
  typeUrl,
} from "./types.ts";
