/** DeltaDiscoveryResponse put together from resources that were encoded once: a copy of bytes, no encoder. */
import type { EncodedResource } from "./types.ts";

const lengthDelimited = 2;
/** Field numbers of envoy.service.discovery.v3. */
const resourceField = { version: 1, resource: 2, name: 3 } as const;
const anyField = { typeUrl: 1, value: 2 } as const;
const responseField = { systemVersion: 1, resources: 2, typeUrl: 4, nonce: 5, removed: 6 } as const;

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

/** One encoded DeltaDiscoveryResponse. */
export function encodeDeltaResponse(response: {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly systemVersion: string;
  readonly added: readonly EncodedResource[];
  readonly removed: readonly string[];
}): Uint8Array {
  const parts: [number, Uint8Array][] = [];
  const add = (field: number, value: Uint8Array): void => {
    parts.push([field, value]);
  };
  if (response.systemVersion !== "") add(responseField.systemVersion, text.encode(response.systemVersion));
  for (const resource of response.added) add(responseField.resources, encodeResource(resource));
  add(responseField.typeUrl, text.encode(response.typeUrl));
  add(responseField.nonce, text.encode(response.nonce));
  for (const name of response.removed) add(responseField.removed, text.encode(name));
  const writer = new Writer(parts.reduce((sum, [, value]) => sum + fieldLength(value.length), 0));
  for (const [field, value] of parts) writer.field(field, value);
  return writer.bytes;
}
