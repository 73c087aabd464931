/** Limits of translation. */

/** Longest regular expression of a user, in characters; Istio and Envoy bound the compiled program likewise. */
export const maxRegexLength = 1024;
/** The same of a profile, which may be wrapped to leave the query out where two conditions meet. */
export const maxProfileRegexLength = 1000;
/** Body of a directResponse: Envoy's max_direct_response_body_size_bytes. */
export const maxResponseBytes = 4096;
/** Weight of a WorkloadEntry: the sum of a cluster's has 32 bits in Envoy. */
export const maxWorkloadWeight = 100_000;
/** Most retries of one request; Envoy's num_retries has no bound, a typing error should have one. */
export const maxRetryAttempts = 100;
/** Retries of a profile's route: Linkerd bounds them by budget and time only; Envoy wants a number. */
export const profileRetryAttempts = 25;
/** Alternatives that the any/all/not of one profile condition may unfold to. */
export const maxConditionAlternatives = 64;
/** How deep any, all and not may be nested: a stack has an end. */
export const maxConditionDepth = 32;
/** Longest duration that is believed: Envoy's timers are 32-bit milliseconds in places. */
export const maxDurationMs = 2 ** 31 - 1;
/** Envoy's maximum_ring_size. */
export const maxRingSize = 8_388_608;
/** Envoy's largest Maglev table. */
export const maxMaglevSize = 5_000_011;
/** Envoy's smallest fill_interval. */
export const minRateLimitMs = 50;
/** Tokens of a bucket: Envoy's are 32 bits. */
export const maxRateLimitTokens = 2 ** 32 - 1;
/** Largest weight, and the sum of a rule's: Envoy's total_weight is 32 bits. */
export const maxWeight = 2 ** 32 - 1;
