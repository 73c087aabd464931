/** Envoy as the proxy of a sidecar. */
export { type EnvoyBinary, findEnvoy } from "./binary.ts";
export { EnvoyDataPlane, type EnvoyOptions } from "./data-plane.ts";
