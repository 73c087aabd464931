/** Limits of the thread's own socket loop. */

/** Bytes read at once from a socket: one buffer a thread, 64 KiB as a socket's receive buffer mostly holds no more. */
export const readBytes = 64 * 1024;
/** Sockets served in one round, so that no batch keeps the timers waiting long. */
export const eventsPerRound = 256;
/** Connections accepted in one round: a burst must not overflow the backlog, a flood not starve those that are open. */
export const acceptsPerRound = 512;
/** Without room for another descriptor, how long until the next one is tried; else the loop would spin. */
export const acceptPauseMs = 100;
/**
 * Connections that wait for being accepted; the kernel holds it to net.core.somaxconn, which is what Envoy asks for.
 * With the runtime's 512 a burst of 1,000 had some of them wait for retransmissions, seconds long.
 */
export const backlog = 4096;
/** Longest sleep: the runtime's own timers (its garbage collector's) are looked at this often. */
export const longestSleepMs = 100;
/** Longest stay away from the runtime while there is traffic; it costs a few microseconds to look after it. */
export const longestStayMs = 16;
/** How long a closed connection is read on and forgotten, so that no reset destroys the answer (Envoy: 1 s). */
export const lingerMs = 1000;
/** Connections that linger at a time; of more, the oldest is closed. */
export const lingerers = 1024;
