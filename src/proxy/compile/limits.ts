/** Bounds on configuration, which may come from a tenant. */

/** Characters of a regular expression, as Istio bounds its own since ISTIO-SECURITY-2026-006. */
export const maxRegexLength = 1024;

/** Bytes of a direct response's body: max_direct_response_body_size_bytes, Envoy's default. */
export const maxDirectResponseBytes = 4096;

/** Certificates, keys and bundles given inline or by file; a system bundle has 220 KiB. */
export const maxPemBytes = 1_048_576;
