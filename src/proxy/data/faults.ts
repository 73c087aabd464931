/**
 * Errors that the runtime hands to a socket's `error` callback, by whose doing they are. The connection dies in each
 * case and the thread lives.
 *
 *   network    a reset, a broken pipe: what happens to connections
 *   tls        a record or alert of the peer that could not be taken: EPROTO with BoringSSL's reason (tried)
 *   internal   anything else: a handler threw, which is a bug in this program whatever `code` the error carries
 *              (ERR_INVALID_ARG_TYPE, ERR_TLS_INVALID_CONTEXT, ERR_OSSL_... are of our own making)
 */
import type { FromWorker } from "../config/index.ts";
import { faultLogEvery, faultLogsWhole } from "./limits.ts";
import type { Metrics } from "./metrics.ts";

export type FaultKind = "network" | "tls" | "internal";

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

/** The few of Node's TLS codes that name something the peer did. */
const peerTlsCodes: ReadonlySet<string> = new Set([
  "EPROTO",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "ERR_TLS_HANDSHAKE_TIMEOUT",
  "ERR_TLS_SESSION_ATTACK",
  "ERR_TLS_DH_PARAM_SIZE",
]);

export function faultKind(error: unknown): FaultKind {
  if (!(error instanceof Error && "code" in error && typeof error.code === "string")) return "internal";
  if (networkCodes.has(error.code)) return "network";
  return peerTlsCodes.has(error.code) || error.code.startsWith("ERR_SSL_") ? "tls" : "internal";
}

interface Sink {
  readonly post: (message: FromWorker) => void;
  readonly metrics: Metrics;
}

let sink: Sink | null = null;
let bugs = 0;

/** Where faults of this thread are counted and told; the last data plane made wins. */
export function setFaultSink(to: Sink): void {
  sink = to;
  bugs = 0;
}

/** For the `error` callback of sockets. Bugs are logged: the first ones all, then one of a thousand. */
export function reportFault(error: unknown): void {
  if (!sink) return;
  const kind = faultKind(error);
  const { metrics, post } = sink;
  metrics.add(metrics.series("weft_connection_faults_total", ["kind", kind]), 1);
  if (kind !== "internal") return;
  bugs++;
  if (bugs > faultLogsWhole && bugs % faultLogEvery !== 0) return;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const fields = { error: text, faults: bugs };
  post({ kind: "log", level: "error", message: "fault in a connection handler", fields });
}
