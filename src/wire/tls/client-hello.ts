/** Looks into the first bytes of a connection without consuming them: TLS or not, server name, ALPN. Sans-IO. */
import { maxAlpnProtocols, maxClientHelloBytes } from "./limits.ts";

export type ClientHelloPeek =
  /** Not TLS: the first bytes are no handshake record. Never said of a prefix that could become TLS. */
  | { readonly tls: false }
  /** More bytes are needed (`complete` false), or the whole ClientHello was read. */
  | { readonly tls: true; readonly complete: false }
  | { readonly tls: true; readonly complete: true; readonly sni: string; readonly alpn: readonly string[] }
  /** TLS by its first byte, but broken or past maxClientHelloBytes: close the connection. */
  | { readonly tls: true; readonly error: string };

const notTls: ClientHelloPeek = { tls: false };
const incomplete: ClientHelloPeek = { tls: true, complete: false };
const broken = (error: string): ClientHelloPeek => ({ tls: true, error });

const recordHeader = 5;
const maxRecord = 16_384;
const handshakeRecord = 22;
const clientHello = 1;
const sniExtension = 0;
const alpnExtension = 16;

/** Big-endian reader that never leaves its bounds: past the end it says so instead of reading. */
class Reader {
  ok = true;
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  uint(width: 1 | 2 | 3): number {
    if (this.left < width) {
      this.ok = false;
      return 0;
    }
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + this.bytes[this.at++]!;
    return value;
  }

  take(length: number): Uint8Array {
    if (this.left < length) {
      this.ok = false;
      return new Uint8Array(0);
    }
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** A vector with its length in front. */
  vector(width: 1 | 2 | 3): Uint8Array {
    return this.take(this.uint(width));
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** RFC 6066 section 3; only host_name exists. NUL, empty and oversized names are errors. */
function serverName(extension: Uint8Array): string | undefined {
  const reader = new Reader(extension);
  const list = new Reader(reader.vector(2));
  if (!reader.ok || reader.left !== 0) return undefined;
  let name: string | undefined;
  while (list.left > 0) {
    const type = list.uint(1);
    const value = list.vector(2);
    if (!list.ok || type !== 0 || name !== undefined) return undefined;
    if (value.length === 0 || value.length > 255 || value.includes(0)) return undefined;
    name = text(value).toLowerCase();
  }
  return name;
}

/** RFC 7301 section 3.1. */
function protocols(extension: Uint8Array): string[] | undefined {
  const reader = new Reader(extension);
  const list = new Reader(reader.vector(2));
  if (!reader.ok || reader.left !== 0 || list.left === 0) return undefined;
  const names: string[] = [];
  while (list.left > 0) {
    const name = list.vector(1);
    if (!list.ok || name.length === 0) return undefined;
    if (names.length < maxAlpnProtocols) names.push(text(name));
  }
  return names;
}

/** The body of a ClientHello, RFC 8446 section 4.1.2 (and 5246: the same up to the extensions). */
function parseHello(body: Uint8Array): ClientHelloPeek {
  const reader = new Reader(body);
  reader.take(2 + 32);
  reader.vector(1);
  reader.vector(2);
  reader.vector(1);
  if (!reader.ok) return broken("ClientHello ends early");
  let sni: string | undefined;
  let alpn: string[] | undefined;
  if (reader.left > 0) {
    const extensions = new Reader(reader.vector(2));
    if (!reader.ok || reader.left !== 0) return broken("ClientHello has wrong lengths");
    while (extensions.left > 0) {
      const type = extensions.uint(2);
      const value = extensions.vector(2);
      if (!extensions.ok) return broken("ClientHello extension ends early");
      if (type === sniExtension) {
        if (sni !== undefined) return broken("two server name extensions");
        sni = serverName(value);
        if (sni === undefined) return broken("bad server name extension");
      } else if (type === alpnExtension) {
        if (alpn !== undefined) return broken("two ALPN extensions");
        alpn = protocols(value);
        if (alpn === undefined) return broken("bad ALPN extension");
      }
    }
  }
  return { tls: true, complete: true, sni: sni ?? "", alpn: alpn ?? [] };
}

/** Joins the handshake fragments of consecutive records; a ClientHello may span several. */
function assemble(bytes: Uint8Array): ClientHelloPeek | Uint8Array {
  const parts: Uint8Array[] = [];
  let have = 0;
  let need = 4;
  for (let at = 0; ; ) {
    const left = bytes.length - at;
    if (left > 0 && bytes[at] !== handshakeRecord) return broken("ClientHello interrupted by another record");
    if (left > 1 && bytes[at + 1] !== 3) return broken("unknown TLS record version");
    if (left < recordHeader) break;
    const length = bytes[at + 3]! * 256 + bytes[at + 4]!;
    if (length === 0 || length > maxRecord) return broken("bad TLS record length");
    const part = bytes.subarray(at + recordHeader, Math.min(at + recordHeader + length, bytes.length));
    parts.push(part);
    have += part.length;
    if (have >= 1 && parts[0]![0] !== undefined && parts[0]![0] !== clientHello)
      return broken("the first handshake message is no ClientHello");
    if (have >= 4 && need === 4) {
      const head = Buffer.concat(parts);
      need = 4 + head.readUIntBE(1, 3);
      if (need > maxClientHelloBytes) return broken("ClientHello is longer than 64 KiB");
    }
    if (have >= need && need > 4) return Buffer.concat(parts).subarray(4, need);
    if (have === 4 && need === 4) return broken("empty ClientHello");
    if (part.length < length) break;
    at += recordHeader + length;
  }
  return bytes.length >= maxClientHelloBytes ? broken("ClientHello is longer than 64 KiB") : incomplete;
}

/**
 * Reads the first bytes of a connection, from its beginning each time; the verdict at any split of the bytes is
 * "incomplete" or the same as for the whole. Nothing is trusted from it but the choice of a filter chain.
 */
export function peekClientHello(firstBytes: Uint8Array): ClientHelloPeek {
  if (firstBytes.length === 0) return incomplete;
  if (firstBytes[0] !== handshakeRecord) return notTls;
  // A handshake record of SSL 3 to TLS 1.3 says version 3.x; anything else is some other protocol.
  if (firstBytes.length > 1 && firstBytes[1] !== 3) return notTls;
  const assembled = assemble(firstBytes);
  return assembled instanceof Uint8Array ? parseHello(assembled) : assembled;
}
