/**
 * How threads hand connection slots of a cluster to each other. A thread with waiting requests bumps `blocked`:
 * holders of idle connections wake and close some. Whoever gives a slot back while requests wait bumps `freed`:
 * threads with waiting requests wake and try again. Waiting is Atomics.waitAsync, one promise at most of each kind.
 */
import { clusterWord } from "../config/index.ts";
import type { SharedCounts } from "./breaker.ts";

export interface WaitEvents {
  onBlocked(): void;
  onFreed(): void;
}

interface AsyncWait {
  readonly async: boolean;
  readonly value: string | Promise<string>;
}

export class SharedWaits {
  private readonly counts: SharedCounts;
  private readonly table: Int32Array;
  private readonly slot: number;
  private readonly events: WaitEvents;
  private waitingBlocked = false;
  private waitingFreed = false;
  private starving = false;

  constructor(counts: SharedCounts, slot: number, events: WaitEvents) {
    this.counts = counts;
    this.table = counts.table;
    this.slot = slot;
    this.events = events;
  }

  /** Tells the other threads that this one has requests without a connection. */
  blocked(): void {
    this.bump(clusterWord.blocked);
  }

  freed(): void {
    this.bump(clusterWord.freed);
  }

  setStarving(starving: boolean): void {
    if (starving === this.starving) return;
    this.starving = starving;
    this.counts.add(this.slot + clusterWord.starving, starving ? 1 : -1);
  }

  othersStarve(): boolean {
    return Atomics.load(this.table, this.slot + clusterWord.starving) - (this.starving ? 1 : 0) > 0;
  }

  awaitBlocked(): void {
    if (this.waitingBlocked) return;
    this.waitingBlocked = true;
    this.wait(clusterWord.blocked, () => {
      this.waitingBlocked = false;
      this.events.onBlocked();
    });
  }

  awaitFreed(): void {
    if (this.waitingFreed) return;
    this.waitingFreed = true;
    this.wait(clusterWord.freed, () => {
      this.waitingFreed = false;
      this.events.onFreed();
    });
  }

  private bump(word: number): void {
    Atomics.add(this.table, this.slot + word, 1);
    Atomics.notify(this.table, this.slot + word);
  }

  private wait(word: number, woken: () => void): void {
    const at = this.slot + word;
    const result = Atomics.waitAsync(this.table, at, Atomics.load(this.table, at)) as AsyncWait;
    if (typeof result.value === "string") queueMicrotask(woken);
    else result.value.then(woken, woken);
  }
}
