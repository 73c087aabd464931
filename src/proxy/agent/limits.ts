/** Bounds and times of the agent. */

/** Data threads that a proxy starts with when nobody says; at most the cores. */
export const defaultConcurrency = 2;

/** ConfigSource.initial_fetch_timeout's default: after this a listener serves without what it waits for. */
export const warmingMs = 15_000;

/** Waits before a data thread that died is started again: doubling with jitter. */
export const restartBaseMs = 50;
export const restartMaxMs = 10_000;
/** A thread that lived this long starts its waits anew. */
export const restartResetMs = 60_000;

/** A data thread that does not answer an update in this time is replaced. */
export const appliedMs = 30_000;

/** Beyond a drain's own deadline, for the threads' answers. */
export const drainGraceMs = 1_000;

/** Bytes of a secret file (certificate, key or bundle). */
export const maxSecretBytes = 1_048_576;
