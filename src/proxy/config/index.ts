/**
 * What the agent (main thread) hands to the data threads: xDS compiled to plain JSON values. Data threads import
 * no protobuf. Times are milliseconds; 0 means "no limit" where a field says so. Names are Envoy's.
 */

export * from "./messages.ts";
export * from "./metrics.ts";
export * from "./resources.ts";
export * from "./shared.ts";
