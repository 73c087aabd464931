/** The sidecar: a proxy beside a command. */
export { adminPorts } from "./data-plane.ts";
export { type Sidecar, type SidecarOptions, startSidecar } from "./sidecar.ts";
export { defaultStateRoot } from "./state.ts";
