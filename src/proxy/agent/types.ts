/** What the agent is given and what it gives. */
import type { Any } from "@bufbuild/protobuf/wkt";
import type { Clock, Logger, Rng } from "../../base/index.ts";
import type { AddressLock } from "../../wire/socket/index.ts";
import type { CompiledResource, SecretSource } from "../compile/index.ts";
import type {
  ClusterConfig,
  EndpointsConfig,
  ListenerConfig,
  Peer,
  RouteTableConfig,
  SecretChange,
} from "../config/index.ts";
import type { DataThread } from "./threads.ts";

export type LockAddress = (host: string, port: number) => Promise<AddressLock>;

export interface AgentOptions {
  /** Data threads; default 2, at most the cores. */
  readonly concurrency?: number;
  /** A Worker of the data thread's entry; called once a thread and again when one died. */
  readonly createWorker: () => DataThread;
  readonly node: {
    readonly id: string;
    readonly cluster?: string;
    readonly peer: Peer;
    readonly metadata?: Readonly<Record<string, unknown>>;
  };
  /** What a caller of the forward proxy must show in Proxy-Authorization; null: nothing. */
  readonly proxyCredential?: string | null;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly accessLog?: { readonly stdout?: (text: string) => void };
  /** What another process is told about who holds an address: `weft run reviews`. Default: the node's id. */
  readonly owner?: string;
  /**
   * Taken for each listener before the threads bind it, so that no second proxy shares its address; rejects with
   * who holds it. Default: wire/socket's lock.
   */
  readonly lockAddress?: LockAddress;
}

/** A discovery response, or what is left of it for this proxy. */
export interface ResourceUpdate {
  readonly typeUrl: string;
  readonly added: readonly { readonly name: string; readonly version: string; readonly any: Any }[];
  readonly removed: readonly string[];
}

export interface ResourceError {
  readonly name: string;
  readonly message: string;
}

/** Resources compiled elsewhere, with their JSON form for the configuration dump. */
export interface CompiledUpdate {
  readonly resources: readonly { readonly resource: CompiledResource; readonly json?: string }[];
  readonly secrets?: readonly SecretSource[];
  /** These are all listeners that there will be; default true. */
  readonly complete?: boolean;
}

export type AgentEvent =
  | { readonly kind: "ejected"; readonly cluster: string; readonly endpoint: string; readonly reason: string }
  | { readonly kind: "returned"; readonly cluster: string; readonly endpoint: string }
  | { readonly kind: "thread-died"; readonly thread: number; readonly reason: string }
  | { readonly kind: "listener-active"; readonly name: string; readonly lacking: readonly string[] }
  | { readonly kind: "failed"; readonly type: string; readonly name: string; readonly message: string };

/** Where a resource came from, for the configuration dump. */
export interface SourceRecord {
  readonly type: CompiledResource["type"];
  readonly name: string;
  readonly version: string;
  /** Wall clock of its arrival, milliseconds. */
  readonly at: number;
  readonly any?: Any;
  readonly json?: string;
}

/** The last refusal of a resource, until a good version arrives. */
export interface RefusalRecord {
  readonly typeUrl: string;
  readonly name: string;
  readonly version: string;
  readonly at: number;
  readonly message: string;
}

/** An endpoint with what happens to it now. */
export interface EndpointStatus {
  readonly address: string;
  readonly weight: number;
  readonly priority: number;
  readonly healthy: boolean;
  readonly ejected: boolean;
  /** Why, where it is ejected. */
  readonly reason: string;
  readonly activeRequests: number;
  readonly workload: string;
}

export interface ClusterStatus {
  readonly config: ClusterConfig;
  readonly endpoints: readonly EndpointStatus[];
  /** Words of the cluster's block by name (clusterWord). */
  readonly counts: Readonly<Record<string, number>>;
}

/** Everything that `explain` reads. */
export interface AgentTables {
  readonly listeners: readonly ListenerConfig[];
  readonly routes: ReadonlyMap<string, RouteTableConfig>;
  readonly clusters: ReadonlyMap<string, ClusterConfig>;
  readonly endpoints: ReadonlyMap<string, EndpointsConfig>;
}

export interface Agent {
  /** All threads run. */
  readonly started: Promise<void>;
  readonly node: AgentOptions["node"];
  /** Good resources act when it resolves; bad ones are named, and their last good version goes on. */
  apply(update: ResourceUpdate): Promise<{ errors: ResourceError[] }>;
  /** Clusters that routes or listeners in effect name. */
  clustersInUse(): ReadonlySet<string>;
  applyCompiled(update: CompiledUpdate): Promise<{ errors: ResourceError[] }>;
  /** A certificate with its key, or a trust bundle, under the name that contexts call it by. Throws on bad PEM. */
  setSecret(secret: SecretChange): Promise<void>;
  secrets(): readonly SecretChange[];
  /** Prometheus' text exposition. */
  prometheus(): string;
  /** Threads run, the first listeners are in effect, nothing is warming, no drain has begun. */
  ready(): boolean;
  /** Why it is not ready; empty when it is. */
  unready(): readonly string[];
  tables(): AgentTables;
  clusters(): readonly ClusterStatus[];
  sources(): readonly SourceRecord[];
  refusals(): readonly RefusalRecord[];
  /** Listeners that wait, and for what. */
  warming(): readonly { readonly name: string; readonly lacking: readonly string[] }[];
  /** Listeners of the direction close, requests finish; resolves with the connections cut at the deadline. */
  drain(direction: "inbound" | "outbound" | "all", deadlineMs: number): Promise<{ forced: number }>;
  setLogLevel(scope: string, level: string): void;
  /** After rotation: access logs are opened anew. */
  reopenLogs(): void;
  on(listener: (event: AgentEvent) => void): () => void;
  readonly restarts: number;
  stop(): Promise<void>;
}
