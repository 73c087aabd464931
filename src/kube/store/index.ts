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
