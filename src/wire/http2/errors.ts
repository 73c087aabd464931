/** Error codes of HTTP/2 and the one kind of verdict that the codec gives (RFC 9113 sections 5.4 and 7). */

export const errorCodes = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;

/**
 * What the peer did wrong. A connection error ends the connection with GOAWAY, a stream error only its stream
 * with RST_STREAM.
 */
export interface Http2Error {
  readonly level: "connection" | "stream";
  /** One of `errorCodes`: goes into GOAWAY or RST_STREAM. */
  readonly code: number;
  /** The stream at fault; 0 where it is none of them. */
  readonly streamId: number;
  /** Stable word for logs, counters and tests, e.g. "http2.frame_size". */
  readonly reason: string;
  /** One sentence for people; also GOAWAY's debug data. Never holds the peer's bytes. */
  readonly detail: string;
}

export function connectionError(code: number, reason: string, detail: string): Http2Error {
  return { level: "connection", code, streamId: 0, reason: `http2.${reason}`, detail };
}

/** Connection errors of the two codes that most of them have. */
export const protocolError = (reason: string, detail: string): Http2Error =>
  connectionError(errorCodes.protocolError, reason, detail);
export const calmError = (reason: string, detail: string): Http2Error =>
  connectionError(errorCodes.enhanceYourCalm, reason, detail);

export function streamError(code: number, streamId: number, reason: string, detail: string): Http2Error {
  return { level: "stream", code, streamId, reason: `http2.${reason}`, detail };
}

const names = Object.entries(errorCodes).map(([name]) =>
  name.replace(/[A-Z]|11/g, (m) => `_${m}`).toUpperCase(),
);

/** Name of a code as RFC 9113 spells it, e.g. "PROTOCOL_ERROR"; unknown codes as "0x2a". */
export function errorName(code: number): string {
  return names[code] ?? `0x${code.toString(16)}`;
}
