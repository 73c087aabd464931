/** Limits of the certificate authority. Times in milliseconds. */
const minute = 60_000;
const day = 24 * 60 * minute;

/** Istio CITADEL_SELF_SIGNED_CA_CERT_TTL: 10 years. */
export const rootTtlMs = 3652 * day;
/** Istio DEFAULT_WORKLOAD_CERT_TTL: 24 h. */
export const leafTtlMs = day;
/** Istio MAX_WORKLOAD_CERT_TTL is 90 days; a longer wish is cut, not refused. */
export const maxLeafTtlMs = 90 * day;
/** Shortest life of a leaf; a shorter wish is refused. */
export const minLeafTtlMs = 10_000;
/** Istio back-dates NotBefore against clocks that run behind. */
export const backDateMs = 2 * minute;
/** The control plane's own certificate. */
export const serverTtlMs = 90 * day;
/** Longest request text. */
export const maxCsrBytes = 16 * 1024;
