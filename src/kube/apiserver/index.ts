export { checkBackup } from "../store/index.ts";
export type { Admission, AdmissionRequest, AdmissionResult } from "./admission.ts";
export { backupPath, restoreData } from "./backup.ts";
export { type ApiServer, type ApiServerOptions, startApiServer } from "./server.ts";
