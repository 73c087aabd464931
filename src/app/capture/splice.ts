/** Two sockets made one connection: bytes, ends and slowness of each are passed on to the other. */
import { limits } from "./limits.ts";

/** One end; its `socket` may come later than its first bytes. */
export class End {
  socket: Bun.Socket<End | undefined> | undefined;
  other: End | undefined;
  /** Called with the first bytes, until the other end is known; gives what is left for it. */
  head: ((bytes: Uint8Array) => Uint8Array | undefined) | undefined;
  onClosed: (() => void) | undefined;
  private held: Uint8Array[] = [];
  private heldBytes = 0;
  private ending = false;
  private paused = false;

  /** To this end's peer. */
  write(bytes: Uint8Array): void {
    let rest = bytes;
    if (this.socket !== undefined && this.heldBytes === 0) {
      const taken = Math.max(0, this.socket.write(bytes));
      rest = bytes.subarray(taken);
    }
    if (rest.length === 0) return;
    this.held.push(new Uint8Array(rest));
    this.heldBytes += rest.length;
    if (this.heldBytes > limits.relayBufferBytes) this.other?.pause(true);
  }

  /** No more will be written. */
  finish(): void {
    this.ending = true;
    if (this.heldBytes === 0) this.socket?.shutdown();
  }

  drain(): void {
    while (this.held.length > 0 && this.socket !== undefined) {
      const first = this.held[0]!;
      const taken = Math.max(0, this.socket.write(first));
      this.heldBytes -= taken;
      if (taken < first.length) {
        this.held[0] = first.subarray(taken);
        return;
      }
      this.held.shift();
    }
    if (this.heldBytes > 0) return;
    this.other?.pause(false);
    if (this.ending) this.socket?.shutdown();
  }

  pause(on: boolean): void {
    if (on === this.paused) return;
    this.paused = on;
    if (on) this.socket?.pause();
    else this.socket?.resume();
  }

  received(bytes: Uint8Array): void {
    const rest = this.head === undefined ? bytes : this.head(bytes);
    if (rest !== undefined && rest.length > 0) this.other?.write(rest);
  }

  /** The connection of this end is there. */
  opened(socket: Bun.Socket<End | undefined>): void {
    this.socket = socket;
    if (this.paused) socket.pause();
    this.drain();
  }

  closed(): void {
    this.socket = undefined;
    this.onClosed?.();
    this.onClosed = undefined;
    const { other } = this;
    this.other = undefined;
    if (other === undefined) return;
    other.other = undefined;
    // What was sent before the end still arrives.
    if (other.heldBytes === 0) other.socket?.end();
    else other.finish();
  }

  /** Nothing sensible is left: both ends are cut off. */
  abort(): void {
    const { other, socket } = this;
    this.other = undefined;
    if (other !== undefined) other.other = undefined;
    socket?.terminate();
    other?.socket?.terminate();
  }
}

export function join(a: End, b: End): void {
  a.other = b;
  b.other = a;
}

/** Handlers of sockets whose data is an End. */
export const endHandlers: Bun.SocketHandler<End | undefined> = {
  open: (socket) => socket.data?.opened(socket),
  data: (socket, bytes) => socket.data?.received(bytes),
  drain: (socket) => socket.data?.drain(),
  end: (socket) => socket.data?.other?.finish(),
  close: (socket) => socket.data?.closed(),
  error: (socket) => socket.terminate(),
  connectError: (socket) => socket.data?.abort(),
};
