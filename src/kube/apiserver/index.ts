export type { Admission, AdmissionRequest, AdmissionResult } from "./admission.ts";
export { type ApiServer, type ApiServerOptions, startApiServer } from "./server.ts";
