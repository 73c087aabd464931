interface Latin1Source {
  latin1Slice(this: Uint8Array, from: number, to: number): string;
}

const { latin1Slice } = Buffer.prototype as unknown as Latin1Source;

/** Text of bytes [from, to), one character a byte: one native call, a string of its own. */
export function latin1(bytes: Uint8Array, from: number, to: number): string {
  return latin1Slice.call(bytes, from, to);
}

/** A buffer that takes latin1 text: Bun's Buffer has Node's latin1Write, its types have not. */
export type Latin1Target = Uint8Array & { latin1Write(text: string, offset: number): number };
