export type * from "./istio-types.ts";
export type * from "./linkerd-types.ts";
export type * from "./types.ts";
