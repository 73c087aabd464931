/** gRPC applications without a proxy: bootstrap file, certificates as files, and a relay to the control plane. */
export { generatorMetadata } from "./bootstrap.ts";
export { type ProxylessOptions, ProxylessPlane } from "./data-plane.ts";
