import { STATUS_CODES } from "node:http";
import type { HeaderList } from "../http/index.ts";
import type { EncodeOptions, Framing } from "./types.ts";

const statusLines: string[] = [];
for (let status = 100; status < 600; status++) {
  statusLines[status] = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
}

/** Fields, then framing, then the empty line. Framing fields are written here and nowhere else. */
function finish(
  start: string,
  headers: readonly string[],
  framing: Framing,
  options?: EncodeOptions,
): string {
  let out = start;
  for (let i = 0; i < headers.length; i += 2) out += `${headers[i]!}: ${headers[i + 1]!}\r\n`;
  if (framing.kind === "length") out += `content-length: ${framing.length}\r\n`;
  else if (framing.kind === "chunked") out += "transfer-encoding: chunked\r\n";
  if (options !== undefined) {
    if (options.upgrade !== undefined) out += `connection: upgrade\r\nupgrade: ${options.upgrade}\r\n`;
    else if (options.close === true) out += "connection: close\r\n";
    else if (options.keepAlive === true) out += "connection: keep-alive\r\n";
  }
  return `${out}\r\n`;
}

/**
 * Head of a HTTP/1.1 request as a latin1 string, to be written in one piece with the body's start. `headers`
 * holds no content-length, transfer-encoding or connection (see `stripHopByHop`).
 */
export function encodeRequestHead(
  method: string,
  target: string,
  headers: readonly string[],
  framing: Framing,
  options?: EncodeOptions,
): string {
  return finish(`${method} ${target} HTTP/1.1\r\n`, headers, framing, options);
}

/** Head of a HTTP/1.1 response as a latin1 string; likewise. */
export function encodeResponseHead(
  status: number,
  headers: readonly string[],
  framing: Framing,
  options?: EncodeOptions,
): string {
  const reason = options?.reason;
  const line = reason === undefined ? statusLines[status] : undefined;
  return finish(line ?? `HTTP/1.1 ${status} ${reason ?? ""}\r\n`, headers, framing, options);
}

/** Written before a chunk of `length` > 0 bytes; `chunkEnd` follows the bytes. */
export function chunkHead(length: number): string {
  return `${length.toString(16)}\r\n`;
}

export const chunkEnd = "\r\n";

/** Ends a chunked body, with trailers if any. */
export function lastChunk(trailers?: HeaderList): string {
  if (trailers === undefined || trailers.length === 0) return "0\r\n\r\n";
  return finish("0\r\n", trailers, { kind: "none" });
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
