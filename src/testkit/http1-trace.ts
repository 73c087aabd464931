/** Runs the HTTP/1.1 parsers over bytes cut into pieces and notes what they said, for codec tests. */
import {
  type Http1Error,
  type Http1Limits,
  type RequestHead,
  RequestParser,
  type ResponseHead,
  ResponseParser,
} from "../wire/http1/index.ts";

export type TraceEvent =
  | { readonly kind: "request"; readonly head: RequestHead; readonly endStream: boolean }
  | { readonly kind: "response" | "informational"; readonly head: ResponseHead; readonly endStream: boolean }
  | { readonly kind: "trailers"; readonly list: readonly string[] }
  | { readonly kind: "data"; readonly text: string }
  | { readonly kind: "end" };

export interface Trace {
  readonly events: readonly TraceEvent[];
  readonly error: Http1Error | null;
}

export interface TraceOptions {
  readonly limits?: Http1Limits;
  /** When the next request is asked for: inside onEnd, or after the piece was fed. */
  readonly next?: "inside" | "after" | "never";
  /** Method of the requests that responses answer; "GET" by default. */
  readonly method?: string;
  /** Whether the peer closes at the end; true by default. */
  readonly eof?: boolean;
}

class Recorder {
  readonly events: TraceEvent[] = [];
  ended: () => void = () => {};

  onRequest(head: RequestHead, endStream: boolean): void {
    this.events.push({ kind: "request", head, endStream });
  }
  onInformational(head: ResponseHead): void {
    this.events.push({ kind: "informational", head, endStream: true });
  }
  onResponse(head: ResponseHead, endStream: boolean): void {
    this.events.push({ kind: "response", head, endStream });
  }
  /** Neighbouring data are one event: how a body is cut is the network's business. */
  onData(chunk: Uint8Array): void {
    if (chunk.length === 0) throw new Error("empty data event");
    const text = Buffer.from(chunk).toString("latin1");
    const last = this.events.at(-1);
    if (last?.kind === "data") this.events[this.events.length - 1] = { kind: "data", text: last.text + text };
    else this.events.push({ kind: "data", text });
  }
  onTrailers(list: readonly string[]): void {
    this.events.push({ kind: "trailers", list });
  }
  onEnd(): void {
    this.events.push({ kind: "end" });
    this.ended();
  }
}

/** Each piece is fed from an array that is overwritten afterwards, as a socket's buffer is. */
function feedAll(pieces: readonly Uint8Array[], feed: (bytes: Uint8Array) => boolean): void {
  for (const piece of pieces) {
    const bytes = Uint8Array.from(piece);
    const more = feed(bytes);
    bytes.fill(0x21);
    if (!more) return;
  }
}

export function traceRequests(pieces: readonly Uint8Array[], options: TraceOptions = {}): Trace {
  const recorder = new Recorder();
  const parser = new RequestParser(recorder, options.limits);
  const when = options.next ?? "after";
  if (when === "inside") recorder.ended = () => parser.next();
  let error: Http1Error | null = null;
  feedAll(pieces, (bytes) => {
    error = parser.feed(bytes);
    let seen = -1;
    while (when === "after" && error === null && seen !== recorder.events.length) {
      seen = recorder.events.length;
      error = parser.next();
    }
    return error === null;
  });
  if (error === null && options.eof !== false) error = parser.eof();
  return { events: recorder.events, error };
}

/** One response a piece list: `messages` are the pieces of each response in turn. */
export function traceResponses(
  messages: readonly (readonly Uint8Array[])[],
  options: TraceOptions = {},
): Trace {
  const recorder = new Recorder();
  const parser = new ResponseParser(recorder, options.limits);
  let error: Http1Error | null = null;
  for (const pieces of messages) {
    if (error !== null) break;
    parser.expect(options.method ?? "GET", true);
    feedAll(pieces, (bytes) => {
      error = parser.feed(bytes);
      return error === null;
    });
  }
  if (error === null && options.eof !== false) error = parser.eof();
  return { events: recorder.events, error };
}

export const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

/** Cuts at the given positions (any order, repeated ones ignored). */
export function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const points = [...new Set([0, ...at.filter((p) => p > 0 && p < bytes.length), bytes.length])];
  points.sort((a, b) => a - b);
  return points.slice(1).map((p, i) => bytes.subarray(points[i]!, p));
}

export function byteByByte(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
}
