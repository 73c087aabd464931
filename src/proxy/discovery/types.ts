/** Where a proxy's configuration comes from, as plain JSON: it crosses from the compiling process to the running one. */
import type { TextSource } from "../compile/index.ts";

export interface SanMatch {
  readonly type: "dns" | "uri" | "ip";
  readonly kind: "exact" | "prefix" | "suffix" | "contains";
  readonly value: string;
}

/** TLS towards a configuration server; files are read at each connect. */
export interface TargetTls {
  /** Absent: the system's roots. */
  readonly ca?: TextSource;
  readonly cert?: TextSource;
  readonly key?: TextSource;
  readonly sni: string;
  /** Any one must match; `host`: the target's name must. */
  readonly identity: readonly SanMatch[] | "host";
}

/** A configuration server. */
export interface Target {
  /** The cluster's name, or the target URI. */
  readonly name: string;
  /** As gRPC names targets: `127.0.0.1:18000`, `unix:/run/sds.sock`; tried one after the other. */
  readonly addresses: readonly string[];
  readonly authority?: string;
  readonly tls?: TargetTls;
}

/** api_config_source. */
export interface GrpcSource {
  readonly kind: "grpc";
  readonly delta: boolean;
  readonly nodeOnce: boolean;
  readonly target: Target;
  /** initial_metadata and call credentials. */
  readonly metadata: readonly (readonly [name: string, value: string])[];
}

export type Source =
  | GrpcSource
  | { readonly kind: "ads" }
  /** path_config_source; `watch`: the folder whose changes mean a new file (watched_directory). */
  | { readonly kind: "file"; readonly path: string; readonly watch?: string };

/** A source with how long its first answer is waited for; 0: for ever. */
export interface TimedSource {
  readonly source: Source;
  readonly fetchMs: number;
}

/** What dynamic_resources and the static resources ask for. */
export interface DiscoveryConfig {
  readonly ads?: GrpcSource;
  readonly listeners?: TimedSource;
  readonly clusters?: TimedSource;
  /** What static resources name of others. */
  readonly fixed: readonly { readonly typeUrl: string; readonly name: string; readonly source: Source }[];
  /** Static clusters that may be named by sources to come. */
  readonly targets: Readonly<Record<string, Target>>;
  /** `type name` of the file's own resources: a server may not replace them. */
  readonly own: readonly string[];
}
