import type { HeaderList } from "../../http/index.ts";
import type { HpackEncoder } from "../hpack/index.ts";
import type { OutputBuffer } from "../output.ts";
import { frameFlags, frameHeadBytes, frameTypes, minMaxFrameSize } from "./types.ts";

const prefaceBytes = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** Characters of GOAWAY's debug text that are sent. */
const maxDebugLength = 256;

/**
 * Writes frames into an OutputBuffer. It keeps no state but the peer's frame size: what may be sent is the caller's
 * to know.
 */
export class FrameWriter {
  readonly out: OutputBuffer;
  /** The peer's SETTINGS_MAX_FRAME_SIZE; 16,384 until it says otherwise. */
  maxFrameSize = minMaxFrameSize;
  private readonly encoder: HpackEncoder;

  constructor(out: OutputBuffer, encoder: HpackEncoder) {
    this.out = out;
    this.encoder = encoder;
  }

  /** The client's connection preface; SETTINGS follow. */
  preface(): void {
    this.out.append(prefaceBytes);
  }

  /** [id, value, id, value...] */
  settings(values: readonly number[]): void {
    this.head(3 * values.length, frameTypes.settings, 0, 0);
    const { out } = this;
    for (let i = 0; i < values.length; i += 2) {
      const id = values[i]!;
      out.bytes[out.end] = id >>> 8;
      out.bytes[out.end + 1] = id;
      out.end += 2;
      this.uint32(values[i + 1]!);
    }
  }

  settingsAck(): void {
    this.head(0, frameTypes.settings, frameFlags.ack, 0);
  }

  /** `payload` has 8 octets. */
  ping(ack: boolean, payload: Uint8Array): void {
    this.head(8, frameTypes.ping, ack ? frameFlags.ack : 0, 0);
    this.out.append(payload);
  }

  /** `debug` is ASCII text, of which the first 256 characters are sent. */
  goaway(lastStreamId: number, code: number, debug = ""): void {
    const { out } = this;
    const text = debug.slice(0, maxDebugLength);
    this.head(8 + text.length, frameTypes.goaway, 0, 0);
    this.uint32(lastStreamId);
    this.uint32(code);
    out.end += out.bytes.latin1Write(text, out.end);
  }

  rstStream(streamId: number, code: number): void {
    this.head(4, frameTypes.rstStream, 0, streamId);
    this.uint32(code);
  }

  /** Stream 0: the connection's window. */
  windowUpdate(streamId: number, increment: number): void {
    this.head(4, frameTypes.windowUpdate, 0, streamId);
    this.uint32(increment);
  }

  /**
   * HEADERS and as many CONTINUATIONs as the block needs. Pseudo-header fields first, names in lower case.
   * `neverIndexed`: see HpackEncoder.encode.
   */
  headers(
    streamId: number,
    list: Readonly<HeaderList>,
    endStream: boolean,
    neverIndexed?: readonly string[],
  ): void {
    const { out, maxFrameSize } = this;
    const mark = out.length;
    out.reserve(frameHeadBytes);
    out.end += frameHeadBytes;
    this.encoder.encode(list, out, neverIndexed);
    const length = out.length - mark - frameHeadBytes;
    const flags = endStream ? frameFlags.endStream : 0;
    if (length > maxFrameSize) this.split(mark, length, flags, streamId);
    else
      writeHead(out.bytes, out.at(mark), length, frameTypes.headers, flags | frameFlags.endHeaders, streamId);
  }

  /**
   * DATA frames with bytes [from, to) of `bytes`, each at most `maxFrameSize`; one empty frame when from === to.
   * The caller has taken to - from off both windows. END_STREAM is on the last.
   */
  data(streamId: number, bytes: Uint8Array, from: number, to: number, endStream: boolean): void {
    const { out, maxFrameSize } = this;
    let at = from;
    do {
      const length = Math.min(to - at, maxFrameSize);
      const last = at + length === to;
      this.head(length, frameTypes.data, last && endStream ? frameFlags.endStream : 0, streamId);
      if (length > 0) {
        out.bytes.set(length === bytes.length ? bytes : bytes.subarray(at, at + length), out.end);
        out.end += length;
      }
      at += length;
    } while (at < to);
  }

  /** Makes frames of a block written in one piece behind room for one head. */
  private split(mark: number, length: number, flags: number, streamId: number): void {
    const { out, maxFrameSize } = this;
    const more = Math.ceil(length / maxFrameSize) - 1;
    out.reserve(more * frameHeadBytes);
    const { bytes } = out;
    const start = out.at(mark);
    // From the last to the second, so that nothing is written over before it was moved.
    for (let i = more; i > 0; i--) {
      const from = start + frameHeadBytes + i * maxFrameSize;
      const size = Math.min(maxFrameSize, length - i * maxFrameSize);
      const to = from + i * frameHeadBytes;
      bytes.copyWithin(to, from, from + size);
      const end = i === more ? frameFlags.endHeaders : 0;
      writeHead(bytes, to - frameHeadBytes, size, frameTypes.continuation, end, streamId);
    }
    writeHead(bytes, start, maxFrameSize, frameTypes.headers, flags, streamId);
    out.end += more * frameHeadBytes;
  }

  /** A frame's head, with room for its payload. */
  private head(length: number, type: number, flags: number, streamId: number): void {
    const { out } = this;
    out.reserve(frameHeadBytes + length);
    writeHead(out.bytes, out.end, length, type, flags, streamId);
    out.end += frameHeadBytes;
  }

  private uint32(value: number): void {
    const { out } = this;
    writeUint32(out.bytes, out.end, value);
    out.end += 4;
  }
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function writeHead(
  bytes: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  writeUint32(bytes, at + 5, streamId);
}
