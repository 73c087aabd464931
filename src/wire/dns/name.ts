/** Names on the wire: labels, compression, and the text that stands for them here. */
import { maxLabelBytes, maxNameBytes, maxPointers } from "./limits.ts";

export interface ReadName {
  readonly name: string;
  /** Where the reader goes on. */
  readonly end: number;
}

/** Undefined: broken (past the end, too long, a pointer that does not lead backwards). */
export function readName(bytes: Uint8Array, start: number): ReadName | undefined {
  let at = start;
  let end = -1;
  let total = 1;
  let pointers = 0;
  let text = "";
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) return { name: text, end: end < 0 ? at + 1 : end };
    if (length >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined || ++pointers > maxPointers) return undefined;
      const target = ((length & 0x3f) << 8) | low;
      if (target >= at) return undefined;
      if (end < 0) end = at + 2;
      at = target;
      continue;
    }
    if (length > maxLabelBytes || at + 1 + length > bytes.length) return undefined;
    total += length + 1;
    if (total > maxNameBytes) return undefined;
    text += (text === "" ? "" : ".") + label(bytes, at + 1, length);
    at += length + 1;
  }
}

function label(bytes: Uint8Array, start: number, length: number): string {
  let text = "";
  for (let i = start; i < start + length; i++) {
    const byte = bytes[i]!;
    if (byte >= 0x41 && byte <= 0x5a) text += String.fromCharCode(byte + 32);
    else if (byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c) text += String.fromCharCode(byte);
    else text += `\\${String(byte).padStart(3, "0")}`;
  }
  return text;
}

/** The wire form, uncompressed; undefined for what does not fit into one. */
export function encodeName(name: string): Uint8Array | undefined {
  const out: number[] = [];
  for (const part of name === "" ? [] : name.split(".")) {
    const bytes = labelBytes(part);
    if (bytes === undefined || bytes.length === 0 || bytes.length > maxLabelBytes) return undefined;
    out.push(bytes.length, ...bytes);
  }
  out.push(0);
  return out.length > maxNameBytes ? undefined : Uint8Array.from(out);
}

function labelBytes(text: string): number[] | undefined {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) return undefined;
    if (code !== 0x5c) bytes.push(code);
    else {
      const digits = text.slice(i + 1, i + 4);
      if (!/^[0-9]{3}$/.test(digits) || Number(digits) > 255) return undefined;
      bytes.push(Number(digits));
      i += 3;
    }
  }
  return bytes;
}
