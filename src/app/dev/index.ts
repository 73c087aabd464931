/** Everything that a mesh on one machine needs, in one process. */
export { meshAdmission } from "./admission.ts";
export { type Dev, type DevOptions, startDev } from "./dev.ts";
