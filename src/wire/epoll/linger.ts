/** Connections that were ended while the peer may still send: read on and forgotten, then closed. */
import type { Timer } from "../../base/index.ts";
import { again, c, dropBytes, interest } from "../libc/index.ts";
import { lingerers, lingerMs, readBytes } from "./limits.ts";
import type { EpollLoop } from "./loop.ts";

export class Lingerers {
  private readonly loop: EpollLoop;
  private readonly most: number;
  /** Since when; the oldest first. */
  private readonly since = new Map<number, number>();
  private timer: Timer | null = null;

  constructor(loop: EpollLoop, most = lingerers) {
    this.loop = loop;
    this.most = most;
  }

  get size(): number {
    return this.since.size;
  }

  /** The descriptor is in the loop, its write side shut. */
  add(fd: number): void {
    if (this.since.size >= this.most) this.close(this.since.keys().next().value!);
    this.since.set(fd, this.loop.clock.now());
    this.loop.hand(fd, { onReady: () => this.drop(fd), onFault: () => this.close(fd) });
    this.loop.change(fd, interest.in);
    this.timer ??= this.loop.clock.after(lingerMs, () => this.sweep());
  }

  private drop(fd: number): void {
    const count = c.recv(fd, this.loop.buffer.at, readBytes, dropBytes);
    if (count === 0 || (count < 0 && !again())) this.close(fd);
  }

  private close(fd: number): void {
    this.since.delete(fd);
    this.loop.close(fd);
  }

  private sweep(): void {
    this.timer = null;
    const now = this.loop.clock.now();
    for (const [fd, since] of this.since) {
      if (now - since < lingerMs) {
        this.timer = this.loop.clock.after(since + lingerMs - now, () => this.sweep());
        return;
      }
      this.close(fd);
    }
  }
}
