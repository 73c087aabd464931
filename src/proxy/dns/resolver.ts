/** Answers questions: the mesh's names itself, all others by asking others, once for all who ask the same. */
import type { Clock, Rng } from "../../base/index.ts";
import {
  aged,
  cutShort,
  ednsUdpBytes,
  encodeQuery,
  encodeResponse,
  type Query,
  rcode,
  readQuery,
  readResponse,
  tcpBytes,
  udpBytes,
} from "../../wire/dns/index.ts";
import { createBook, type NameBook } from "./book.ts";
import { Cache } from "./cache.ts";
import { limits } from "./limits.ts";
import { answerLocally, type LocalAnswer } from "./local.ts";

/** Who is asked about names that are not the mesh's. Answers are whole: truncation is the exchange's to deal with. */
export interface Upstream {
  /** Rejects where nobody answers. */
  exchange(query: Uint8Array): Promise<Uint8Array>;
}

export interface ResolverOptions {
  /** Absent: other names do not resolve (SERVFAIL). */
  readonly upstream?: Upstream;
  readonly ipv6: boolean;
  readonly clock: Clock;
  readonly rng: Rng;
}

export interface ResolverCounts {
  requests: number;
  local: number;
  cached: number;
  forwarded: number;
  failed: number;
}

export type Transport = "udp" | "tcp";

export class Resolver {
  book: NameBook = createBook();
  readonly counts: ResolverCounts = { requests: 0, local: 0, cached: 0, forwarded: 0, failed: 0 };
  readonly cache: Cache;
  private readonly options: ResolverOptions;
  private readonly asked = new Map<string, { askers: number; readonly answer: Promise<Uint8Array> }>();

  constructor(options: ResolverOptions) {
    this.options = options;
    this.cache = new Cache(options.clock);
  }

  /** Undefined: not worth an answer. A promise only where others are asked. */
  answer(bytes: Uint8Array, transport: Transport): Uint8Array | undefined | Promise<Uint8Array> {
    const read = readQuery(bytes);
    if (read === undefined) return undefined;
    this.counts.requests++;
    if (!("query" in read)) return refuse(read);
    const { query } = read;
    if ((query.edns?.version ?? 0) > 0) return reply(query, code(rcode.badVers), transport, false);
    const local = answerLocally(query.question, { ...this.options, book: this.book });
    if (local !== undefined) {
      this.counts.local++;
      return reply(query, local, transport, true);
    }
    if (!query.recursionDesired) return reply(query, code(rcode.refused), transport, false);
    return this.elsewhere(query, transport);
  }

  private elsewhere(query: Query, transport: Transport): Uint8Array | Promise<Uint8Array> {
    const key = keyOf(query);
    const kept = this.cache.get(key, query.id);
    if (kept !== undefined) {
      this.counts.cached++;
      return fit(kept, query, transport);
    }
    return this.forward(key, query).then(
      (answer) => fit(answer, query, transport),
      () => {
        this.counts.failed++;
        return reply(query, code(rcode.servFail), transport, false);
      },
    );
  }

  private async forward(key: string, query: Query): Promise<Uint8Array> {
    const under = this.asked.get(key);
    if (under !== undefined) {
      if (under.askers >= limits.sharedAskers) throw new Error("too many ask the same");
      under.askers++;
      return readdressed(await under.answer, query);
    }
    const { upstream } = this.options;
    if (upstream === undefined) throw new Error("there is nobody to ask");
    if (this.asked.size >= limits.upstreamQueries) throw new Error("too many questions under way");
    const answer = this.exchange(upstream, query).finally(() => this.asked.delete(key));
    this.asked.set(key, { askers: 1, answer });
    const bytes = await answer;
    this.cache.put(key, bytes);
    return readdressed(bytes, query);
  }

  /** With an id of its own, and for what it asked: everything else is somebody's forgery, or a mistake. */
  private async exchange(upstream: Upstream, query: Query): Promise<Uint8Array> {
    this.counts.forwarded++;
    const id = this.options.rng.int(65_536);
    const edns = { size: ednsUdpBytes, version: 0, dnssecOk: query.edns?.dnssecOk ?? false };
    const bytes = await upstream.exchange(encodeQuery({ ...query, id, ...(query.edns && { edns }) }));
    const read = readResponse(bytes);
    if (read === undefined || read.id !== id || !sameQuestion(read.question, query.question))
      throw new Error("the answer is for another question");
    return bytes;
  }
}

function sameQuestion(a: Query["question"], b: Query["question"]): boolean {
  return a.name === b.name && a.type === b.type && a.class === b.class;
}

/** What makes an answer another one. */
function keyOf({ question, edns, checkingDisabled }: Query): string {
  const flags = `${edns === undefined ? "" : "e"}${edns?.dnssecOk ? "d" : ""}${checkingDisabled ? "c" : ""}`;
  return `${question.type} ${question.class} ${flags} ${question.name}`;
}

function readdressed(bytes: Uint8Array, query: Query): Uint8Array {
  const read = readResponse(bytes);
  if (read === undefined) throw new Error("the answer cannot be read");
  return aged(bytes, read, query.id, 0);
}

const code = (rcode: number): LocalAnswer => ({ rcode, answers: [], authority: [], additional: [] });

function roomOf(query: Query, transport: Transport): number {
  if (transport === "tcp") return tcpBytes;
  return query.edns === undefined ? udpBytes : Math.min(Math.max(query.edns.size, udpBytes), ednsUdpBytes);
}

function reply(query: Query, local: LocalAnswer, transport: Transport, authoritative: boolean): Uint8Array {
  const { id, recursionDesired, question, edns } = query;
  return encodeResponse(
    { ...local, id, recursionDesired, question, authoritative, edns: edns !== undefined },
    roomOf(query, transport),
  );
}

function refuse(read: {
  readonly refused: number;
  readonly id: number;
  readonly question?: Query["question"];
}) {
  const { refused, id, question } = read;
  const response = { ...code(refused), id, recursionDesired: false, authoritative: false, edns: false };
  return encodeResponse({ ...response, ...(question && { question }) }, udpBytes);
}

function fit(bytes: Uint8Array, query: Query, transport: Transport): Uint8Array {
  if (bytes.length <= roomOf(query, transport)) return bytes;
  const read = readResponse(bytes);
  return read === undefined ? reply(query, code(rcode.servFail), transport, false) : cutShort(bytes, read);
}
