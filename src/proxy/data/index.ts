export { unknownOperators } from "./access-log-format.ts";
export { createDataPlane, type DataPlane, type DataPlaneOptions } from "./data-plane.ts";
export { requestSeriesWords } from "./telemetry.ts";
