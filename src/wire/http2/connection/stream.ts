import { assert } from "../../../base/index.ts";
import type { HeaderList } from "../../http/index.ts";
import type { Http2ServerStream, StreamHandler } from "../types.ts";
import type { SendQueue } from "./send-queue.ts";

/** What a connection does for its streams. */
export interface StreamOwner {
  streamHeaders(
    stream: Stream,
    status: number,
    headers: Readonly<HeaderList>,
    endStream: boolean,
    neverIndexed: readonly string[] | undefined,
  ): void;
  streamData(stream: Stream, chunk: Uint8Array, endStream: boolean): boolean;
  streamTrailers(stream: Stream, trailers: Readonly<HeaderList>): void;
  streamReset(stream: Stream, code: number): void;
  streamConsumed(stream: Stream, count: number): void;
}

const empty = new Uint8Array(0);

/** Whoever takes the stream before its user is known: takes nothing. */
const nobody: StreamHandler = {
  onInformational() {},
  onResponse() {},
  onData() {},
  onTrailers() {},
  onEnd() {},
  onReset() {},
  onWritable() {},
};

/**
 * One stream (RFC 9113 section 5.1). Idle streams are ids above the highest seen, closed ones are not in the
 * connection's table any more; an object stands for what is between:
 *
 *                       open
 *     remoteEnded  /            \  endSent           END_STREAM received / sent
 *       half-closed (remote)  half-closed (local)
 *             endSent  \        /  remoteEnded
 *                       closed   <- RST_STREAM from any state, either way
 *
 * All but the methods is the connection's.
 */
export class Stream implements Http2ServerStream {
  readonly id: number;
  handler: StreamHandler = nobody;
  /** What the peer takes of us; below 0 after it made windows smaller. */
  sendWindow: number;
  /** What the peer may still send. */
  recvWindow: number;
  /** Octets told and not consumed, and those consumed whose WINDOW_UPDATE is still owed. */
  unconsumed = 0;
  owed = 0;
  remoteEnded = false;
  /** Our user ended its message; END_STREAM was written. */
  sendEnded = false;
  endSent = false;
  closed = false;
  /** Closed by a reset, not by its end. */
  cut = false;
  /** A final head was sent (server) or received (client). */
  answered = false;
  /** Client: the request's method allows no body in the answer (HEAD), or makes a tunnel of it (CONNECT). */
  headRequest = false;
  connectRequest = false;
  informational = 0;
  /** Octets that the peer announced (-1: none) and sent. */
  contentLength = -1;
  received = 0;
  /** What waits; null until something had to. */
  queue: SendQueue | null = null;
  trailers: Readonly<HeaderList> | null = null;
  /** `sendData` gave false. */
  full = false;
  /** Neighbours among the streams that can send; null: not among them. */
  next: Stream | null = null;
  prev: Stream | null = null;
  private readonly owner: StreamOwner;

  constructor(owner: StreamOwner, id: number, sendWindow: number, recvWindow: number) {
    this.owner = owner;
    this.id = id;
    this.sendWindow = sendWindow;
    this.recvWindow = recvWindow;
  }

  get queuedBytes(): number {
    return this.queue === null ? 0 : this.queue.length;
  }

  get writable(): boolean {
    return !this.full;
  }

  sendInformational(status: number, headers: Readonly<HeaderList>): void {
    assert(status >= 100 && status < 200 && status !== 101, "no informational status of HTTP/2");
    if (!this.closed) this.owner.streamHeaders(this, status, headers, false, undefined);
  }

  sendResponse(
    status: number,
    headers: Readonly<HeaderList>,
    endStream: boolean,
    neverIndexed?: readonly string[],
  ): void {
    if (this.closed) return;
    assert(!this.answered, "a stream is answered once");
    this.answered = true;
    this.owner.streamHeaders(this, status, headers, endStream, neverIndexed);
  }

  sendData(chunk: Uint8Array, endStream: boolean): boolean {
    if (this.closed) return true;
    assert(!this.sendEnded, "nothing follows the end of a stream");
    return this.owner.streamData(this, chunk, endStream);
  }

  sendTrailers(trailers: Readonly<HeaderList>): void {
    if (this.closed) return;
    assert(!this.sendEnded, "nothing follows the end of a stream");
    if (trailers.length === 0) this.owner.streamData(this, empty, true);
    else this.owner.streamTrailers(this, trailers);
  }

  end(): void {
    this.sendData(empty, true);
  }

  reset(code: number): void {
    if (!this.closed) this.owner.streamReset(this, code);
  }

  consume(count: number): void {
    this.owner.streamConsumed(this, count);
  }
}
