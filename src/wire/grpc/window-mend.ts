/**
 * Two mends of what a peer sends, before node:http2 sees it. First: frames on streams that were never opened end the
 * connection (node:http2 on Bun 1.4 drops DATA on an idle stream and goes on). Second, the reason for this file:
 * node:http2 on Bun 1.4 loses send-window credit when the peer changes SETTINGS_INITIAL_WINDOW_SIZE while
 * streams are open (grpc-go does so for its bandwidth estimate): the stream then hangs for good. This rewrites what
 * the peer sends: later changes of the setting become WINDOW_UPDATEs of the streams they apply to (RFC 9113,
 * section 6.9.2), and the session never sees the setting change. Sans-IO: plaintext HTTP/2 bytes in, bytes out.
 */
import { limits } from "./limits.ts";

const prefaceLength = 24;
const headerLength = 9;
const frame = { headers: 1, rstStream: 3, settings: 4, windowUpdate: 8, continuation: 9, data: 0 } as const;
const flag = { endStream: 1, ack: 1, endHeaders: 4 } as const;
const initialWindowSize = 4;
const defaultWindow = 65_535;

/** Called at each frame's header; says whether the payload is wanted whole before it goes on. */
type OnHeader = (type: number, flags: number, stream: number, length: number) => boolean;
/** A frame has passed; `payload` where it was wanted. */
type OnFrame = (type: number, flags: number, stream: number, payload: Uint8Array | undefined) => void;

/** Finds frame boundaries in any split of the stream, without holding payloads that nobody wants. */
class FrameScanner {
  private readonly head = new Uint8Array(headerLength);
  private have = 0;
  private skip: number;
  private remaining = 0;
  private type = 0;
  private flags = 0;
  private stream = 0;
  private wanted: Uint8Array | undefined;
  private readonly onHeader: OnHeader;
  private readonly onFrame: OnFrame;
  private readonly emit: (bytes: Uint8Array) => void;

  constructor(skip: number, onHeader: OnHeader, onFrame: OnFrame, emit: (bytes: Uint8Array) => void) {
    this.skip = skip;
    this.onHeader = onHeader;
    this.onFrame = onFrame;
    this.emit = emit;
  }

  feed(chunk: Uint8Array): void {
    let at = 0;
    if (this.skip > 0) {
      at = Math.min(this.skip, chunk.length);
      this.skip -= at;
      this.emit(chunk.subarray(0, at));
    }
    while (at < chunk.length)
      at = this.have < headerLength ? this.takeHead(chunk, at) : this.takePayload(chunk, at);
  }

  private takeHead(chunk: Uint8Array, at: number): number {
    const n = Math.min(headerLength - this.have, chunk.length - at);
    this.head.set(chunk.subarray(at, at + n), this.have);
    this.have += n;
    if (this.have < headerLength) return at + n;
    const h = this.head;
    this.remaining = (h[0]! << 16) | (h[1]! << 8) | h[2]!;
    this.type = h[3]!;
    this.flags = h[4]!;
    this.stream = ((h[5]! & 0x7f) << 24) | (h[6]! << 16) | (h[7]! << 8) | h[8]!;
    this.emit(h.slice());
    if (this.onHeader(this.type, this.flags, this.stream, this.remaining))
      this.wanted = new Uint8Array(this.remaining);
    if (this.remaining === 0) this.finish();
    return at + n;
  }

  private takePayload(chunk: Uint8Array, at: number): number {
    const n = Math.min(this.remaining, chunk.length - at);
    const part = chunk.subarray(at, at + n);
    if (this.wanted === undefined) this.emit(part);
    else this.wanted.set(part, this.wanted.length - this.remaining);
    this.remaining -= n;
    if (this.remaining === 0) this.finish();
    return at + n;
  }

  private finish(): void {
    const payload = this.wanted;
    this.wanted = undefined;
    this.have = 0;
    this.onFrame(this.type, this.flags, this.stream, payload);
  }
}

/** One server-side connection. */
export class WindowMend {
  /**
   * Close the connection: the peer did what cannot be expressed (a smaller window with streams open), or broke a rule
   * of streams that node:http2 on Bun lets pass.
   */
  failed: string | undefined;
  /** The first SETTINGS were seen: the peer does speak HTTP/2. */
  greeted = false;
  private base = defaultWindow;
  private current = defaultWindow;
  /** Open streams, with whether their header block is complete (frames may be put in only then). */
  private readonly open = new Set<number>();
  private fresh = 0;
  /** Highest stream that the peer opened; those above are idle. */
  private last = 0;
  private inHeaders = false;
  private out: Uint8Array[] = [];
  private readonly inbound: FrameScanner;
  private readonly outbound: FrameScanner;

  constructor() {
    this.inbound = new FrameScanner(
      prefaceLength,
      (type, flags, stream, length) => {
        this.failed ??= this.wrongStream(type, stream);
        return (
          type === frame.settings &&
          (flags & flag.ack) === 0 &&
          length > 0 &&
          length <= limits.maxSettingsBytes
        );
      },
      (type, flags, stream, payload) => this.onInbound(type, flags, stream, payload),
      (bytes) => this.out.push(bytes),
    );
    this.outbound = new FrameScanner(
      0,
      () => false,
      (type, flags, stream) => {
        const ends = (type === frame.headers || type === frame.data) && (flags & flag.endStream) !== 0;
        if (ends || type === frame.rstStream) this.open.delete(stream);
      },
      () => {},
    );
  }

  /** Bytes of the peer; returns what the session is to see. */
  receive(chunk: Uint8Array): readonly Uint8Array[] {
    this.out = [];
    if (this.failed === undefined) this.inbound.feed(chunk);
    return this.failed === undefined ? this.out : [];
  }

  /** Bytes of the session, only looked at. */
  sent(chunk: Uint8Array): void {
    this.outbound.feed(chunk);
  }

  /**
   * RFC 9113 sections 5.1 and 6: an idle stream takes nothing but HEADERS and PRIORITY, a client opens odd ones, and
   * stream 0 is the connection. What arrives for a closed stream may have crossed its reset: the session judges that.
   */
  private wrongStream(type: number, stream: number): string | undefined {
    switch (type) {
      case frame.headers:
        return stream % 2 === 0 ? `the peer opened stream ${stream}` : undefined;
      case frame.data:
      case frame.rstStream:
      case frame.continuation:
        if (stream === 0) return `a frame of type ${type} on the connection itself`;
        break;
      case frame.windowUpdate:
        break;
      case frame.settings:
        return stream === 0 ? undefined : `SETTINGS on stream ${stream}`;
      default:
        return undefined;
    }
    return stream > this.last ? `a frame of type ${type} on idle stream ${stream}` : undefined;
  }

  private onInbound(type: number, flags: number, stream: number, payload: Uint8Array | undefined): void {
    if (payload !== undefined) this.onSettings(payload);
    // The first SETTINGS may be empty: every default holds.
    else if (type === frame.settings && (flags & flag.ack) === 0) this.greeted = true;
    if (type === frame.rstStream) this.open.delete(stream);
    if (type === frame.headers && !this.open.has(stream)) {
      this.open.add(stream);
      this.fresh = stream;
      this.last = Math.max(this.last, stream);
    }
    if (type === frame.headers || type === frame.continuation) {
      this.inHeaders = (flags & flag.endHeaders) === 0;
      if (!this.inHeaders && this.fresh !== 0) {
        // The session opened it with the first window; the peer counts with the current one.
        if (this.current > this.base) this.widen(this.fresh, this.current - this.base);
        this.fresh = 0;
      }
    }
  }

  private onSettings(payload: Uint8Array): void {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    let next = this.current;
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (view.getUint16(at) !== initialWindowSize) continue;
      const value = view.getUint32(at + 2);
      // Over 2^31-1 is the session's to refuse (FLOW_CONTROL_ERROR).
      if (value > 0x7fffffff) continue;
      next = value;
      if (this.greeted) view.setUint32(at + 2, this.base);
    }
    this.out.push(payload);
    if (!this.greeted) {
      this.greeted = true;
      this.base = next;
      this.current = next;
      return;
    }
    const delta = next - this.current;
    if (delta < 0 && (this.open.size > 0 || next < this.base))
      this.failed = `the peer lowered SETTINGS_INITIAL_WINDOW_SIZE from ${this.current} to ${next}`;
    this.current = next;
    if (delta > 0) for (const stream of this.open) this.widen(stream, delta);
  }

  private widen(stream: number, by: number): void {
    const bytes = new Uint8Array(headerLength + 4);
    const view = new DataView(bytes.buffer);
    bytes[2] = 4;
    bytes[3] = frame.windowUpdate;
    view.setUint32(5, stream);
    view.setUint32(9, by);
    this.out.push(bytes);
  }
}
