/**
 * A socket loop of the thread's own: it waits on an epoll in which the runtime's is a member, reads into one buffer,
 * and gives the runtime its turn when that has something to do (docs/decisions/0016).
 */
import { drainMicrotasks } from "bun:jsc";
import type { Clock, Timer } from "../../base/index.ts";
import {
  c,
  control,
  errno,
  errorName,
  eventData,
  eventWords,
  interest,
  libc,
  octets,
  words,
} from "../libc/index.ts";
import { eventsPerRound, longestSleepMs, longestStayMs, readBytes } from "./limits.ts";
import { findRuntimeEpoll } from "./runtime-epoll.ts";
import { Timers } from "./timers.ts";

/** Who hears of a descriptor. */
export interface Watcher {
  /** `events`: EPOLLIN, EPOLLOUT, EPOLLERR and EPOLLHUP as they came. May throw: the loop tells `onFault`. */
  onReady(events: number): void;
  /** `onReady` threw. */
  onFault(): void;
}

export interface LoopOptions {
  readonly clock: Clock;
  /** What a handler or a timer threw. */
  readonly onFault: (error: unknown) => void;
}

export class EpollLoop {
  /** Runs its timers itself. */
  readonly clock: Clock;
  /** What the last `recv` of any socket read. */
  readonly buffer = octets(readBytes);
  private readonly options: LoopOptions;
  private readonly epoll: number;
  private readonly runtime: number;
  private readonly events = words(eventsPerRound * eventWords);
  private readonly event = words(eventWords);
  private readonly watchers: (Watcher | undefined)[] = [];
  private readonly timers = new Timers();
  /** Closed before the next round: a number that is used anew within it would get its predecessor's events. */
  private readonly closing: number[] = [];
  private stopped = false;
  private readonly turn = (): void => this.run();

  private constructor(epoll: number, runtime: number, options: LoopOptions) {
    this.epoll = epoll;
    this.runtime = runtime;
    this.options = options;
    const { clock } = options;
    const add = (ms: number, every: number, fn: () => void): Timer =>
      this.timers.add(clock.now() + Math.max(0, ms), every, fn);
    this.clock = {
      now: () => clock.now(),
      wall: () => clock.wall(),
      after: (ms, fn) => add(ms, 0, fn),
      every: (ms, fn) => add(ms, Math.max(1, ms), fn),
    };
  }

  /** Starts the loop of this thread; null where the system has no epoll or the runtime's is not to be found. */
  static async start(options: LoopOptions): Promise<EpollLoop | null> {
    if (libc === null) return null;
    const runtime = await findRuntimeEpoll();
    if (runtime === undefined) return null;
    const epoll = c.epoll_create1(0o2000000);
    if (epoll < 0) return null;
    const loop = new EpollLoop(epoll, runtime, options);
    loop.control(control.add, runtime, interest.in);
    setImmediate(loop.turn);
    return loop;
  }

  /** Ends the loop; its descriptors are the owners' to close. */
  stop(): void {
    this.stopped = true;
  }

  /** `events`: EPOLLIN, EPOLLOUT; errors and hang-ups are always told. */
  watch(fd: number, watcher: Watcher, events: number): void {
    this.watchers[fd] = watcher;
    this.control(control.add, fd, events);
  }

  change(fd: number, events: number): void {
    this.control(control.change, fd, events);
  }

  /** Another one hears of the descriptor from now on. */
  hand(fd: number, watcher: Watcher): void {
    this.watchers[fd] = watcher;
  }

  /** The descriptor stays open. */
  forget(fd: number): void {
    if (this.watchers[fd] === undefined) return;
    this.watchers[fd] = undefined;
    this.control(control.remove, fd, 0);
  }

  /** Forgets and closes. */
  close(fd: number): void {
    this.watchers[fd] = undefined;
    this.closing.push(fd);
  }

  private control(operation: number, fd: number, events: number): void {
    const { view, at } = this.event;
    view[0] = events;
    view[eventData] = fd;
    if (c.epoll_ctl(this.epoll, operation, fd, at) === 0) return;
    throw new Error(`epoll_ctl of descriptor ${fd}: ${errorName(errno())}`);
  }

  /** Rounds until the runtime wants its turn, or has been without one for long. */
  private run(): void {
    const { clock, onFault } = this.options;
    const until = clock.now() + longestStayMs;
    let now = until - longestStayMs;
    for (;;) {
      // Here, since the runtime's turn closes some too, and a sleep may come now.
      if (this.closing.length > 0) this.closeAll();
      const wait = Math.min(longestSleepMs, Math.max(0, Math.ceil(this.timers.due - now)));
      const count = c.epoll_wait(this.epoll, this.events.at, eventsPerRound, wait);
      const wanted = count > 0 && this.dispatch(count);
      now = clock.now();
      if (this.timers.due <= now) this.timers.run(now, onFault);
      drainMicrotasks();
      if (wanted || now >= until || this.stopped) break;
    }
    if (!this.stopped) setImmediate(this.turn);
    else {
      this.closeAll();
      c.close(this.epoll);
    }
  }

  /** True where the runtime has something to do. */
  private dispatch(count: number): boolean {
    const { view } = this.events;
    let wanted = false;
    for (let i = 0; i < count; i++) {
      const at = i * eventWords;
      const fd = view[at + eventData]!;
      const watcher = this.watchers[fd];
      if (watcher !== undefined) this.tell(watcher, view[at]!);
      else if (fd === this.runtime) wanted = true;
    }
    return wanted;
  }

  private tell(watcher: Watcher, events: number): void {
    try {
      watcher.onReady(events);
    } catch (error) {
      this.options.onFault(error);
      watcher.onFault();
    }
  }

  private closeAll(): void {
    for (let i = 0; i < this.closing.length; i++) c.close(this.closing[i]!);
    this.closing.length = 0;
  }
}
