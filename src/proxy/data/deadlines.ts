/** What limits a downstream connection in time. One timer serves: the connection is in one state at a time. */
import { delayedCloseMs } from "./limits.ts";
import type { Manager } from "./manager.ts";
import { type Timed, TimerEntry } from "./timer-wheel.ts";

/** Kinds of the timers. */
export const connectionTimer = 0;
export const requestTimer = 1;

export class Deadlines {
  private readonly manager: Manager;
  private readonly connection: TimerEntry;
  private readonly request: TimerEntry | null;
  /** The head of a request has begun and must be whole in time. */
  headBegun = false;

  constructor(owner: Timed, manager: Manager) {
    this.manager = manager;
    this.connection = new TimerEntry(owner, connectionTimer);
    this.request = manager.config.requestTimeoutMs > 0 ? new TimerEntry(owner, requestTimer) : null;
  }

  /** Between requests: idle_timeout. */
  idle(): void {
    this.headBegun = false;
    this.set(this.manager.config.idleTimeoutMs);
  }

  /** request_headers_timeout, from the head's first byte. */
  head(): void {
    if (this.headBegun) return;
    const ms = this.manager.config.requestHeadersTimeoutMs;
    if (ms === 0) return;
    this.headBegun = true;
    this.set(ms);
  }

  /** Something moved on the stream; 0: no limit. */
  stream(ms: number): void {
    this.headBegun = false;
    this.set(ms);
  }

  /** All is written: the peer has this long to read it. */
  close(): void {
    this.headBegun = false;
    this.set(delayedCloseMs);
  }

  requestBegins(): void {
    if (this.request) this.manager.plane.wheel.arm(this.request, this.manager.config.requestTimeoutMs);
  }

  requestEnds(): void {
    if (this.request) this.manager.plane.wheel.disarm(this.request);
  }

  /** The connection ends. */
  drop(): void {
    const { wheel } = this.manager.plane;
    wheel.remove(this.connection);
    if (this.request) wheel.remove(this.request);
  }

  private set(ms: number): void {
    const { wheel } = this.manager.plane;
    if (ms > 0) wheel.arm(this.connection, ms);
    else wheel.disarm(this.connection);
  }
}
