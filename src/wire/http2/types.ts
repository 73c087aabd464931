/**
 * What a user of HTTP/2 connections sees. Callbacks, no promises; a connection does no I/O and has no timers: its
 * owner feeds bytes, writes bytes, and calls `check` now and then. Everything happens inside `feed`, `flush`,
 * `drained`, `check` and `close`, or inside the call on a stream that causes it.
 */
import type { HeaderList } from "../http/index.ts";
import type { Http2Error } from "./errors.ts";
import type { Http2Limits } from "./limits.ts";

/** Head of a request, valid by RFC 9113 section 8.3.1 when it was received. */
export interface Http2RequestHead {
  method: string;
  /** "https", "http"...; "" for CONNECT without `protocol`. */
  scheme: string;
  /** From :authority, else from Host. A request whose Host says something else than its :authority is malformed. */
  authority: string;
  /** As sent, neither resolved nor normalised; begins with "/", or is "*". "" for CONNECT without `protocol`. */
  path: string;
  /** :protocol of an extended CONNECT (RFC 8441), e.g. "websocket"; null otherwise. */
  protocol: string | null;
  /** Without pseudo-header fields and Host; crumbs of Cookie joined. Content-length stands in it as it was sent. */
  headers: HeaderList;
  /** Bytes of the body, -1 where no content-length was sent. The connection holds the peer to it. */
  contentLength: number;
  /** Names of fields that no hop may index (RFC 7541 section 7.1.3): pass them on with the fields. */
  neverIndexed: readonly string[];
}

export interface Http2ResponseHead {
  status: number;
  headers: HeaderList;
  contentLength: number;
  neverIndexed: readonly string[];
}

/** Why `onReset` was called. */
export type ResetCause =
  /** The peer sent RST_STREAM. With code NO_ERROR after `onEnd`: it has answered and wants no more of the request. */
  | "remote"
  /** The peer broke a rule of this stream and we reset it: malformed message, too much data. */
  | "fault"
  /** The peer said by GOAWAY, or by RST_STREAM with REFUSED_STREAM, that it did not process it: safe to try again. */
  | "unprocessed"
  /** The connection is over. */
  | "connection";

/**
 * The user of one stream. Order: [onInformational*, onHeaders] on clients, onData*, onTrailers?, onEnd; onReset may
 * come at any time instead of what is missing and is the last call. Its own `reset` calls nothing.
 */
export interface StreamHandler {
  /** Client: a 1xx answer other than 101; the final one is still to come. */
  onInformational(head: Http2ResponseHead): void;
  /** Client: the final answer's head. `endStream`: no body follows (onEnd is called all the same, next). */
  onResponse(head: Http2ResponseHead, endStream: boolean): void;
  /**
   * A piece of the body: the view is valid during the call only. Each octet must be given back by
   * `stream.consume`, now or when it was passed on, also after the answer was sent: what is not is what the
   * peer may not send. A reset gives everything back by itself.
   */
  onData(chunk: Uint8Array): void;
  /** Called only when trailers are left after the forbidden ones were dropped. */
  onTrailers(trailers: HeaderList): void;
  /** The peer's message is complete: exactly once, unless reset before. */
  onEnd(): void;
  onReset(code: number, cause: ResetCause): void;
  /** After `sendData` gave false: the queue is down at the low watermark. */
  onWritable(): void;
}

/** One exchange. After its end or reset every call does nothing. */
export interface Http2Stream {
  readonly id: number;
  /** No frames of it will be sent or told any more. */
  readonly closed: boolean;
  /** Whether our side was ended (its last octets may still wait in the queue). */
  readonly sendEnded: boolean;
  /** Octets that wait for the peer's windows or for the socket. */
  readonly queuedBytes: number;
  /** False from `sendData`'s false until `onWritable`. */
  readonly writable: boolean;
  /**
   * Takes all of `chunk` (it may be reused afterwards: what cannot leave now is copied). False: the queue is at the
   * high watermark, write no more before `onWritable`.
   */
  sendData(chunk: Uint8Array, endStream: boolean): boolean;
  /** Ends our side with trailers, behind all data. An empty list ends it without. */
  sendTrailers(trailers: Readonly<HeaderList>): void;
  /** Ends our side, behind all data. */
  end(): void;
  /** RST_STREAM at once; queued data is dropped. `onReset` is not called. */
  reset(code: number): void;
  /** Gives `count` received octets back to the windows. */
  consume(count: number): void;
}

/** Server: the answer. Lists have lower-case names and no pseudo-header or connection-specific fields. */
export interface Http2ServerStream extends Http2Stream {
  /** A 1xx answer other than 101, before the final one. */
  sendInformational(status: number, headers: Readonly<HeaderList>): void;
  sendResponse(
    status: number,
    headers: Readonly<HeaderList>,
    endStream: boolean,
    neverIndexed?: readonly string[],
  ): void;
}

/** Where bytes go. */
export interface Http2Output {
  /**
   * Writes; gives the octets taken, as Bun's sockets do: fewer than given means that `connection.drained()` will be
   * called, negative that the socket is gone. The view is valid during the call only.
   */
  write(bytes: Uint8Array): number;
  /** The first frame since the last `flush` was made: call `flush` at the end of the present event. */
  onUnflushed(): void;
}

/** What a connection tells its owner. */
export interface ConnectionHandler {
  /** The peer's SETTINGS came (the first: a client knows now how many streams it may open) or changed. */
  onSettings(): void;
  /** The peer will take no streams above `lastStreamId`; those were reset as "unprocessed". `debug` is latin1. */
  onGoaway(code: number, lastStreamId: number, debug: string): void;
  /** A stream was reset because of the peer, or never came to be: for counters. */
  onStreamFault(error: Http2Error): void;
  /** The last of the open streams closed. After `shutdown` or a GOAWAY: time to close the socket. */
  onIdle(): void;
  /** The answer to `ping()`. */
  onPong(): void;
  /**
   * The connection broke a rule or a limit, or `check` found it dead. Streams were told, GOAWAY was written if the
   * socket took it: close the socket. Called once; nothing else follows.
   */
  onError(error: Http2Error): void;
}

export interface ServerHandler extends ConnectionHandler {
  /**
   * A request. The handler that is given back gets its body: next onEnd where `endStream` is true. The stream may
   * be answered or reset at once.
   */
  onRequest(stream: Http2ServerStream, head: Http2RequestHead, endStream: boolean): StreamHandler;
}

export interface ConnectionOptions {
  readonly output: Http2Output;
  /** Milliseconds, monotonic: base's Clock will do. */
  readonly clock: { now(): number };
  readonly limits?: Http2Limits;
}

export interface ServerOptions extends ConnectionOptions {
  readonly handler: ServerHandler;
  /** Take extended CONNECT (RFC 8441) and say so in SETTINGS. Default false. */
  readonly extendedConnect?: boolean;
}

export interface ClientOptions extends ConnectionOptions {
  readonly handler: ConnectionHandler;
  /** Streams at once, whatever more the peer allows. Default: as the peer says, 100 before it does. */
  readonly maxConcurrentStreams?: number;
}

/** Both sides of a connection. Made, it has its SETTINGS (the client its preface too) ready: `flush` sends them. */
export interface Http2Connection {
  /** Streams that are neither closed nor reset. */
  readonly activeStreams: number;
  /** Octets written for the socket that it has not taken. */
  readonly queuedBytes: number;
  /** GOAWAY was sent or received, or the connection is over: no new streams. */
  readonly closing: boolean;
  /** The connection ended by error or `close`. */
  readonly closed: boolean;
  /** A `ping()` waits for its answer. */
  readonly pinging: boolean;
  /** The peer has sent SETTINGS. */
  readonly settled: boolean;
  /** Reads what came from the socket. Gives the error with which the connection ended (`onError` had it), or null. */
  feed(bytes: Uint8Array): Http2Error | null;
  /** Writes what was gathered: call it at the end of each event. */
  flush(): void;
  /** The socket takes bytes again. */
  drained(): void;
  /**
   * Looks at the time limits: SETTINGS acknowledgement, header blocks that do not end. To be called about once a
   * second while `timed` is true.
   */
  check(): void;
  readonly timed: boolean;
  /** PING for keep-alive; at most one is under way. */
  ping(): void;
  /**
   * Ends gracefully. Server: GOAWAY that refuses nothing yet, and after a round trip (or `finishShutdown`, for peers
   * that do not answer) the one that names the last stream. Client: opens no more. `onIdle` tells when all is done;
   * where there is nothing under way, it is called at once or after the round trip.
   */
  shutdown(): void;
  finishShutdown(): void;
  /** GOAWAY with `code` at once, and the end of all streams ("connection"). For the owner's reasons. */
  abort(code: number, debug: string): void;
  /** The socket is gone, or will be: ends all streams ("connection"), writes nothing. */
  close(): void;
}

/** `new ServerConnection(options: ServerOptions)` is an Http2Connection; `new ClientConnection(options: ClientOptions)` this. */
export interface Http2ClientConnection extends Http2Connection {
  /** A stream can be opened now. When it was false, `onSettings` or a stream's end may make it true. */
  readonly canOpen: boolean;
  /** The peer takes extended CONNECT (RFC 8441): `head.protocol` may be set. */
  readonly extendedConnect: boolean;
  /**
   * Sends a request; null where `canOpen` is false, or `extendedConnect` for a head with `protocol`. `head` and its
   * list may be reused afterwards; `contentLength` is not looked at (it stands in the headers).
   */
  openStream(head: Http2RequestHead, endStream: boolean, handler: StreamHandler): Http2Stream | null;
}
