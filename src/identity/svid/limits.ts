/** Limits of certificate renewal. Times in milliseconds. */

/** Istio SECRET_TTL: 24 h. */
export const svidTtlMs = 24 * 3_600_000;
/** Istio SECRET_GRACE_PERIOD_RATIO 0.5 and its jitter of 0.01. */
export const renewAtRatio = 0.5;
export const renewJitter = 0.01;
/** One request to the CA. */
export const requestTimeoutMs = 10_000;
/** Waits between failed requests. Envoy's xDS reconnect: 0.5 s to 30 s, full jitter. */
export const retryBaseMs = 500;
export const retryMaxMs = 30_000;
/** The wall clock is looked at this often, as a suspended machine's timers stand still. */
export const checkEveryMs = 60_000;
/** Most certificates in an answer. */
export const maxAnswerCertificates = 20;
