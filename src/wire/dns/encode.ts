/** Writes responses; what does not fit is left out and said to be (TC). */
import { ednsUdpBytes } from "./limits.ts";
import { encodeName } from "./name.ts";
import { headerBytes, type ResponseRead } from "./query.ts";
import { type Answer, classIn, type Query, type Response, rrType } from "./types.ts";

const optBytes = 11;

function types(answer: Answer): number {
  switch (answer.kind) {
    case "address":
      return answer.address.length === 4 ? rrType.A : rrType.AAAA;
    case "ptr":
      return rrType.PTR;
    case "srv":
      return rrType.SRV;
    case "soa":
      return rrType.SOA;
  }
}

const u16 = (n: number): number[] => [(n >> 8) & 255, n & 255];
const u32 = (n: number): number[] => [...u16(n >>> 16), ...u16(n & 0xffff)];

/** Undefined: a name in it fits into no record. */
function data(answer: Answer): Uint8Array | undefined {
  const name = (text: string): number[] | undefined => {
    const bytes = encodeName(text);
    return bytes && [...bytes];
  };
  switch (answer.kind) {
    case "address":
      return answer.address;
    case "ptr":
      return encodeName(answer.target);
    case "srv": {
      const target = name(answer.target);
      const { priority, weight, port } = answer;
      return target && Uint8Array.from([...u16(priority), ...u16(weight), ...u16(port), ...target]);
    }
    case "soa": {
      const server = name(answer.server);
      const mailbox = name(answer.mailbox);
      if (server === undefined || mailbox === undefined) return undefined;
      // Serial, refresh, retry, expire mean something to secondary servers only, and there are none.
      return Uint8Array.from([...server, ...mailbox, ...[1, 3600, 600, 86_400, answer.minimum].flatMap(u32)]);
    }
  }
}

function record(answer: Answer, question: Response["question"]): Uint8Array | undefined {
  const rdata = data(answer);
  // The name of the question is what most records are for: a pointer to it, in the asker's own spelling.
  const owner = answer.name === question?.name ? Uint8Array.of(0xc0, headerBytes) : encodeName(answer.name);
  if (rdata === undefined || owner === undefined) return undefined;
  return Uint8Array.from([
    ...owner,
    ...u16(types(answer)),
    ...u16(classIn),
    ...u32(answer.ttl),
    ...u16(rdata.length),
    ...rdata,
  ]);
}

/** At most `limit` octets. Additional records that do not fit are dropped silently (RFC 2181 section 9). */
export function encodeResponse(response: Response, limit: number): Uint8Array {
  const { question, edns } = response;
  const parts: Uint8Array[] = [];
  let size = headerBytes + (question?.raw.length ?? 0) + (edns ? optBytes : 0);
  let truncated = false;
  const put = (list: readonly Answer[], vital: boolean): number => {
    let count = 0;
    for (const answer of list) {
      if (truncated) break;
      const bytes = record(answer, question);
      if (bytes === undefined) continue;
      if (size + bytes.length > limit) {
        truncated = vital;
        break;
      }
      parts.push(bytes);
      size += bytes.length;
      count++;
    }
    return count;
  };
  const counts = [
    put(response.answers, true),
    put(response.authority, true),
    put(response.additional, false),
  ];
  if (edns) parts.push(opt(response.rcode));
  const flags =
    0x8000 |
    (response.authoritative ? 0x400 : 0) |
    (truncated ? 0x200 : 0) |
    (response.recursionDesired ? 0x100 : 0) |
    0x80 |
    (response.rcode & 15);
  const [answers = 0, authority = 0, additional = 0] = counts;
  const head = Uint8Array.from(
    [response.id, flags, question ? 1 : 0, answers, authority, additional + (edns ? 1 : 0)].flatMap(u16),
  );
  return Buffer.concat([head, question?.raw ?? new Uint8Array(0), ...parts]);
}

function opt(code: number): Uint8Array {
  return Uint8Array.from([0, ...u16(rrType.OPT), ...u16(ednsUdpBytes), code >> 4, 0, 0, 0, 0, 0]);
}

/** A query to ask others with; the answer must have the same id and question. */
export function encodeQuery(
  query: Omit<Query, "question"> & { readonly question: { readonly raw: Uint8Array } },
) {
  const { edns } = query;
  const flags = (query.recursionDesired ? 0x100 : 0) | (query.checkingDisabled ? 0x10 : 0);
  const head = Uint8Array.from([query.id, flags, 1, 0, 0, edns ? 1 : 0].flatMap(u16));
  const dnssec = edns?.dnssecOk === true ? 0x80 : 0;
  const end = edns ? [0, ...u16(rrType.OPT), ...u16(ednsUdpBytes), 0, 0, dnssec, 0, 0, 0] : [];
  return Buffer.concat([head, query.question.raw, Uint8Array.from(end)]);
}

/** What is left of a response that is too long for UDP: its question, and that there is more. */
export function cutShort(bytes: Uint8Array, read: ResponseRead): Uint8Array {
  const short = new Uint8Array(bytes.subarray(0, headerBytes + read.question.raw.length));
  short[2] = short[2]! | 0x02;
  short.fill(0, 6, headerBytes);
  return short;
}
