/** Body of a request, as etcd-backed API servers have it (3 MiB). */
export const MAX_BODY_BYTES = 3 * 1024 * 1024;
/** Label and field selectors, in characters and in requirements. */
export const MAX_SELECTOR_LENGTH = 16 * 1024;
export const MAX_REQUIREMENTS = 100;
/** Operations of one JSON patch, as in Kubernetes. */
export const MAX_PATCH_OPERATIONS = 10_000;
/** What copy operations of one JSON patch may add to a document, as in Kubernetes (3 MiB). */
export const MAX_PATCH_COPY_BYTES = 3 * 1024 * 1024;
/** Nesting of a JSON or YAML body. */
export const MAX_BODY_DEPTH = 128;
/** YAML aliases of one body (`kubectl apply --server-side` sends YAML): guards against alias bombs. */
export const MAX_YAML_ALIASES = 100;
/** Bytes that wait for one watcher; a slower one is told so and closed, and lists anew. */
export const MAX_WATCH_BACKLOG = 8 * 1024 * 1024;
/** Watches open at once. */
export const MAX_WATCHES = 5_000;
/** Rows read from the store at once for a list without a limit, or with a selector. */
export const LIST_READ = 5_000;
/** Changes read from the log in one piece when a watch resumes. */
export const WATCH_PAGE = 500;
/** How often a quiet watch gets a line break, so that nobody takes it for dead. */
export const WATCH_HEARTBEAT_MS = 20_000;
export const WATCH_BOOKMARK_MS = 60_000;
/** A watch without timeoutSeconds ends after this. */
export const WATCH_DEFAULT_SECONDS = 45 * 60;
/** Turns of the loop that stop() gives ended watches to send their last chunk. */
export const STOP_TURNS = 200;
/** How often an unconditional change is tried again when others change the object meanwhile. */
export const MAX_UPDATE_TRIES = 16;
/** Update entries of one object's managedFields, as in Kubernetes; older ones are joined. */
export const MAX_UPDATE_MANAGERS = 10;
/** Times that a free cluster address or a generated name is drawn. */
export const MAX_DRAWS = 32;
/** Lifetime of service account tokens. Kubernetes allows no less than 10 minutes. */
export const MIN_TOKEN_SECONDS = 600;
export const DEFAULT_TOKEN_SECONDS = 3600;
export const MAX_TOKEN_SECONDS = 48 * 3600;
/** Longest bearer token looked at. */
export const MAX_TOKEN_LENGTH = 16 * 1024;
/** Superseded revisions that stay readable; older ones are compacted. */
export const HISTORY_REVISIONS = 20_000;
/** Time between compactions (Kubernetes: 5 minutes). */
export const COMPACT_EVERY_MS = 300_000;
