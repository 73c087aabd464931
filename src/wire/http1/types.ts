import type { HeaderList } from "../http/index.ts";

/** A peer's bad bytes. `status` is what a server answers before it closes; 502 where the peer is an upstream. */
export interface Http1Error {
  readonly status: 400 | 414 | 417 | 431 | 501 | 502 | 505;
  /** Stable machine-readable name, such as `http1.chunk_size`. */
  readonly code: string;
  readonly detail: string;
}

/** Head of a request as sent: the target is neither resolved nor normalised (see `resolveTarget`). */
export interface RequestHead {
  method: string;
  target: string;
  version: 10 | 11;
  headers: HeaderList;
  /** Bytes of the body, -1 where no content-length was sent. */
  contentLength: number;
  chunked: boolean;
  /** The client wants to go on using the connection. */
  keepAlive: boolean;
  /** `Expect: 100-continue` on a request that has a body. */
  expectContinue: boolean;
  /** Lower-case value of Upgrade where Connection nominates it; null without, on HTTP/1.0, and for h2c. */
  upgrade: string | null;
}

export interface ResponseHead {
  status: number;
  reason: string;
  version: 10 | 11;
  headers: HeaderList;
  contentLength: number;
  chunked: boolean;
  keepAlive: boolean;
}

/** Events of one request after the other. Order: onRequest, onData*, onTrailers?, onEnd. */
export interface RequestHandler {
  /** `endStream`: no body follows (onEnd is called all the same, next). */
  onRequest(head: RequestHead, endStream: boolean): void;
  /** The view is valid during the call only. */
  onData(chunk: Uint8Array): void;
  /** Called only when there are trailers left after the forbidden ones were dropped. */
  onTrailers(trailers: HeaderList): void;
  /** The message is complete: called exactly once a request. */
  onEnd(): void;
}

export interface ResponseHandler {
  /** A 1xx answer other than 101; the final one is still to come. */
  onInformational(head: ResponseHead): void;
  /** `endStream`: no body follows (onEnd is called all the same, next). */
  onResponse(head: ResponseHead, endStream: boolean): void;
  onData(chunk: Uint8Array): void;
  onTrailers(trailers: HeaderList): void;
  onEnd(): void;
}

/** How the body of a message to be written is delimited. "none" writes no framing header at all. */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" };

export interface EncodeOptions {
  /** Adds `connection: close`. */
  readonly close?: boolean;
  /** Adds `connection: upgrade` and `upgrade: <value>`. */
  readonly upgrade?: string;
  /** Adds `connection: keep-alive` (the answer to a HTTP/1.0 client that asked for it). */
  readonly keepAlive?: boolean;
  /** Reason phrase of a response; the standard one by default. */
  readonly reason?: string;
}
