/** Responses put together from resources that were encoded once: a copy of bytes, no encoder. */
import type { EncodedResource } from "./types.ts";

const lengthDelimited = 2;
/** Field numbers of envoy.service.discovery.v3. */
const resourceField = { version: 1, resource: 2, name: 3 } as const;
const anyField = { typeUrl: 1, value: 2 } as const;
const responseField = { version: 1, resources: 2, typeUrl: 4, nonce: 5, removed: 6 } as const;

const text = new TextEncoder();

function varintLength(n: number): number {
  let length = 1;
  for (let rest = n; rest > 127; rest = Math.floor(rest / 128)) length++;
  return length;
}

/** Bytes of a length-delimited field with a number under 16. */
const fieldLength = (payload: number): number => 1 + varintLength(payload) + payload;

class Writer {
  readonly bytes: Uint8Array;
  private at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  head(field: number, length: number): void {
    this.bytes[this.at++] = (field << 3) | lengthDelimited;
    let rest = length;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.bytes[this.at++] = (rest % 128) | 0x80;
    this.bytes[this.at++] = rest;
  }

  field(field: number, value: Uint8Array): void {
    this.head(field, value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
  }
}

/** The encoded Resource message of each resource, shared by all who get the same object. */
const encoded = new WeakMap<EncodedResource, Uint8Array>();

function encodeResource(resource: EncodedResource): Uint8Array {
  const ready = encoded.get(resource);
  if (ready !== undefined) return ready;
  const [version, name, url] = [resource.version, resource.name, resource.typeUrl].map((s) =>
    text.encode(s),
  ) as [Uint8Array, Uint8Array, Uint8Array];
  const any = fieldLength(url.length) + fieldLength(resource.bytes.length);
  const writer = new Writer(fieldLength(version.length) + fieldLength(any) + fieldLength(name.length));
  writer.field(resourceField.version, version);
  writer.head(resourceField.resource, any);
  writer.field(anyField.typeUrl, url);
  writer.field(anyField.value, resource.bytes);
  writer.field(resourceField.name, name);
  encoded.set(resource, writer.bytes);
  return writer.bytes;
}

/** What a response of either variant says. */
export interface ResponseParts {
  readonly typeUrl: string;
  readonly nonce: string;
  /** system_version_info or version_info. */
  readonly version: string;
  readonly added: readonly EncodedResource[];
  readonly removed: readonly string[];
}

/** One encoded DeltaDiscoveryResponse. */
export function encodeDeltaResponse(response: ResponseParts): Uint8Array {
  const parts: [number, Uint8Array][] = [];
  const add = (field: number, value: Uint8Array): void => {
    parts.push([field, value]);
  };
  if (response.version !== "") add(responseField.version, text.encode(response.version));
  for (const resource of response.added) add(responseField.resources, encodeResource(resource));
  add(responseField.typeUrl, text.encode(response.typeUrl));
  add(responseField.nonce, text.encode(response.nonce));
  for (const name of response.removed) add(responseField.removed, text.encode(name));
  const writer = new Writer(parts.reduce((sum, [, value]) => sum + fieldLength(value.length), 0));
  for (const [field, value] of parts) writer.field(field, value);
  return writer.bytes;
}

/** One encoded DiscoveryResponse; what was removed is what is missing in it. */
export function encodeSotwResponse({ typeUrl, nonce, version, added }: ResponseParts): Uint8Array {
  const [url, nonceBytes, versionBytes] = [typeUrl, nonce, version].map((s) => text.encode(s)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const anyLength = (r: EncodedResource): number => fieldLength(url.length) + fieldLength(r.bytes.length);
  const fixed = [url, nonceBytes, versionBytes].reduce((sum, b) => sum + fieldLength(b.length), 0);
  const writer = new Writer(added.reduce((sum, r) => sum + fieldLength(anyLength(r)), fixed));
  writer.field(responseField.version, versionBytes);
  for (const resource of added) {
    writer.head(responseField.resources, anyLength(resource));
    writer.field(anyField.typeUrl, url);
    writer.field(anyField.value, resource.bytes);
  }
  writer.field(responseField.typeUrl, url);
  writer.field(responseField.nonce, nonceBytes);
  return writer.bytes;
}
