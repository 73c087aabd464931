import { STATUS_CODES } from "node:http";
import type { HeaderList, Latin1Target } from "../http/index.ts";
import type { EncodeOptions, Framing } from "./types.ts";

const statusLines: string[] = [];
for (let status = 100; status < 600; status++) {
  statusLines[status] = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
}

/** Endings of messages whose bodies have usual lengths, made when first needed. */
const lengthEndings: string[] = [];
const keptLengths = 4096;

function lengthEnding(length: number): string {
  if (length >= keptLengths) return `content-length: ${length}\r\n\r\n`;
  while (lengthEndings.length <= length) lengthEndings.push("");
  let text = lengthEndings[length]!;
  if (text === "") {
    text = `content-length: ${length}\r\n\r\n`;
    lengthEndings[length] = text;
  }
  return text;
}

/** Framing and connection fields, then the empty line. Framing fields are written here and nowhere else. */
function ending(framing: Framing, options?: EncodeOptions): string {
  if (options === undefined) {
    if (framing.kind === "none") return "\r\n";
    return framing.kind === "length" ? lengthEnding(framing.length) : "transfer-encoding: chunked\r\n\r\n";
  }
  let out = "";
  if (framing.kind === "length") out = `content-length: ${framing.length}\r\n`;
  else if (framing.kind === "chunked") out = "transfer-encoding: chunked\r\n";
  if (options.upgrade !== undefined) out += `connection: upgrade\r\nupgrade: ${options.upgrade}\r\n`;
  else if (options.close === true) out += "connection: close\r\n";
  else if (options.keepAlive === true) out += "connection: keep-alive\r\n";
  return `${out}\r\n`;
}

/**
 * A head on its way out. Written field by field where it is to go: joining the fields to one string first takes
 * twice the time. The field list must stay as it is until then.
 */
export class EncodedHead {
  /** Bytes it takes. */
  readonly length: number;
  private readonly start: string;
  private readonly headers: readonly string[];
  private readonly end: string;

  constructor(start: string, headers: readonly string[], end: string) {
    this.start = start;
    this.headers = headers;
    this.end = end;
    // ": " and CRLF for each field, that is two for each text.
    let length = start.length + end.length + 2 * headers.length;
    for (let i = 0; i < headers.length; i++) length += headers[i]!.length;
    this.length = length;
  }

  /** Writes `length` bytes at `offset`, which must fit; gives the position behind them. */
  write(target: Latin1Target, offset: number): number {
    const { headers } = this;
    let at = offset + target.latin1Write(this.start, offset);
    for (let i = 0; i < headers.length; i += 2) {
      at += target.latin1Write(headers[i]!, at);
      target[at] = 58;
      target[at + 1] = 32;
      at += 2;
      at += target.latin1Write(headers[i + 1]!, at);
      target[at] = 13;
      target[at + 1] = 10;
      at += 2;
    }
    return at + target.latin1Write(this.end, at);
  }

  toString(): string {
    const { headers } = this;
    let out = this.start;
    for (let i = 0; i < headers.length; i += 2) out += `${headers[i]!}: ${headers[i + 1]!}\r\n`;
    return out + this.end;
  }
}

/**
 * Head of a HTTP/1.1 request, to be written in one piece with the body's start. `headers` holds no
 * content-length, transfer-encoding or connection (see `stripHopByHop`).
 */
export function requestHead(
  method: string,
  target: string,
  headers: readonly string[],
  framing: Framing,
  options?: EncodeOptions,
): EncodedHead {
  return new EncodedHead(`${method} ${target} HTTP/1.1\r\n`, headers, ending(framing, options));
}

/** Head of a HTTP/1.1 response; likewise. */
export function responseHead(
  status: number,
  headers: readonly string[],
  framing: Framing,
  options?: EncodeOptions,
): EncodedHead {
  const reason = options?.reason;
  const line = reason === undefined ? statusLines[status] : undefined;
  const start = line ?? `HTTP/1.1 ${status} ${reason ?? ""}\r\n`;
  return new EncodedHead(start, headers, ending(framing, options));
}

/** `requestHead` as a latin1 string. */
export function encodeRequestHead(
  method: string,
  target: string,
  headers: readonly string[],
  framing: Framing,
  options?: EncodeOptions,
): string {
  return requestHead(method, target, headers, framing, options).toString();
}

/** `responseHead` as a latin1 string. */
export function encodeResponseHead(
  status: number,
  headers: readonly string[],
  framing: Framing,
  options?: EncodeOptions,
): string {
  return responseHead(status, headers, framing, options).toString();
}

/** Written before a chunk of `length` > 0 bytes; `chunkEnd` follows the bytes. */
export function chunkHead(length: number): string {
  return `${length.toString(16)}\r\n`;
}

export const chunkEnd = "\r\n";

/** Ends a chunked body, with trailers if any. */
export function lastChunk(trailers?: HeaderList): string {
  if (trailers === undefined || trailers.length === 0) return "0\r\n\r\n";
  return new EncodedHead("0\r\n", trailers, "\r\n").toString();
}

/**
 * Whether a message with this body length may go without framing: a request without a body whose method
 * gives a body no meaning. Others must say `content-length: 0` (RFC 9110 section 8.6).
 */
export function requestFraming(method: string, contentLength: number, chunked: boolean): Framing {
  if (chunked) return { kind: "chunked" };
  if (contentLength >= 0) return { kind: "length", length: contentLength };
  return method === "POST" || method === "PUT" || method === "PATCH" ? { kind: "length", length: 0 } : none;
}

const none: Framing = { kind: "none" };

/** Interim answer to `Expect: 100-continue`. */
export const continueResponse = "HTTP/1.1 100 Continue\r\n\r\n";
