import type { Clock, Timer } from "../base/index.ts";

/** A clock that stands still until told: `advance(ms)` runs due timers in order. */
export interface FakeClock extends Clock {
  advance(ms: number): void;
  /** Timers waiting. */
  readonly pending: number;
}

interface Entry {
  at: number;
  readonly order: number;
  readonly period: number | undefined;
  readonly fn: () => void;
}

export function fakeClock(options: { wall?: number } = {}): FakeClock {
  const base = options.wall ?? Date.UTC(2026, 0, 1);
  const entries = new Set<Entry>();
  let now = 0;
  let order = 0;
  const add = (ms: number, period: number | undefined, fn: () => void): Timer => {
    const entry: Entry = { at: now + ms, order: order++, period, fn };
    entries.add(entry);
    return { cancel: () => entries.delete(entry) };
  };
  const due = (limit: number): Entry | undefined => {
    let first: Entry | undefined;
    for (const e of entries) {
      if (e.at > limit) continue;
      if (!first || e.at < first.at || (e.at === first.at && e.order < first.order)) first = e;
    }
    return first;
  };
  return {
    now: () => now,
    wall: () => base + now,
    after: (ms, fn) => add(ms, undefined, fn),
    every: (ms, fn) => add(ms, ms, fn),
    get pending() {
      return entries.size;
    },
    advance(ms) {
      const end = now + ms;
      for (let e = due(end); e; e = due(end)) {
        now = Math.max(now, e.at);
        if (e.period === undefined) entries.delete(e);
        else e.at += Math.max(1, e.period);
        e.fn();
      }
      now = end;
    },
  };
}
