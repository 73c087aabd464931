/** Reads queries, and walks through responses. Sans-IO; malformed bytes are data, not exceptions. */
import { maxRecords } from "./limits.ts";
import { readName } from "./name.ts";
import { type Edns, type Query, type Question, rcode, rrType } from "./types.ts";

export const headerBytes = 12;

const u16 = (b: Uint8Array, at: number): number => (b[at]! << 8) | b[at + 1]!;
const u32 = (b: Uint8Array, at: number): number => u16(b, at) * 65_536 + u16(b, at + 2);

/** A query; `refused`: what to answer who sent it; undefined: not worth an answer (too short, or a response). */
export type QueryRead =
  | { readonly query: Query }
  | { readonly refused: number; readonly id: number; readonly question?: Question }
  | undefined;

export function readQuery(bytes: Uint8Array): QueryRead {
  if (bytes.length < headerBytes) return undefined;
  const id = u16(bytes, 0);
  const flags = u16(bytes, 2);
  if (flags & 0x8000) return undefined;
  if ((flags >> 11) & 15) return { refused: rcode.notImp, id };
  if (u16(bytes, 4) !== 1) return { refused: rcode.formErr, id };
  const read = readQuestion(bytes);
  if (read === undefined) return { refused: rcode.formErr, id };
  const { question, end } = read;
  const edns = readEdns(bytes, end);
  if (edns === "broken") return { refused: rcode.formErr, id, question };
  const query: Query = {
    id,
    recursionDesired: (flags & 0x100) !== 0,
    checkingDisabled: (flags & 0x10) !== 0,
    question,
    ...(edns && { edns }),
  };
  return { query };
}

function readQuestion(bytes: Uint8Array): { readonly question: Question; readonly end: number } | undefined {
  const name = readName(bytes, headerBytes);
  if (name === undefined || name.end + 4 > bytes.length) return undefined;
  const end = name.end + 4;
  return {
    question: {
      name: name.name,
      type: u16(bytes, name.end),
      class: u16(bytes, name.end + 2),
      raw: new Uint8Array(bytes.subarray(headerBytes, end)),
    },
    end,
  };
}

interface RecordPlace {
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  /** Where the time to live stands. */
  readonly ttlAt: number;
  readonly data: number;
  readonly end: number;
}

function readRecord(bytes: Uint8Array, start: number): RecordPlace | undefined {
  const name = readName(bytes, start);
  if (name === undefined || name.end + 10 > bytes.length) return undefined;
  const at = name.end;
  const data = at + 10;
  const end = data + u16(bytes, at + 8);
  if (end > bytes.length) return undefined;
  return {
    type: u16(bytes, at),
    class: u16(bytes, at + 2),
    ttl: u32(bytes, at + 4),
    ttlAt: at + 4,
    data,
    end,
  };
}

/** The OPT record of the additional section; a second one, or one elsewhere that cannot be read, is broken. */
function readEdns(bytes: Uint8Array, start: number): Edns | "broken" | undefined {
  const before = u16(bytes, 6) + u16(bytes, 8);
  const count = before + u16(bytes, 10);
  if (count > maxRecords) return "broken";
  let found: Edns | undefined;
  let at = start;
  for (let i = 0; i < count; i++) {
    const record = readRecord(bytes, at);
    if (record === undefined) return "broken";
    at = record.end;
    if (record.type !== rrType.OPT || i < before) continue;
    if (found !== undefined) return "broken";
    found = {
      size: record.class,
      version: (record.ttl >> 16) & 255,
      dnssecOk: (record.ttl & 0x8000) !== 0,
    };
  }
  return found;
}

export interface ResponseRead {
  readonly id: number;
  readonly rcode: number;
  readonly truncated: boolean;
  readonly question: Question;
  /** Shortest time to live in seconds of what it says; for "no such thing" the SOA's; undefined: nothing to keep. */
  readonly ttl: number | undefined;
  /** Places of the times to live. */
  readonly ttls: readonly number[];
  /** It has an answer. */
  readonly positive: boolean;
}

/** Undefined: no response, or a broken one. */
export function readResponse(bytes: Uint8Array): ResponseRead | undefined {
  if (bytes.length < headerBytes) return undefined;
  const flags = u16(bytes, 2);
  if ((flags & 0x8000) === 0 || u16(bytes, 4) !== 1) return undefined;
  const read = readQuestion(bytes);
  if (read === undefined) return undefined;
  const answers = u16(bytes, 6);
  const authority = u16(bytes, 8);
  const count = answers + authority + u16(bytes, 10);
  if (count > maxRecords) return undefined;
  const ttls: number[] = [];
  let least: number | undefined;
  let negative: number | undefined;
  let at = read.end;
  for (let i = 0; i < count; i++) {
    const record = readRecord(bytes, at);
    if (record === undefined) return undefined;
    at = record.end;
    if (record.type === rrType.OPT) continue;
    ttls.push(record.ttlAt);
    if (i < answers) least = Math.min(least ?? Infinity, record.ttl);
    else if (i < answers + authority && record.type === rrType.SOA && record.end - record.data >= 22)
      negative = Math.min(record.ttl, u32(bytes, record.end - 4));
  }
  const positive = answers > 0;
  const truncated = (flags & 0x200) !== 0;
  const ttl = positive ? least : negative;
  return { id: u16(bytes, 0), rcode: flags & 15, truncated, question: read.question, ttl, ttls, positive };
}

/** A kept response for another asker: its id, and times to live `seconds` later. */
export function aged(bytes: Uint8Array, read: ResponseRead, id: number, seconds: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  const view = new DataView(copy.buffer, copy.byteOffset, copy.length);
  view.setUint16(0, id);
  for (const at of read.ttls) view.setUint32(at, Math.max(0, view.getUint32(at) - seconds));
  return copy;
}
