import type { Http2Error } from "../errors.ts";
import type { Http2Limits } from "../limits.ts";
import { errors } from "./errors.ts";

const empty = new Uint8Array(0);
const firstRoom = 4096;

/** A header block that comes in several frames. Holds memory only while it does. */
export class HeaderBlock {
  /** 0: none is open. */
  streamId = 0;
  /** Stream that a PUSH_PROMISE promises; 0 for HEADERS. */
  promisedId = 0;
  endStream = false;
  fault: Http2Error | null = null;
  private bytes: Uint8Array = empty;
  private length = 0;
  private continuations = 0;
  private readonly limits: Http2Limits;

  constructor(limits: Http2Limits) {
    this.limits = limits;
  }

  open(streamId: number, promisedId: number, endStream: boolean, fault: Http2Error | null): void {
    this.streamId = streamId;
    this.promisedId = promisedId;
    this.endStream = endStream;
    this.fault = fault;
  }

  /** Whether one more CONTINUATION of that length is within the limits. */
  checkNext(length: number): Http2Error | null {
    this.continuations++;
    if (this.continuations > this.limits.maxContinuations) return errors.continuationFlood;
    return this.length + length > this.limits.maxHeaderBlockBytes ? errors.blockTooLarge : null;
  }

  append(bytes: Uint8Array, from: number, to: number): void {
    const need = this.length + to - from;
    if (need > this.bytes.length) {
      const room = new Uint8Array(Math.max(need, 2 * this.bytes.length, firstRoom));
      room.set(this.bytes.subarray(0, this.length));
      this.bytes = room;
    }
    this.bytes.set(bytes.subarray(from, to), this.length);
    this.length = need;
  }

  /** The whole block; none is open afterwards. */
  close(): Uint8Array {
    const block = this.bytes.subarray(0, this.length);
    this.streamId = 0;
    this.bytes = empty;
    this.length = 0;
    this.continuations = 0;
    return block;
  }
}
