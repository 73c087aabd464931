/** A connection whose first bytes say whether it speaks HTTP/1.1 or HTTP/2 (codec_type AUTO without ALPN). */
import type { Manager } from "../manager.ts";
import type { Socket, SocketUser } from "../socket.ts";
import { type Timed, TimerEntry } from "../timer-wheel.ts";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export interface DetectOwner {
  onGone(connection: Detecting): void;
}

export class Detecting implements SocketUser, Timed {
  private readonly manager: Manager;
  private readonly socket: Socket;
  private readonly owner: DetectOwner;
  /** Serves the connection from here on. */
  private readonly decide: (http2: boolean) => SocketUser;
  private readonly timer = new TimerEntry(this, 0);
  private held: Uint8Array | null = null;
  private over = false;

  constructor(
    manager: Manager,
    socket: Socket,
    options: { readonly owner: DetectOwner; readonly decide: (http2: boolean) => SocketUser },
  ) {
    this.manager = manager;
    this.socket = socket;
    this.owner = options.owner;
    this.decide = options.decide;
    const { idleTimeoutMs } = manager.config;
    if (idleTimeoutMs > 0) manager.plane.wheel.arm(this.timer, idleTimeoutMs);
  }

  onOpen(): void {}

  onRefused(): void {}

  onBytes(bytes: Uint8Array): void {
    if (this.over) return;
    const all = this.held === null ? bytes : Buffer.concat([this.held, bytes]);
    const length = Math.min(all.length, preface.length);
    let same = 0;
    while (same < length && all[same] === preface[same]) same++;
    if (same === length && length < preface.length) {
      if (length === 0) return;
      this.held = all.slice();
      const { requestHeadersTimeoutMs } = this.manager.config;
      if (requestHeadersTimeoutMs > 0) this.manager.plane.wheel.arm(this.timer, requestHeadersTimeoutMs);
      return;
    }
    this.leave();
    this.decide(same === preface.length).onBytes(all);
  }

  onDrain(): void {}

  onFin(): void {
    this.drain();
  }

  onClosed(): void {
    this.leave();
  }

  onTimer(): void {
    this.drain();
  }

  /** Nothing was asked yet. */
  drain(): void {
    this.leave();
    this.socket.end();
  }

  kill(): void {
    this.leave();
    this.socket.terminate();
  }

  private leave(): void {
    if (this.over) return;
    this.over = true;
    this.manager.plane.wheel.remove(this.timer);
    this.owner.onGone(this);
  }
}
