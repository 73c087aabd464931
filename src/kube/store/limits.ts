/** Transactions of one group commit: at 50 a batch SQLite wrote 51,000 rows a second here (RUNTIME.md 8). */
export const MAX_BATCH = 256;
/** Writes that wait for the disk; more are refused, so that a stuck disk does not fill memory. */
export const MAX_PENDING_WRITES = 10_000;
/** Longest value. etcd's limit of a request is 1.5 MiB; a Secret or ConfigMap may hold 1 MiB. */
export const MAX_VALUE_BYTES = 3 * 1024 * 1024;
/** Revisions that one step of a compaction looks at; writes wait for one step at most. */
export const COMPACT_SLICE = 1_000;
/** Writes of one transaction. */
export const MAX_TRANSACTION = 128;
/** Revisions between a backup's last and the first after it was restored: more than anybody can have seen meanwhile. */
export const RESTORE_GAP = 1_000_000_000;
/** A page of a list. */
export const MAX_PAGE = 100_000;
