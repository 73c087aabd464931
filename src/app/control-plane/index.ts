/** Control plane, CA and their ports, against any Kubernetes API. */
export { type ControlPlanePorts, type Plane, type PlaneOptions, startControlPlane } from "./control-plane.ts";
export type { ProxySync, TypeSync } from "./debug.ts";
