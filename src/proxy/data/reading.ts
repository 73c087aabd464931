/** Why a socket is not read for the moment: it goes on once no reason is left. */
import type { Socket } from "./socket.ts";

/** The upstream cannot take more, or not yet. */
export const stopCongested = 1;
/** The next request was read already and waits for its turn. */
export const stopPipelined = 2;

export class ReadGate {
  private readonly socket: Socket;
  private reasons = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  stop(reason: number): void {
    const before = this.reasons;
    this.reasons |= reason;
    if (before === 0) this.socket.pause();
  }

  go(reason: number): void {
    if (this.reasons === 0) return;
    this.reasons &= ~reason;
    if (this.reasons === 0) this.socket.resume();
  }

  set(reason: number, stopped: boolean): void {
    if (stopped) this.stop(reason);
    else this.go(reason);
  }
}
