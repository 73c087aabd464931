/** The sidecar: a proxy beside a command. */
export type { Capture } from "./capture.ts";
export { adminPorts } from "./data-plane.ts";
export { openInstance, takenAddresses } from "./instance.ts";
export { type Sidecar, type SidecarOptions, startSidecar } from "./sidecar.ts";
export { allotAddress, defaultStateRoot, machineHold } from "./state.ts";
