export { checkBackup, type Kept, type Restored, restoreBackup, sealBackup } from "./backup.ts";
export { openLocalStore, openStore } from "./client.ts";
export {
  type Change,
  type ListOptions,
  type Outcome,
  type Page,
  RevisionError,
  type Row,
  type Store,
  type Write,
} from "./types.ts";
export { serveStore } from "./worker.ts";
