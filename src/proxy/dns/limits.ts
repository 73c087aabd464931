/** Limits of the sidecar's DNS. */
export const limits = {
  /** Seconds that answers about services hold; addresses of endpoints come and go faster (CoreDNS: 30 and 5). */
  serviceTtl: 30,
  endpointTtl: 5,
  /** Answers of others are kept so long at most, and "no such name" less. */
  maxTtl: 300,
  maxNegativeTtl: 30,
  /** Kept answers, and the longest one that is kept. */
  cacheEntries: 2_000,
  cacheBytes: 4_096,
  /** Questions under way to others at once; askers of one question. Beyond: SERVFAIL. */
  upstreamQueries: 256,
  sharedAskers: 256,
  /** One try, and how many over all servers. */
  upstreamTryMs: 2_000,
  upstreamTries: 3,
  /** Name servers of resolv.conf that are asked (glibc's MAXNS). */
  nameServers: 3,
  /** Addresses in one answer; a service with more endpoints gives that many of them, another choice each time. */
  addresses: 64,
  /** Connections over TCP, how long one may be silent, and questions in one that wait for answers. */
  tcpConnections: 128,
  tcpIdleMs: 10_000,
  tcpPending: 32,
  /** Longest question over TCP. */
  tcpQuestionBytes: 4_096,
} as const;
