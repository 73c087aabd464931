/** Files of Envoy's messages in YAML or JSON: where each field stands, and what protobuf's reader would not say. */
export { checkJson } from "./json-check.ts";
export { type Place, PositionedText } from "./positions.ts";
