/** Istio's peer metadata: base64 of a google.protobuf.Struct. A reader for just that shape, bounded and total. */
import type { Peer } from "../config/index.ts";
import { peerMetadataLimitBytes } from "./limits.ts";

export const unknownPeer: Peer = {
  workload: "",
  namespace: "",
  app: "",
  version: "",
  service: "",
  revision: "",
  cluster: "",
};

type Fields = Map<string, string | Fields>;
const maxDepth = 4;

/** Undefined where the text is not such a message. */
export function decodePeerMetadata(text: string): Peer | undefined {
  if (text.length > peerMetadataLimitBytes) return undefined;
  try {
    const fields = readStruct(new Reader(Buffer.from(text, "base64")), 0);
    return toPeer(fields);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function toPeer(fields: Fields): Peer {
  const text = (from: Fields, key: string): string => {
    const value = from.get(key);
    return typeof value === "string" ? value : "";
  };
  const labels = fields.get("LABELS");
  const label = (key: string): string => (labels instanceof Map ? text(labels, key) : "");
  const workload = text(fields, "WORKLOAD_NAME");
  const app = label("app");
  return {
    workload,
    namespace: text(fields, "NAMESPACE"),
    app,
    version: label("version"),
    service: label("service.istio.io/canonical-name") || app || workload,
    revision: label("service.istio.io/canonical-revision") || label("version") || "latest",
    cluster: text(fields, "CLUSTER_ID"),
  };
}

class Reader {
  readonly bytes: Buffer;
  at = 0;
  end: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let shift = 1; shift < 2 ** 35; shift *= 128) {
      if (this.at >= this.end) throw new RangeError("truncated");
      const byte = this.bytes[this.at++]!;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
    throw new RangeError("varint");
  }

  /** Runs `read` on the next length-delimited field. */
  within<T>(read: () => T): T {
    const length = this.varint();
    const outer = this.end;
    const end = this.at + length;
    if (end > outer) throw new RangeError("length");
    this.end = end;
    const value = read();
    this.at = end;
    this.end = outer;
    return value;
  }

  text(): string {
    return this.within(() => this.bytes.toString("utf8", this.at, this.end));
  }

  skip(wire: number): void {
    if (wire === 0) this.varint();
    else if (wire === 1) this.at += 8;
    else if (wire === 2) this.within(() => undefined);
    else if (wire === 5) this.at += 4;
    else throw new RangeError("wire type");
    if (this.at > this.end) throw new RangeError("truncated");
  }
}

/** Struct { map<string, Value> fields = 1 } */
function readStruct(reader: Reader, depth: number): Fields {
  if (depth > maxDepth) throw new RangeError("depth");
  const fields: Fields = new Map();
  while (reader.at < reader.end) {
    const tag = reader.varint();
    if (tag === 10) reader.within(() => readEntry(reader, fields, depth));
    else reader.skip(tag & 7);
  }
  return fields;
}

function readEntry(reader: Reader, fields: Fields, depth: number): void {
  let key = "";
  let value: string | Fields | undefined;
  while (reader.at < reader.end) {
    const tag = reader.varint();
    if (tag === 10) key = reader.text();
    else if (tag === 18) value = reader.within(() => readValue(reader, depth));
    else reader.skip(tag & 7);
  }
  if (value !== undefined) fields.set(key, value);
}

/** Value { string string_value = 3; Struct struct_value = 5; ... } */
function readValue(reader: Reader, depth: number): string | Fields | undefined {
  let value: string | Fields | undefined;
  while (reader.at < reader.end) {
    const tag = reader.varint();
    if (tag === 26) value = reader.text();
    else if (tag === 42) value = reader.within(() => readStruct(reader, depth + 1));
    else reader.skip(tag & 7);
  }
  return value;
}
