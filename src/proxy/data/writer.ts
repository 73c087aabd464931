/**
 * What is to be written to a socket: text and bytes are gathered and leave in one write at `flush` (no corking in
 * Bun: head and body must be joined). What the kernel does not take is copied and goes on at drain.
 */
import type { Latin1Target } from "../../wire/http/index.ts";
import { EncodedHead } from "../../wire/http1/index.ts";
import type { Socket } from "./socket.ts";

const scratch = Buffer.allocUnsafeSlow(128 * 1024) as unknown as Latin1Target;

type Part = string | EncodedHead | Uint8Array;

export class Writer {
  socket: Socket | null = null;
  /** Bytes that the socket has not taken yet. */
  queued = 0;
  /** Bytes given to the socket and queued, ever. */
  total = 0;
  private parts: Part[] = [];
  private gathered = 0;
  private queue: Uint8Array[] = [];

  /** Latin1 text: one byte a character. */
  text(text: string): void {
    this.parts.push(text);
    this.gathered += text.length;
  }

  /** Its fields must stay as they are until `flush`. */
  head(head: EncodedHead): void {
    this.parts.push(head);
    this.gathered += head.length;
  }

  /** The view must stay valid until `flush`. */
  bytes(bytes: Uint8Array): void {
    this.parts.push(bytes);
    this.gathered += bytes.length;
  }

  /** Bytes not yet taken by the socket, what was only gathered included. */
  get waiting(): number {
    return this.queued + this.gathered;
  }

  /** Writes what was gathered. */
  flush(): void {
    const size = this.gathered;
    if (size === 0) return;
    this.total += size;
    this.gathered = 0;
    const { parts, socket } = this;
    if (socket === null || this.queued > 0) {
      for (const part of parts) this.hold(part, 0);
    } else if (parts.length === 1 && parts[0] instanceof Uint8Array) {
      this.write(parts[0], size);
    } else if (size <= scratch.length) {
      let at = 0;
      for (let i = 0; i < parts.length; i++) {
        const part = parts[i]!;
        if (part instanceof EncodedHead) at = part.write(scratch, at);
        else if (typeof part === "string") at += scratch.latin1Write(part, at);
        else {
          scratch.set(part, at);
          at += part.length;
        }
      }
      this.write(scratch, size);
    } else {
      this.writeEach(parts);
    }
    parts.length = 0;
  }

  /** Writes on after the socket's drain. */
  drain(): void {
    const { queue, socket } = this;
    while (queue.length > 0 && socket !== null) {
      const first = queue[0]!;
      const taken = socket.write(first);
      if (taken < 0) {
        this.discard();
        return;
      }
      this.queued -= taken;
      if (taken < first.length) {
        queue[0] = first.subarray(taken);
        return;
      }
      queue.shift();
    }
  }

  /** Forgets everything: the connection is gone. */
  discard(): void {
    this.parts.length = 0;
    this.gathered = 0;
    this.queue.length = 0;
    this.queued = 0;
  }

  private write(bytes: Uint8Array, size: number): void {
    const taken = this.socket!.write(bytes, 0, size);
    if (taken >= 0 && taken < size) this.hold(bytes.subarray(0, size), taken);
  }

  private writeEach(parts: readonly Part[]): void {
    for (const part of parts) {
      if (this.queued > 0) {
        this.hold(part, 0);
        continue;
      }
      const bytes = part instanceof Uint8Array ? part : Buffer.from(part.toString(), "latin1");
      this.write(bytes, bytes.length);
    }
  }

  private hold(part: Part, from: number): void {
    const copy =
      part instanceof Uint8Array
        ? Uint8Array.prototype.slice.call(part, from)
        : Buffer.from(part.toString(), "latin1");
    if (copy.length === 0) return;
    this.queue.push(copy);
    this.queued += copy.length;
  }
}
