import { errorCodes, type Http2Error, streamError } from "../errors.ts";
import { defaultHttp2Limits, type Http2Limits } from "../limits.ts";
import { errors } from "./errors.ts";
import { HeaderBlock } from "./header-block.ts";
import {
  checkHead,
  dependencyFault,
  fixedLength,
  readSettings,
  readStreamId,
  readUint32,
} from "./payload.ts";
import { type FrameHandler, frameFlags, frameHeadBytes, frameTypes } from "./types.ts";

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const empty = new Uint8Array(0);

/** What comes next. */
const atPreface = 0;
const atHead = 1;
const atPayload = 2;
const atData = 3;
const atPadLength = 4;
const atIgnored = 5;
/** A held piece larger than this is not kept for the next. */
const keptBytes = 256;
const firstRoom = 64;

/**
 * Reads frames out of a stream of bytes. Fed in any pieces it calls the handler with the same events (DATA may
 * come in other pieces). It checks what can be known of a frame alone (sizes, padding, stream 0 or not, order of
 * CONTINUATIONs, the preface, SETTINGS first) and the limits that concern frames. A frame that lies whole in the
 * bytes fed is read in place, without copy or allocation.
 */
export class FrameReader {
  /** Our SETTINGS_MAX_FRAME_SIZE as acknowledged; `limits.maxFrameBytes` from the start. */
  maxFrameSize: number;
  private readonly handler: FrameHandler;
  private readonly limits: Http2Limits;
  private readonly block: HeaderBlock;
  private state: number;
  private error: Http2Error | null = null;
  private settled = false;
  private prefaceAt = 0;
  /** A head or payload that lies in several pieces, and how much of it is there. */
  private held: Uint8Array = empty;
  private heldLength = 0;
  /** The present frame; `left` is what of its payload was not read yet. */
  private type = 0;
  private flags = 0;
  private streamId = 0;
  private left = 0;
  /** DATA: what the windows are owed, its padding behind the data, and padding not told yet (its length octet). */
  private cost = 0;
  private padding = 0;
  private untold = 0;
  private emptyFrames = 0;
  private unknownFrames = 0;

  /** `role` "server" expects the client's preface first; both expect SETTINGS as first frame. */
  constructor(role: "client" | "server", handler: FrameHandler, limits: Http2Limits = defaultHttp2Limits) {
    this.handler = handler;
    this.limits = limits;
    this.maxFrameSize = limits.maxFrameBytes;
    this.block = new HeaderBlock(limits);
    this.state = role === "server" ? atPreface : atHead;
  }

  /** Whether the bytes so far end between two frames (and not inside the preface or a header block). */
  get idle(): boolean {
    return this.state === atHead && this.heldLength === 0 && this.block.streamId === 0;
  }

  /** Whether a header block waits for its END_HEADERS: `headerBlockTimeoutMs` runs. */
  get midBlock(): boolean {
    return this.block.streamId !== 0 || (this.state === atPayload && this.type === frameTypes.headers);
  }

  /** Reads on. A connection error, the reader's or the handler's, is final: later calls give it again. */
  feed(bytes: Uint8Array): Http2Error | null {
    if (this.error !== null) return this.error;
    let at = 0;
    const end = bytes.length;
    while (at < end && this.error === null) {
      switch (this.state) {
        case atHead:
          at = this.head(bytes, at, end);
          break;
        case atData:
          at = this.data(bytes, at, end);
          break;
        case atPayload:
          at = this.payload(bytes, at, end);
          break;
        case atPadLength:
          at = this.padLength(bytes, at);
          break;
        case atIgnored:
          at = this.ignored(at, end);
          break;
        default:
          at = this.preface(bytes, at, end);
      }
    }
    return this.error;
  }

  private preface(bytes: Uint8Array, from: number, end: number): number {
    let at = from;
    while (at < end && this.prefaceAt < preface.length) {
      if (bytes[at++] !== preface.charCodeAt(this.prefaceAt++)) {
        this.error = errors.preface;
        return at;
      }
    }
    if (this.prefaceAt === preface.length) this.state = atHead;
    return at;
  }

  private head(bytes: Uint8Array, at: number, end: number): number {
    if (this.heldLength === 0 && end - at >= frameHeadBytes) {
      this.begin(bytes, at);
      return at + frameHeadBytes;
    }
    const next = this.hold(bytes, at, end, frameHeadBytes);
    if (this.heldLength === frameHeadBytes) {
      this.heldLength = 0;
      this.begin(this.held, 0);
    }
    return next;
  }

  /** Collects until `whole` octets are held. Room is made for what came, not for what was announced. */
  private hold(bytes: Uint8Array, at: number, end: number, whole: number): number {
    const next = Math.min(end, at + whole - this.heldLength);
    const need = this.heldLength + next - at;
    if (need > this.held.length) {
      const room = new Uint8Array(Math.min(whole, Math.max(need, 2 * this.held.length, firstRoom)));
      room.set(this.held.subarray(0, this.heldLength));
      this.held = room;
    }
    this.held.set(bytes.subarray(at, next), this.heldLength);
    this.heldLength = need;
    return next;
  }

  /** A frame's head was read: what is its payload to be? Errors that the head shows do not wait for it. */
  private begin(bytes: Uint8Array, at: number): void {
    const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    const type = bytes[at + 3]!;
    const flags = bytes[at + 4]!;
    const streamId = readStreamId(bytes, at + 5);
    this.type = type;
    this.flags = flags;
    this.streamId = streamId;
    this.left = length;
    this.error = this.checkOrder(type, flags, streamId, length);
    if (this.error !== null) return;
    if (type === frameTypes.data) {
      this.beginData(length, flags);
      return;
    }
    if (type > frameTypes.continuation && type !== frameTypes.priorityUpdate) {
      this.unknownFrames++;
      if (this.unknownFrames > this.limits.maxConsecutiveUnknownFrames) this.error = errors.unknownFlood;
      this.state = length > 0 ? atIgnored : atHead;
      return;
    }
    this.unknownFrames = 0;
    if (length > 0) this.state = atPayload;
    else this.finish(empty, 0, 0);
  }

  private checkOrder(type: number, flags: number, streamId: number, length: number): Http2Error | null {
    if (length > this.maxFrameSize) return errors.frameTooLarge;
    if (!this.settled) {
      if (type !== frameTypes.settings || (flags & frameFlags.ack) !== 0) return errors.firstFrame;
      this.settled = true;
    }
    const { block } = this;
    if (block.streamId !== 0) {
      if (type !== frameTypes.continuation || block.streamId !== streamId) return errors.continuationExpected;
      return (
        block.checkNext(length) ?? this.countEmpty(length === 0 && (flags & frameFlags.endHeaders) === 0)
      );
    }
    if (type === frameTypes.continuation) return errors.continuation;
    return checkHead(type, flags, streamId, length);
  }

  private countEmpty(nothing: boolean): Http2Error | null {
    if (!nothing) {
      this.emptyFrames = 0;
      return null;
    }
    this.emptyFrames++;
    return this.emptyFrames > this.limits.maxConsecutiveEmptyFrames ? errors.emptyFlood : null;
  }

  private beginData(length: number, flags: number): void {
    this.unknownFrames = 0;
    this.cost = length;
    this.padding = 0;
    this.untold = 0;
    if ((flags & frameFlags.padded) !== 0) this.state = atPadLength;
    else this.beginChunks();
  }

  private padLength(bytes: Uint8Array, at: number): number {
    const padding = bytes[at]!;
    this.left -= padding + 1;
    this.padding = padding;
    this.untold = 1;
    if (this.left < 0) this.error = errors.padding;
    else this.beginChunks();
    return at + 1;
  }

  /** How much of a DATA frame is data is known now. */
  private beginChunks(): void {
    this.state = atData;
    this.error = this.countEmpty(this.left === 0 && (this.flags & frameFlags.endStream) === 0);
    if (this.error === null && this.left + this.padding === 0) this.data(empty, 0, 0);
  }

  /** Hands on what is there of a DATA frame. */
  private data(bytes: Uint8Array, at: number, end: number): number {
    const upTo = Math.min(end, at + this.left);
    const padded = Math.min(end - upTo, this.padding);
    const chunk = upTo - at === bytes.length ? bytes : bytes.subarray(at, upTo);
    this.left -= upTo - at;
    this.padding -= padded;
    const whole = this.left === 0 && this.padding === 0;
    const { cost } = this;
    const padding = this.untold + padded;
    this.cost = 0;
    this.untold = 0;
    if (whole) this.state = atHead;
    const endStream = whole && (this.flags & frameFlags.endStream) !== 0;
    this.error = this.handler.onData(this.streamId, chunk, cost, padding, endStream);
    return upTo + padded;
  }

  private ignored(at: number, end: number): number {
    const next = Math.min(end, at + this.left);
    this.left -= next - at;
    if (this.left === 0) this.state = atHead;
    return next;
  }

  private payload(bytes: Uint8Array, at: number, end: number): number {
    const { left } = this;
    if (this.heldLength === 0 && end - at >= left) {
      this.finish(bytes, at, at + left);
      return at + left;
    }
    const next = this.hold(bytes, at, end, left);
    if (this.heldLength === left) {
      const { held } = this;
      this.heldLength = 0;
      if (held.length > keptBytes) this.held = empty;
      this.finish(held, 0, left);
    }
    return next;
  }

  /** The whole payload of the present frame is bytes [from, to). */
  private finish(bytes: Uint8Array, from: number, to: number): void {
    this.state = atHead;
    this.error = this.dispatch(bytes, from, to);
  }

  private dispatch(bytes: Uint8Array, from: number, to: number): Http2Error | null {
    const { handler, flags, streamId } = this;
    switch (this.type) {
      case frameTypes.headers:
      case frameTypes.pushPromise:
        return this.headers(bytes, from, to);
      case frameTypes.continuation:
        this.block.append(bytes, from, to);
        return (flags & frameFlags.endHeaders) !== 0 ? this.endBlock() : null;
      case frameTypes.windowUpdate:
        return this.windowUpdate(readStreamId(bytes, from));
      case frameTypes.settings:
        return this.settings(bytes, from, to);
      case frameTypes.ping:
        return handler.onPing((flags & frameFlags.ack) !== 0, bytes.subarray(from, to));
      case frameTypes.rstStream:
        return handler.onRstStream(streamId, readUint32(bytes, from));
      case frameTypes.goaway:
        return handler.onGoaway(
          readStreamId(bytes, from),
          readUint32(bytes, from + 4),
          bytes.subarray(from + 8, to),
        );
      case frameTypes.priority:
        return this.priority(bytes, from, to);
      default:
        return handler.onPriority(readStreamId(bytes, from));
    }
  }

  /** HEADERS or PUSH_PROMISE without padding and the fields before the block. */
  private headers(bytes: Uint8Array, start: number, end: number): Http2Error | null {
    const { type, flags, streamId } = this;
    let from = start;
    let to = end;
    if ((flags & frameFlags.padded) !== 0) {
      to -= bytes[from++]!;
      if (to < start + fixedLength(type, flags)) return errors.padding;
    }
    let fault: Http2Error | null = null;
    let promisedId = 0;
    if (type === frameTypes.pushPromise) {
      promisedId = readStreamId(bytes, from);
      from += 4;
      if (promisedId === 0 || promisedId % 2 === 1) return errors.promisedId;
    } else if ((flags & frameFlags.priority) !== 0) {
      fault = dependencyFault(bytes, from, streamId);
      from += 5;
    }
    if (to - from > this.limits.maxHeaderBlockBytes) return errors.blockTooLarge;
    const whole = (flags & frameFlags.endHeaders) !== 0;
    const flood = this.countEmpty(from === to && !whole);
    if (flood !== null) return flood;
    const endStream = type === frameTypes.headers && (flags & frameFlags.endStream) !== 0;
    if (whole) return this.deliver(streamId, promisedId, bytes.subarray(from, to), endStream, fault);
    this.block.open(streamId, promisedId, endStream, fault);
    this.block.append(bytes, from, to);
    return null;
  }

  private endBlock(): Http2Error | null {
    const { streamId, promisedId, endStream, fault } = this.block;
    return this.deliver(streamId, promisedId, this.block.close(), endStream, fault);
  }

  private deliver(
    streamId: number,
    promisedId: number,
    block: Uint8Array,
    endStream: boolean,
    fault: Http2Error | null,
  ): Http2Error | null {
    if (promisedId !== 0) return this.handler.onPushPromise(streamId, promisedId, block);
    return this.handler.onHeaders(streamId, block, endStream, fault);
  }

  private windowUpdate(increment: number): Http2Error | null {
    const { handler, streamId } = this;
    if (increment > 0) return handler.onWindowUpdate(streamId, increment);
    if (streamId === 0) return errors.zeroIncrement;
    const detail = "WINDOW_UPDATE of 0";
    return handler.onStreamError(streamError(errorCodes.protocolError, streamId, "zero_increment", detail));
  }

  private priority(bytes: Uint8Array, from: number, to: number): Http2Error | null {
    const { handler, streamId } = this;
    const fault =
      to - from === 5
        ? dependencyFault(bytes, from, streamId)
        : streamError(errorCodes.frameSizeError, streamId, "priority_size", "PRIORITY has not 5 octets");
    return fault === null ? handler.onPriority(streamId) : handler.onStreamError(fault);
  }

  private settings(bytes: Uint8Array, from: number, to: number): Http2Error | null {
    if ((this.flags & frameFlags.ack) !== 0) return this.handler.onSettingsAck();
    if (to - from > 6 * this.limits.maxSettingsPerFrame) return errors.settingsFlood;
    const values: number[] = [];
    return readSettings(bytes, from, to, values) ?? this.handler.onSettings(values);
  }
}
