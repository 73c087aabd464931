/** What the server asks of whoever has the resources, and what it tells of its streams. */
import type { EncodedResource, Nack, NodeInfo } from "../protocol/index.ts";

/** Pull model: the server asks when it may send, so that only the latest state is ever encoded and queued. */
export interface ResourceSource {
  /**
   * All that the node is to have of a type. A map that was given is never changed: the same map again means that
   * nothing changed. Undefined: not known yet, nothing is
   * sent until a change is told; a node that reconnects keeps what it has.
   */
  resources(node: NodeInfo, typeUrl: string): ReadonlyMap<string, EncodedResource> | undefined;
  /** Calls back whenever a type may have changed for the node; returns the unsubscription. */
  subscribe(node: NodeInfo, onChange: (typeUrls: ReadonlySet<string> | "all") => void): () => void;
  onConnect?(node: NodeInfo): void;
  onDisconnect?(node: NodeInfo): void;
  /** `versions`: what the node has of the type now, by name. */
  onAck?(node: NodeInfo, typeUrl: string, versions: ReadonlyMap<string, string>): void;
  /** `versions`: as of onAck; what else was in the refused response is among them. */
  onNack?(node: NodeInfo, typeUrl: string, nack: Nack, versions: ReadonlyMap<string, string>): void;
}

/** As istioctl's proxy-status: NOT SENT where there was nothing to send, STALE while an ACK is awaited or refused. */
export type SyncState = "SYNCED" | "STALE" | "NOT SENT";

export interface TypeStatus {
  readonly typeUrl: string;
  readonly state: SyncState;
  /** Resources that the proxy has. */
  readonly resources: number;
  /** Wall clock, ms since the epoch; absent: never. */
  readonly sentAt?: number;
  readonly ackedAt?: number;
  /** Responses sent on this stream, and how many of them were refused: neither grows while nothing changes. */
  readonly pushes: number;
  readonly refusals: number;
  /** The last refusal, until a later ACK. */
  readonly nack?: Nack & { readonly at: number };
}

export interface ProxyStatus {
  readonly id: string;
  readonly cluster: string;
  readonly userAgent: string;
  readonly principal?: { readonly namespace: string; readonly serviceAccount: string } | undefined;
  readonly address: string;
  readonly connectedAt: number;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly types: readonly TypeStatus[];
}
