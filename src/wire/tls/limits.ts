/** Limits of the TLS part; each has a test at the limit and one past it. */

/** A server's handshake must end within this time. Envoy: transport_socket_connect_timeout (off); Linkerd 10 s. */
export const handshakeTimeoutMs = 10_000;
/** Handshakes a listener holds at once; the next one is refused. Envoy has none but its connection limits. */
export const maxPendingHandshakes = 4096;
/** Longest ClientHello that is looked into. Envoy tls_inspector: 64 KiB. */
export const maxClientHelloBytes = 64 * 1024;
/** Most ALPN names taken from a ClientHello; RFC 7301 has no limit. */
export const maxAlpnProtocols = 32;
/** Certificates of a chain handed to verifyPeer. OpenSSL's verify depth default is 100; BoringSSL reads 10. */
export const maxChainLength = 10;
/** First and longest wait between two looks at a connection whose first bytes are not yet decisive. */
export const inspectFirstWaitMs = 1;
export const inspectLongestWaitMs = 32;
/** How long a connection may take to show what it is. Envoy listener_filters_timeout: 15 s; Linkerd detects 10 s. */
export const inspectTimeoutMs = 10_000;
