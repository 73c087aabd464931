/**
 * One coarse timer wheel a thread. Entries are embedded in connections and streams, so arming allocates nothing.
 * A later deadline only overwrites a number: the entry is looked at when its old slot comes round and moves on then.
 */
import { assert, type Clock, type Timer } from "../../base/index.ts";

/** Resolution: a timer fires up to this late, never early. */
export const wheelTickMs = 8;
const slots = 512;
const mask = slots - 1;

export interface Timed {
  onTimer(timer: TimerEntry): void;
}

/** A timer that can be armed again and again. `kind` is the owner's. */
export class TimerEntry {
  readonly owner: Timed;
  readonly kind: number;
  /** Milliseconds of the clock; Infinity: not armed. */
  deadline = Number.POSITIVE_INFINITY;
  /** Tick at which the wheel will look; -1: not linked. */
  tick = -1;
  next: TimerEntry | null = null;
  prev: TimerEntry | null = null;

  constructor(owner: Timed, kind: number) {
    this.owner = owner;
    this.kind = kind;
  }
}

export class TimerWheel {
  /** Time at the last `touch`: cheap for whoever needs milliseconds only roughly. */
  private readonly clock: Clock;
  private readonly heads: (TimerEntry | null)[] = new Array<TimerEntry | null>(slots).fill(null);
  private linked = 0;
  /** Last tick that was swept. */
  private swept: number;
  private wake: Timer | null = null;
  private wakeTick = Number.POSITIVE_INFINITY;
  private readonly onWake = (): void => this.sweep();

  constructor(clock: Clock) {
    this.clock = clock;
    this.swept = Math.floor(clock.now() / wheelTickMs);
  }

  /** Fires `entry.owner.onTimer(entry)` once, `ms` from now, unless armed anew or disarmed before. */
  arm(entry: TimerEntry, ms: number): void {
    this.armAt(entry, this.clock.now() + ms);
  }

  /** As `arm`, for a caller that knows the time. */
  armAt(entry: TimerEntry, deadline: number): void {
    assert(!Number.isNaN(deadline), "a deadline is a number");
    entry.deadline = deadline;
    const tick = Math.ceil(deadline / wheelTickMs);
    if (entry.tick !== -1) {
      if (entry.tick <= tick) return;
      this.unlink(entry);
    }
    this.link(entry, tick);
  }

  /** The entry stays where it is and is dropped when its slot comes round. */
  disarm(entry: TimerEntry): void {
    entry.deadline = Number.POSITIVE_INFINITY;
  }

  /** Takes the entry out at once: for owners that end. */
  remove(entry: TimerEntry): void {
    entry.deadline = Number.POSITIVE_INFINITY;
    if (entry.tick !== -1) this.unlink(entry);
  }

  private link(entry: TimerEntry, wanted: number): void {
    const floor = Math.max(this.swept, Math.floor(this.clock.now() / wheelTickMs)) + 1;
    const tick = Math.min(Math.max(wanted, floor), floor + slots - 2);
    entry.tick = tick;
    const at = tick & mask;
    const head = this.heads[at] ?? null;
    entry.prev = null;
    entry.next = head;
    if (head) head.prev = entry;
    this.heads[at] = entry;
    this.linked++;
    if (tick < this.wakeTick) this.schedule(tick);
  }

  private unlink(entry: TimerEntry): void {
    if (entry.prev) entry.prev.next = entry.next;
    else this.heads[entry.tick & mask] = entry.next;
    if (entry.next) entry.next.prev = entry.prev;
    entry.next = null;
    entry.prev = null;
    entry.tick = -1;
    this.linked--;
  }

  private schedule(tick: number): void {
    this.wake?.cancel();
    this.wakeTick = tick;
    this.wake = this.clock.after(Math.max(0, tick * wheelTickMs - this.clock.now()), this.onWake);
  }

  private sweep(): void {
    this.wake = null;
    this.wakeTick = Number.POSITIVE_INFINITY;
    const now = this.clock.now();
    const until = Math.floor(now / wheelTickMs);
    const from = Math.max(this.swept + 1, until - slots + 1);
    this.swept = until;
    for (let tick = from; tick <= until; tick++) this.sweepSlot(tick & mask, until, now);
    this.scheduleNext(until);
  }

  private sweepSlot(slot: number, until: number, now: number): void {
    let entry = this.heads[slot] ?? null;
    while (entry) {
      const next: TimerEntry | null = entry.next;
      if (entry.tick <= until) {
        this.unlink(entry);
        if (entry.deadline <= now) {
          entry.deadline = Number.POSITIVE_INFINITY;
          entry.owner.onTimer(entry);
          // The owner may have unlinked `next`: start the slot again.
          this.sweepSlot(slot, until, now);
          return;
        }
        if (entry.deadline !== Number.POSITIVE_INFINITY) {
          this.link(entry, Math.ceil(entry.deadline / wheelTickMs));
        }
      }
      entry = next;
    }
  }

  private scheduleNext(until: number): void {
    if (this.linked === 0) return;
    for (let tick = until + 1; tick < until + slots; tick++) {
      if (this.heads[tick & mask] !== null) {
        if (tick < this.wakeTick) this.schedule(tick);
        return;
      }
    }
  }
}
