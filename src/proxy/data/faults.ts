/**
 * A handler that threw is a bug in this program: its connection dies, the thread lives, and it is said aloud.
 * Errors of the network (a reset, a broken pipe) come through the same callback and are no faults; any other error is
 * one, whatever `code` it carries (ERR_INVALID_ARG_TYPE is a bug here, not a peer's doing).
 */
import type { FromWorker } from "../config/index.ts";

let sink: ((message: FromWorker) => void) | null = null;

/** Where faults of this thread are reported; the last data plane made wins. */
export function setFaultSink(post: (message: FromWorker) => void): void {
  sink = post;
}

/** What peers and networks do to a connection, by errno name. */
const networkCodes: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "ECONNABORTED",
  "ECONNREFUSED",
  "EPIPE",
  "ETIMEDOUT",
  "ENETDOWN",
  "ENETRESET",
  "ENETUNREACH",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "ENOTCONN",
]);

/** OpenSSL's codes stand for records of the peer that could not be read. */
function ofTheNetwork(error: unknown): boolean {
  if (!(error instanceof Error && "code" in error && typeof error.code === "string")) return false;
  return networkCodes.has(error.code) || /^ERR_(?:SSL|OSSL|TLS)_/.test(error.code);
}

/** For the `error` callback of sockets. */
export function reportFault(error: unknown): void {
  if (ofTheNetwork(error)) return;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  sink?.({ kind: "log", level: "error", message: "fault in a connection handler", fields: { error: text } });
}
