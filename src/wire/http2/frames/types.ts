import type { Http2Error } from "../errors.ts";

/** Frame types (RFC 9113 section 6; PRIORITY_UPDATE: RFC 9218). */
export const frameTypes = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
  priorityUpdate: 0x10,
} as const;

export const frameFlags = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

/** Parameters of SETTINGS (RFC 9113 section 6.5.2; the last: RFC 8441). */
export const settingIds = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
  enableConnectProtocol: 0x8,
} as const;

/** Octets of a frame's head. */
export const frameHeadBytes = 9;
/** Largest window and largest stream id: 2^31 - 1. */
export const maxWindow = 0x7fffffff;
/** The smallest SETTINGS_MAX_FRAME_SIZE and its initial value; the largest is 2^24 - 1. */
export const minMaxFrameSize = 16384;
export const maxMaxFrameSize = 0xffffff;
/** Initial window of streams and connections, until SETTINGS or WINDOW_UPDATE say otherwise. */
export const initialWindow = 65535;

/**
 * What the frame reader found. Called inside `feed`, in the order of the bytes; byte arrays are views that hold
 * during the call only. Each call gives null, or a connection error, at which reading ends for good and which
 * `feed` returns. Stream states are the handler's business: the reader knows frames, not streams, and does not
 * look at whether a stream id is odd, new or closed.
 */
export interface FrameHandler {
  /**
   * A piece of a DATA frame, whose bytes are handed on as they come. `length` is what the frame takes of the flow
   * control windows (data, padding and its length octet) and is given with the first piece, 0 with later ones.
   * `padding` is how much of that is no data and came with this piece: give it back to the windows at once.
   * `endStream` is true with the last piece only. `chunk` may be empty (padding, or an empty frame).
   */
  onData(
    streamId: number,
    chunk: Uint8Array,
    length: number,
    padding: number,
    endStream: boolean,
  ): Http2Error | null;
  /**
   * A whole header block (HEADERS with its CONTINUATIONs). It must be given to the connection's HpackDecoder
   * whatever becomes of the stream, else the table is out of step. `fault` is a stream error of the frame itself
   * (the stream depends on itself): after decoding reset the stream with it.
   */
  onHeaders(
    streamId: number,
    block: Uint8Array,
    endStream: boolean,
    fault: Http2Error | null,
  ): Http2Error | null;
  /** A whole PUSH_PROMISE. Nobody was allowed to send it (we announce ENABLE_PUSH 0), so: an error. */
  onPushPromise(streamId: number, promisedId: number, block: Uint8Array): Http2Error | null;
  /** PRIORITY or PRIORITY_UPDATE: to be counted, and else ignored (RFC 9113 section 5.3.2). */
  onPriority(streamId: number): Http2Error | null;
  onRstStream(streamId: number, code: number): Http2Error | null;
  /** [id, value, id, value...] in the order sent, values checked, unknown ids left out. To be acknowledged. */
  onSettings(values: readonly number[]): Http2Error | null;
  onSettingsAck(): Http2Error | null;
  /** `payload` has 8 octets. A PING that is no acknowledgement wants one with the same payload. */
  onPing(ack: boolean, payload: Uint8Array): Http2Error | null;
  onGoaway(lastStreamId: number, code: number, debug: Uint8Array): Http2Error | null;
  /** Stream 0 is the connection's window. `increment` is 1 to 2^31 - 1; overflow is the handler's to find. */
  onWindowUpdate(streamId: number, increment: number): Http2Error | null;
  /**
   * A frame that is an error of its stream only: PRIORITY of a wrong size or on itself, WINDOW_UPDATE of 0.
   * On an idle stream make a connection error of it where the frame was not allowed there.
   */
  onStreamError(error: Http2Error): Http2Error | null;
}
