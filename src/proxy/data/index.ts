export { unknownOperators } from "./access-log-format.ts";
export { createDataPlane, type DataPlane, type DataPlaneOptions } from "./data-plane.ts";
export { reportFault } from "./faults.ts";
export { epollNet } from "./net.ts";
export { requestSeriesWords } from "./telemetry.ts";
