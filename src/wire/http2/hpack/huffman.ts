import { type Latin1Target, latin1 } from "../../http/index.ts";
import { eos, huffmanCodes, huffmanLengths } from "./huffman-code.ts";

/*
 * Decoding is a state machine over half bytes. A state is an inner node of the code's tree, 0 its root; half a byte
 * ends at most one symbol, since the shortest code has five bits. An entry of the table:
 *
 *   bit 17: not a code   bit 16: a symbol ends here   bits 8-15: the symbol   bits 0-7: next state
 */
const invalid = 0x20000;
const ends = 0x10000;

/** Tree as pairs of children: >= 0 inner node, < 0 leaf ~symbol. */
function tree(): Int16Array {
  const children = new Int16Array(2 * 256).fill(-1);
  const unset = -1000;
  children.fill(unset);
  let nodes = 1;
  for (let symbol = 0; symbol <= eos; symbol++) {
    const length = huffmanLengths[symbol]!;
    let node = 0;
    for (let bit = length - 1; bit >= 0; bit--) {
      const at = 2 * node + ((huffmanCodes[symbol]! >>> bit) & 1);
      if (bit === 0) children[at] = ~symbol;
      else if (children[at] === unset) children[at] = nodes++;
      node = children[at]!;
    }
  }
  return children;
}

function machine(children: Int16Array): Uint32Array {
  const table = new Uint32Array(256 * 16);
  for (let state = 0; state < 256; state++) {
    for (let half = 0; half < 16; half++) {
      let node = state;
      let found = 0;
      for (let bit = 3; bit >= 0; bit--) {
        node = children[2 * node + ((half >>> bit) & 1)]!;
        if (node >= 0) continue;
        // EOS in a string is an error (RFC 7541 section 5.2).
        found |= ~node === eos ? invalid : ends | (~node << 8);
        node = 0;
      }
      table[state * 16 + half] = found | node;
    }
  }
  return table;
}

/** States after up to seven ones: where a string may end, what is left being padding. */
function endStates(children: Int16Array): Uint8Array {
  const out = new Uint8Array(256);
  let node = 0;
  for (let ones = 0; ones < 8; ones++) {
    out[node] = 1;
    node = children[2 * node + 1]!;
  }
  return out;
}

const children = tree();
const table = machine(children);
const mayEnd = endStates(children);

const keptBytes = 16 * 1024;
const kept = new Uint8Array(keptBytes);

/** Text of the Huffman-coded bytes [from, to); null when they are no such text. */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number): string | null {
  // Five bits are the shortest code.
  const most = Math.ceil(((to - from) * 8) / 5);
  const out = most <= keptBytes ? kept : new Uint8Array(most);
  let length = 0;
  let state = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    const high = table[(state << 4) | (byte >>> 4)]!;
    if (high >= ends) {
      if (high >= invalid) return null;
      out[length++] = high >>> 8;
    }
    const low = table[((high & 0xff) << 4) | (byte & 15)]!;
    if (low >= ends) {
      if (low >= invalid) return null;
      out[length++] = low >>> 8;
    }
    state = low & 0xff;
  }
  return mayEnd[state] === 1 ? latin1(out, 0, length) : null;
}

/** Octets that `text` (latin1) takes Huffman-coded. */
export function huffmanLength(text: string): number {
  let bits = 7;
  for (let i = 0; i < text.length; i++) bits += huffmanLengths[text.charCodeAt(i) & 0xff]!;
  return bits >>> 3;
}

/** Writes `text` (latin1) at `at`, where it must fit; gives the position behind it. */
export function encodeHuffman(text: string, bytes: Latin1Target, at: number): number {
  let pending = 0;
  let bits = 0;
  let end = at;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    let code = huffmanCodes[symbol]!;
    let length = huffmanLengths[symbol]!;
    if (length > 24) {
      // At most 7 bits are pending: 24 more fit into 31.
      length -= 16;
      pending = (pending << length) | (code >>> 16);
      for (bits += length; bits >= 8; bits -= 8) bytes[end++] = pending >>> (bits - 8);
      pending &= 0xff;
      code &= 0xffff;
      length = 16;
    }
    pending = (pending << length) | code;
    for (bits += length; bits >= 8; bits -= 8) bytes[end++] = pending >>> (bits - 8);
    pending &= 0xff;
  }
  if (bits > 0) bytes[end++] = (pending << (8 - bits)) | (0xff >>> bits);
  return end;
}
