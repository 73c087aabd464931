import type { Rng } from "../src/base/index.ts";
import { bytesOf } from "../src/testkit/http1-trace.ts";

/** Pieces that HTTP/1.1 parsers disagree about. */
const http1Words: readonly Uint8Array[] = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "chunked",
  "Transfer-Encoding: chunked\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 0\r\n",
  "Host: b\r\n",
  "0\r\n\r\n",
  "5\r\n",
  "0x",
  "+",
  "-",
  "HTTP/1.0",
  "HTTP/2.0",
  "Connection: close\r\n",
  "Expect: 100-continue\r\n",
  "\x0b",
  "\xff",
  "_",
  "99999999999999999999",
  "ffffffffffffffff",
].map(bytesOf);

const below = (rng: Rng, n: number): number => rng.int(n);
const join = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));

type Bytes = readonly Uint8Array[];
type Mutator = (rng: Rng, bytes: Uint8Array, corpus: Bytes, words: Bytes) => Uint8Array;

function span(rng: Rng, bytes: Uint8Array): readonly [number, number] {
  const from = below(rng, bytes.length + 1);
  return [from, Math.min(bytes.length, from + 1 + below(rng, 12))];
}

const mutators: readonly Mutator[] = [
  // Put a telling piece somewhere, or in place of something.
  (rng, b, _corpus, words) => {
    const at = below(rng, b.length + 1);
    return join(b.subarray(0, at), words[below(rng, words.length)]!, b.subarray(at));
  },
  (rng, b, _corpus, words) => {
    const [from, to] = span(rng, b);
    return join(b.subarray(0, from), words[below(rng, words.length)]!, b.subarray(to));
  },
  // Remove, repeat, move.
  (rng, b) => {
    const [from, to] = span(rng, b);
    return join(b.subarray(0, from), b.subarray(to));
  },
  (rng, b) => {
    const [from, to] = span(rng, b);
    return join(b.subarray(0, to), b.subarray(from, to), b.subarray(to));
  },
  (rng, b) => {
    const [from, to] = span(rng, b);
    const rest = join(b.subarray(0, from), b.subarray(to));
    const at = below(rng, rest.length + 1);
    return join(rest.subarray(0, at), b.subarray(from, to), rest.subarray(at));
  },
  // One byte: any, one bit, or the other case.
  (rng, b) => {
    const out = Uint8Array.from(b);
    if (out.length > 0) out[below(rng, out.length)] = below(rng, 256);
    return out;
  },
  (rng, b) => {
    const out = Uint8Array.from(b);
    if (out.length > 0) out[below(rng, out.length)]! ^= 1 << below(rng, 8);
    return out;
  },
  (rng, b) => {
    const out = Uint8Array.from(b);
    if (out.length > 0) out[below(rng, out.length)]! ^= 0x20;
    return out;
  },
  // Repeat or swap whole lines.
  (rng, b) => {
    const lines = Buffer.from(b).toString("latin1").split("\r\n");
    const i = below(rng, lines.length);
    lines.splice(below(rng, lines.length), 0, lines[i]!);
    return bytesOf(lines.join("\r\n"));
  },
  (rng, b) => {
    const lines = Buffer.from(b).toString("latin1").split("\r\n");
    const [i, j] = [below(rng, lines.length), below(rng, lines.length)];
    [lines[i], lines[j]] = [lines[j]!, lines[i]!];
    return bytesOf(lines.join("\r\n"));
  },
  // End early; go on with another message; cross with another one.
  (rng, b) => b.slice(0, below(rng, b.length + 1)),
  (rng, b, corpus) => join(b, corpus[below(rng, corpus.length)]!),
  (rng, b, corpus) => {
    const other = corpus[below(rng, corpus.length)]!;
    return join(b.subarray(0, below(rng, b.length + 1)), other.subarray(below(rng, other.length + 1)));
  },
];

/** A seed of the corpus after zero to four mutations, some of which put in one of `words`. */
export function mutate(rng: Rng, corpus: Bytes, words: Bytes = http1Words): Uint8Array {
  let bytes = corpus[below(rng, corpus.length)]!;
  for (let n = below(rng, 5); n > 0; n--) {
    bytes = mutators[below(rng, mutators.length)]!(rng, bytes, corpus, words);
  }
  return bytes;
}
