/** What the client takes and gives. The same for the embedded API server and a real cluster. */

import type { KubeObject } from "../kinds/index.ts";

export type { KubeObject };

/** A served resource: enough to build its paths. Entries of kube/kinds' table, with a version, fit. */
export interface KindRef {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

/** How to reach one API server. All material is PEM text, never a path. */
export interface KubeConfig {
  /** `https://host:port`, no trailing slash. */
  readonly server: string;
  readonly caPem?: string;
  /** Name to verify instead of the host's. */
  readonly tlsServerName?: string;
  /** Only for tests and broken clusters; default false. */
  readonly insecureSkipTlsVerify?: boolean;
  readonly certPem?: string;
  readonly keyPem?: string;
  /** Called before each request: tokens of service accounts rotate on disk. */
  readonly token?: () => string;
  /** The same context as its files say now: a server may move or be made anew. Undefined: not to be read now. */
  readonly reload?: () => KubeConfig | undefined;
  /** Namespace of the context; default `default`. */
  readonly namespace: string;
  readonly context: string;
}

export interface KubeList<T extends KubeObject = KubeObject> {
  readonly items: readonly T[];
  /** Where a watch goes on from. */
  readonly resourceVersion: string;
  /** Not empty: more follows. */
  readonly continue: string;
}

export interface ListOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Gets each Warning header of the answer; default: the client's own hook. */
  readonly onWarning?: (message: string) => void;
}

export interface WriteOptions extends CallOptions {
  readonly dryRun?: boolean;
  /** Default `weft`. */
  readonly fieldManager?: string;
  readonly fieldValidation?: "Strict" | "Warn" | "Ignore";
  readonly subresource?: "status";
}

export type PatchType = "merge" | "json" | "strategic" | "apply";

export interface PatchOptions extends WriteOptions {
  /** Default `merge` (RFC 7396). */
  readonly type?: PatchType;
  readonly force?: boolean;
}

export interface DeleteOptions extends CallOptions {
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  readonly uid?: string;
  /** Only in this state; 409 otherwise. */
  readonly resourceVersion?: string;
  readonly dryRun?: boolean;
}

export type WatchEventType = "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";

export interface WatchEvent<T extends KubeObject = KubeObject> {
  readonly type: WatchEventType;
  readonly object: T;
}

export interface WatchOptions<T extends KubeObject = KubeObject> extends ListOptions {
  readonly resourceVersion: string;
  /** The server ends the watch after this; default 300 s. */
  readonly timeoutSeconds?: number;
  readonly signal?: AbortSignal;
  /** The answer's head is there. */
  readonly onOpen?: () => void;
  readonly onEvent: (event: WatchEvent<T>) => void;
}

export interface ApplyResult<T extends KubeObject = KubeObject> {
  readonly action: "created" | "configured" | "unchanged";
  readonly object: T;
}

export interface TokenIdentity {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly uid: string;
}

/** What TokenReview said: a token that is not good is data, not an error. */
export type TokenReviewResult =
  | { readonly authenticated: true; readonly username: string; readonly identity?: TokenIdentity }
  | { readonly authenticated: false; readonly reason: string };

/** Every method rejects with KubeError: the server's Status, or status 0 where it was not reached. */
export interface KubeClient {
  readonly config: KubeConfig;
  get<T extends KubeObject>(
    ref: KindRef,
    name: string,
    namespace?: string,
    options?: CallOptions,
  ): Promise<T>;
  /** One page. */
  list<T extends KubeObject>(
    ref: KindRef,
    options?: ListOptions & CallOptions & { limit?: number; continue?: string },
  ): Promise<KubeList<T>>;
  /** All pages of 500; a continue token that expired starts over once without paging. */
  listAll<T extends KubeObject>(ref: KindRef, options?: ListOptions & CallOptions): Promise<KubeList<T>>;
  create<T extends KubeObject>(ref: KindRef, object: T, options?: WriteOptions): Promise<T>;
  /** PUT; 409 where metadata.resourceVersion is given and old. */
  update<T extends KubeObject>(ref: KindRef, object: T, options?: WriteOptions): Promise<T>;
  patch<T extends KubeObject>(
    ref: KindRef,
    target: { name: string; namespace?: string | undefined },
    patch: unknown,
    options?: PatchOptions,
  ): Promise<T>;
  delete(
    ref: KindRef,
    target: { name: string; namespace?: string | undefined },
    options?: DeleteOptions,
  ): Promise<void>;
  /** As `kubectl apply`: three-way merge against the last-applied annotation; creates what is absent. */
  apply<T extends KubeObject>(ref: KindRef, object: T, options?: WriteOptions): Promise<ApplyResult<T>>;
  /** Resolves when the server ends the stream, rejects with KubeError (410: list again). */
  watch<T extends KubeObject>(ref: KindRef, options: WatchOptions<T>): Promise<void>;
  /** TokenRequest of a service account; without an audience it is for the API server itself. */
  tokenRequest(
    namespace: string,
    serviceAccount: string,
    options: { audience?: string; seconds: number },
  ): Promise<{ token: string; expiresAtMs: number }>;
  tokenReview(token: string, audiences: readonly string[]): Promise<TokenReviewResult>;
  /** Any path, for discovery and version; the parsed JSON. */
  /** The body of a GET as it comes, whatever it is. */
  download(path: string): Promise<ReadableStream<Uint8Array>>;
  raw<T = unknown>(path: string, options?: CallOptions & { method?: string; body?: unknown }): Promise<T>;
}
