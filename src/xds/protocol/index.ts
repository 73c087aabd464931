/** The delta xDS protocol as pure state machines, and what server and client share. */
export {
  type EncodedResource,
  type Nack,
  type NodeInfo,
  type NodeMetadata,
  pushOrder,
  shortTypeName,
  typeUrl,
} from "./types.ts";
