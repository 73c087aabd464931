/** Limits of translation. */

/** Longest regular expression of a user, in characters; Istio and Envoy bound the compiled program likewise. */
export const maxRegexLength = 1024;
/** Most retries of one request; Envoy's num_retries has no bound, a typing error should have one. */
export const maxRetryAttempts = 100;
/** Retries of a profile's route: Linkerd bounds them by budget and time only; Envoy wants a number. */
export const profileRetryAttempts = 25;
/** Alternatives that the any/all/not of one profile condition may unfold to. */
export const maxConditionAlternatives = 64;
/** Longest duration that is believed: Envoy's timers are 32-bit milliseconds in places. */
export const maxDurationMs = 2 ** 31 - 1;
/** Largest weight, and the sum of a rule's: Envoy's total_weight is 32 bits. */
export const maxWeight = 2 ** 32 - 1;
