import type { Http2Error } from "../errors.ts";
import type { Http2Limits } from "../limits.ts";
import type { FrameHandler } from "./types.ts";

/**
 * Reads frames out of a stream of bytes. Fed in any pieces it calls the handler with the same events (DATA may
 * come in other pieces). It checks what can be known of a frame alone (sizes, padding, stream 0 or not, order of
 * CONTINUATIONs, the preface, SETTINGS first) and the limits that concern frames. It allocates nothing per frame.
 */
export declare class FrameReader {
  /** Our SETTINGS_MAX_FRAME_SIZE as acknowledged; `limits.maxFrameBytes` from the start. */
  maxFrameSize: number;
  /** `role` "server" expects the client's preface first; both expect SETTINGS as first frame. */
  constructor(role: "client" | "server", handler: FrameHandler, limits?: Http2Limits);
  /** Reads on. A connection error, the reader's or the handler's, is final: later calls give it again. */
  feed(bytes: Uint8Array): Http2Error | null;
  /** Whether the bytes so far end between two frames (and not inside the preface or a header block). */
  get idle(): boolean;
  /** Whether a header block waits for its END_HEADERS: `headerBlockTimeoutMs` runs. */
  get midBlock(): boolean;
}
