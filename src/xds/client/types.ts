/** What the client asks of whoever applies configuration, and what it tells of itself. */
import type { Any } from "@bufbuild/protobuf/wkt";

export interface ConfigResource {
  readonly name: string;
  readonly version: string;
  readonly any: Any;
}

/** What a response changes. */
export interface ConfigUpdate {
  readonly typeUrl: string;
  readonly added: readonly ConfigResource[];
  readonly removed: readonly string[];
}

export interface ApplyError {
  readonly name: string;
  /** With the field's path. */
  readonly message: string;
}

export interface Applied {
  readonly errors: readonly ApplyError[];
  /** What turns out only when more has come (a proxy behind the sink): the server is answered then. Never rejects. */
  readonly late?: Promise<readonly ApplyError[]>;
}

/**
 * Applies what is good and names what is not: a refused resource keeps its previous version. Updates come one
 * at a time, in the server's order.
 */
export interface ConfigSink {
  apply(update: ConfigUpdate): Promise<Applied>;
  /** Clusters that routes or listeners in effect name: a server's removal of one waits until they name it no more. */
  clustersInUse?(): ReadonlySet<string>;
}

/** The node as it presents itself. */
export interface NodeIdentity {
  readonly id: string;
  readonly cluster: string;
  /** Plain JSON. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly locality?: { readonly region: string; readonly zone: string; readonly subZone: string };
  /** Default `weft`. */
  readonly userAgent?: string;
  readonly version?: string;
}

export type XdsClientState = "idle" | "connecting" | "connected" | "backoff" | "stopped";

export interface FeedStatus {
  /** `ads`, or what the configuration source names. */
  readonly name: string;
  readonly state: XdsClientState;
  /** Wall clock, ms since the epoch. */
  readonly connectedAt?: number;
  readonly lastError?: string;
}

export interface XdsClientStatus {
  /** Of the feed that is worst off. */
  readonly state: XdsClientState;
  /** Everything asked for was received at least once (or loaded from the last good snapshot). */
  readonly synced: boolean;
  readonly connectedAt?: number;
  readonly lastError?: string;
  readonly feeds: readonly FeedStatus[];
  /** What runs: type URL -> name -> version. */
  readonly versions: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly acks: number;
  readonly nacks: number;
}
