import { errorCodes, type Http2Error, streamError } from "../errors.ts";
import { errors } from "./errors.ts";
import { frameFlags, frameTypes, maxMaxFrameSize, maxWindow, minMaxFrameSize, settingIds } from "./types.ts";

export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** A stream id, without the reserved bit. */
export function readStreamId(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) & 0x7fffffff;
}

/** Octets that the fields before a header block or data take. */
export function fixedLength(type: number, flags: number): number {
  let length = (flags & frameFlags.padded) !== 0 ? 1 : 0;
  if (type === frameTypes.headers && (flags & frameFlags.priority) !== 0) length += 5;
  if (type === frameTypes.pushPromise) length += 4;
  return length;
}

/** What a frame's head says by itself: on which stream it stands and which sizes it may have. */
export function checkHead(type: number, flags: number, streamId: number, length: number): Http2Error | null {
  switch (type) {
    case frameTypes.data:
    case frameTypes.headers:
    case frameTypes.pushPromise:
      if (streamId === 0) return errors.onConnection;
      return length < fixedLength(type, flags) ? errors.frameSize : null;
    case frameTypes.priority:
      // A wrong size is an error of the stream: seen when the payload is there.
      return streamId === 0 ? errors.onConnection : null;
    case frameTypes.rstStream:
      if (streamId === 0) return errors.onConnection;
      return length === 4 ? null : errors.frameSize;
    case frameTypes.windowUpdate:
      return length === 4 ? null : errors.frameSize;
    case frameTypes.settings:
      if (streamId !== 0) return errors.onStream;
      return (flags & frameFlags.ack) !== 0 ? emptyOnly(length) : length % 6 === 0 ? null : errors.frameSize;
    case frameTypes.ping:
      if (streamId !== 0) return errors.onStream;
      return length === 8 ? null : errors.frameSize;
    case frameTypes.goaway:
      if (streamId !== 0) return errors.onStream;
      return length >= 8 ? null : errors.frameSize;
    case frameTypes.priorityUpdate:
      if (streamId !== 0) return errors.onStream;
      return length >= 4 ? null : errors.frameSize;
    default:
      return null;
  }
}

function emptyOnly(length: number): Http2Error | null {
  return length === 0 ? null : errors.frameSize;
}

/** Error of a parameter's value (RFC 9113 section 6.5.2, RFC 8441 section 3). */
function checkSetting(id: number, value: number): Http2Error | null {
  switch (id) {
    case settingIds.enablePush:
    case settingIds.enableConnectProtocol:
      return value > 1 ? errors.setting : null;
    case settingIds.initialWindowSize:
      return value > maxWindow ? errors.settingWindow : null;
    case settingIds.maxFrameSize:
      return value < minMaxFrameSize || value > maxMaxFrameSize ? errors.setting : null;
    default:
      return null;
  }
}

const known: ReadonlySet<number> = new Set(Object.values(settingIds));

/** The parameters in bytes [from, to) appended to `values` as [id, value, ...], unknown ones left out. */
export function readSettings(
  bytes: Uint8Array,
  from: number,
  to: number,
  values: number[],
): Http2Error | null {
  for (let at = from; at < to; at += 6) {
    const id = (bytes[at]! << 8) | bytes[at + 1]!;
    const value = readUint32(bytes, at + 2);
    const error = checkSetting(id, value);
    if (error !== null) return error;
    if (known.has(id)) values.push(id, value);
  }
  return null;
}

/** null, or the error of a stream that PRIORITY or HEADERS makes depend on itself. */
export function dependencyFault(bytes: Uint8Array, at: number, streamId: number): Http2Error | null {
  if (readStreamId(bytes, at) !== streamId) return null;
  return streamError(errorCodes.protocolError, streamId, "self_dependency", "stream depends on itself");
}
