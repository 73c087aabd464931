/**
 * A handler that threw is a bug in this program: its connection dies, the thread lives, and it is said aloud.
 * Errors of the system (a reset, a broken pipe) come through the same callback and are no faults.
 */
import type { FromWorker } from "../config/index.ts";

let sink: ((message: FromWorker) => void) | null = null;

/** Where faults of this thread are reported; the last data plane made wins. */
export function setFaultSink(post: (message: FromWorker) => void): void {
  sink = post;
}

/** For the `error` callback of sockets. */
export function reportFault(error: unknown): void {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  sink?.({ kind: "log", level: "error", message: "fault in a connection handler", fields: { error: text } });
}
