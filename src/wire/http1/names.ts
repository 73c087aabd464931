import { latin1, lowerToken } from "../http/index.ts";

/**
 * Field names the codec gives meaning to. The index of a name in `known` is its kind; all others are 0.
 */
export const plainField = 0;
export const hostField = 1;
export const contentLengthField = 2;
export const transferEncodingField = 3;
export const connectionField = 4;
export const expectField = 5;
export const upgradeField = 6;
/** Spelt with "_" for "-" they reach some servers as the real thing: refused (HARDENING row 3). */
export const disguisedField = 7;

const known: Readonly<Record<string, number>> = {
  host: hostField,
  "content-length": contentLengthField,
  "transfer-encoding": transferEncodingField,
  connection: connectionField,
  expect: expectField,
  upgrade: upgradeField,
  content_length: disguisedField,
  transfer_encoding: disguisedField,
};

function kindOf(name: string): number {
  return Object.hasOwn(known, name) ? known[name]! : plainField;
}

/**
 * A direct-mapped cache of names seen lately, in lower case: almost every name of almost every request is
 * found here, which spares a string, its folding and its comparison. An attacker can only make it miss.
 */
const slots = 1024;
const maxCachedName = 64;
const names: string[] = new Array<string>(slots).fill("");
const kinds = new Uint8Array(slots);

export interface FoundName {
  name: string;
  kind: number;
}

/** What the last `internName` found; read at once, so that finding allocates nothing. */
export const found: FoundName = { name: "", kind: plainField };

/** Next value of the hash that `internName` wants, over lower-case bytes; starts at 0. */
export const nameHash = (hash: number, lower: number): number => (Math.imul(hash, 31) + lower) | 0;

/** Lower-case name of bytes [from, to), which are tokens, into `found`. */
export function internName(bytes: Uint8Array, from: number, to: number, hash: number): void {
  const slot = (hash ^ (hash >>> 10)) & (slots - 1);
  const cached = names[slot]!;
  if (cached.length === to - from) {
    let i = 0;
    while (from + i < to && lowerToken[bytes[from + i]!] === cached.charCodeAt(i)) i++;
    if (from + i === to) {
      found.name = cached;
      found.kind = kinds[slot]!;
      return;
    }
  }
  const name = latin1(bytes, from, to).toLowerCase();
  const kind = kindOf(name);
  found.name = name;
  found.kind = kind;
  if (name.length > maxCachedName) return;
  names[slot] = name;
  kinds[slot] = kind;
}
