/** Informers -> translation -> resources of each proxy; leases, readiness, statuses. */
export {
  type ControlPlane,
  type ControlPlaneInfo,
  type ControlPlaneOptions,
  createControlPlane,
} from "./control-plane.ts";
export { meshKinds } from "./inputs.ts";
export { LeaseJudge, type LeaseVerdict } from "./lease-judge.ts";
export { limits } from "./limits.ts";
export type { Refusal } from "./refusals.ts";
