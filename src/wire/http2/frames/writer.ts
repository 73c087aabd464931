import type { HeaderList } from "../../http/index.ts";
import type { HpackEncoder } from "../hpack/index.ts";
import type { OutputBuffer } from "./output.ts";

/** Writes frames into an OutputBuffer. It keeps no state but the peer's frame size: what may be sent is the caller's to know. */
export declare class FrameWriter {
  readonly out: OutputBuffer;
  /** The peer's SETTINGS_MAX_FRAME_SIZE; 16,384 until it says otherwise. */
  maxFrameSize: number;
  constructor(out: OutputBuffer, encoder: HpackEncoder);
  /** The client's connection preface; SETTINGS follow. */
  preface(): void;
  /** [id, value, id, value...] */
  settings(values: readonly number[]): void;
  settingsAck(): void;
  ping(ack: boolean, payload: Uint8Array): void;
  /** `debug` is ASCII text, at most 256 characters of it are sent. */
  goaway(lastStreamId: number, code: number, debug?: string): void;
  rstStream(streamId: number, code: number): void;
  windowUpdate(streamId: number, increment: number): void;
  /**
   * HEADERS and as many CONTINUATIONs as the block needs. Pseudo-header fields first, names in lower case.
   * `neverIndexed`: see HpackEncoder.encode.
   */
  headers(
    streamId: number,
    list: Readonly<HeaderList>,
    endStream: boolean,
    neverIndexed?: readonly string[],
  ): void;
  /**
   * DATA frames with bytes [from, to) of `bytes`, each at most `maxFrameSize`; one empty frame when from === to.
   * The caller has taken to - from off both windows. END_STREAM is on the last.
   */
  data(streamId: number, bytes: Uint8Array, from: number, to: number, endStream: boolean): void;
}
