/** Messages between the agent and its data threads. JSON strings, so that one encoding serves all threads. */

import type { LogLevel } from "../../base/index.ts";

/** One changed resource; json null means removed. The JSON holds the type of the same name in resources.ts. */
export interface ResourceChange {
  readonly type: "listener" | "route" | "cluster" | "endpoints";
  readonly name: string;
  readonly json: string | null;
}

/** PEM texts; a validation context has only caPem. Held in memory only. */
export interface SecretChange {
  readonly name: string;
  readonly certPem?: string;
  readonly keyPem?: string;
  readonly caPem?: string;
}

/** First message to a data thread. */
export interface WorkerInit {
  readonly kind: "init";
  readonly index: number;
  /** Int32 table of shared.ts. */
  readonly shared: SharedArrayBuffer;
  /** Int32 words as in `shared`: what this thread holds of each count, for the agent to take back should it die. */
  readonly ledger: SharedArrayBuffer;
  /** This thread's metric rows, a Float64Array with this thread as its single writer. */
  readonly metrics: SharedArrayBuffer;
  /** Value of x-envoy-peer-metadata / -id to send on the first request of each mesh connection. */
  readonly peerMetadata: string;
  readonly peerMetadataId: string;
  readonly localPeer: import("./resources.ts").Peer;
  /** Source principal of this proxy (its SPIFFE id without scheme) once known; updated by secrets. */
  readonly proxyCredential: string | null;
  readonly seed: number;
  /** Lines below this level are not posted. */
  readonly logLevel: LogLevel;
}

export type ToWorker =
  | WorkerInit
  | {
      readonly kind: "update";
      readonly seq: number;
      readonly resources: readonly ResourceChange[];
      readonly secrets: readonly SecretChange[];
    }
  /** `stop`: listeners close, connections finish (Connection: close on answers), then `drained`. */
  | {
      readonly kind: "drain";
      readonly direction: "inbound" | "outbound" | "all";
      readonly deadlineMs: number;
    }
  /** From now on only lines of this level and above are wanted. */
  | { readonly kind: "log-level"; readonly level: LogLevel };

export type FromWorker =
  | { readonly kind: "ready" }
  /** All of the update is in effect except the named failures (a listener that cannot bind). */
  | {
      readonly kind: "applied";
      readonly seq: number;
      readonly errors: readonly { readonly type: string; readonly name: string; readonly message: string }[];
    }
  /** A metric series that this thread began to write at `slot` of its rows. */
  | {
      readonly kind: "series";
      readonly slot: number;
      readonly name: string;
      readonly labels: readonly string[];
    }
  | { readonly kind: "access-log"; readonly path: string; readonly lines: string }
  | {
      readonly kind: "event";
      readonly event: "ejected";
      readonly cluster: string;
      readonly endpoint: string;
      readonly reason: string;
    }
  | { readonly kind: "drained"; readonly direction: string; readonly forced: number }
  | {
      readonly kind: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };
