/** Limits of a data thread; Envoy's defaults are named where they differ. */

/** Bytes waiting to be written to a peer at which its source is paused, and at which it goes on (Envoy: 32 KiB on the edge). */
export const highWatermarkBytes = 32 * 1024;
export const lowWatermarkBytes = 16 * 1024;
/** Request body kept for another try; a larger one is sent once (Envoy: per_connection_buffer_limit, 1 MiB). */
export const replayLimitBytes = 64 * 1024;
/** Unread request body that is read and dropped after an early answer, to keep the connection; beyond: close. */
export const drainLimitBytes = 64 * 1024;
/**
 * Bytes of requests behind the present one that are read: a connection that is not read does not tell that its client
 * has gone. Beyond, reading stops; the parser takes one read more.
 */
export const pipelinedHoldBytes = 16 * 1024;
/** How long a connection that is to close waits for the peer to read the answer (Envoy delayed_close_timeout: 1 s). */
export const delayedCloseMs = 1000;
/** Time for a TLS handshake with a downstream, and in the upstream within the connect time-out. */
export const handshakeTimeoutMs = 10_000;
/** Hosts of a dynamic forward proxy cluster at once (Envoy dns_cache max_hosts: 1024). */
export const dynamicHostLimit = 1024;
/** Connections a listener's thread holds at once; more are closed at accept. */
export const connectionLimit = 20_000;
/** Hosts tried before a retry takes one it had already (host_selection_retry_max_attempts of Istio). */
export const retryHostAttempts = 5;
/** Access log text held before it is posted, and the longest time it waits. */
export const accessLogBatchBytes = 32 * 1024;
export const accessLogFlushMs = 50;
/** Bytes held while a tunnel or a TCP relay waits for its upstream. */
export const tunnelHoldBytes = 64 * 1024;
/** Time that a CONNECT tunnel to a mesh service waits for the client's first bytes before it is relayed as TCP. */
export const tunnelSniffMs = 1000;
/** The same, and for a listener's choice of a filter chain, where the server is known to speak first. */
export const serverFirstWaitMs = 100;
/** Distinct peers remembered by their encoded metadata. */
export const peerCacheLimit = 1024;
/** Pairs of peers and services with series of their own in a thread; what comes later is counted under "unknown". */
export const pairLimit = 4096;
/** Longest x-envoy-peer-metadata that is decoded. */
export const peerMetadataLimitBytes = 16 * 1024;
/** Largest number of series a thread interns for one pair of peers. */
export const seriesPerPairLimit = 256;
/** Answer trailers and 1xx are held to the same limits as heads (wire/http1). */
export const maxUpstreamHeaderBytes = 60 * 1024;

/** How often a HTTP/2 connection looks at its time limits, while it has any. */
export const http2CheckMs = 1000;
/** Finished streams of a HTTP/2 connection that are kept to serve again. */
export const spareStreams = 32;

/** Fewest transports of clusters, those of clusters that left included, before unused ones are looked for. */
export const transportSweepLeast = 64;

/** Faults of this program that are logged one by one, and of which later ones every how many are. */
export const faultLogsWhole = 10;
export const faultLogEvery = 1000;
