/** DNS over a stream: two octets of length before each message (RFC 1035 section 4.2.2). */

export function framed(message: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(message.length >> 8, message.length & 255), message]);
}

export class Framer {
  private readonly limit: number;
  private readonly onMessage: (message: Uint8Array) => void;
  private held: Uint8Array = new Uint8Array(0);

  constructor(limit: number, onMessage: (message: Uint8Array) => void) {
    this.limit = limit;
    this.onMessage = onMessage;
  }

  /** False: a message is longer than the limit, or empty; nothing more is to be fed. */
  feed(bytes: Uint8Array): boolean {
    this.held = this.held.length === 0 ? new Uint8Array(bytes) : Buffer.concat([this.held, bytes]);
    for (;;) {
      if (this.held.length < 2) return true;
      const length = (this.held[0]! << 8) | this.held[1]!;
      if (length === 0 || length > this.limit) return false;
      if (this.held.length < 2 + length) return true;
      const message = new Uint8Array(this.held.subarray(2, 2 + length));
      this.held = this.held.subarray(2 + length);
      this.onMessage(message);
    }
  }
}
