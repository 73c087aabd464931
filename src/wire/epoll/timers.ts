/** The loop's timers: a binary heap by due time. What is cancelled stays until it comes to the top. */
import type { Timer } from "../../base/index.ts";

class Entry implements Timer {
  due: number;
  readonly every: number;
  fn: (() => void) | null;

  constructor(due: number, every: number, fn: () => void) {
    this.due = due;
    this.every = every;
    this.fn = fn;
  }

  cancel(): void {
    this.fn = null;
  }
}

export class Timers {
  private readonly heap: Entry[] = [];

  /** When something may be due, on the caller's clock; Infinity: never. */
  get due(): number {
    return this.heap[0]?.due ?? Number.POSITIVE_INFINITY;
  }

  /** `every` is 0 for once. */
  add(due: number, every: number, fn: () => void): Timer {
    const entry = new Entry(due, every, fn);
    this.push(entry);
    return entry;
  }

  /** Calls what is due. A timer that one of them adds is not called before the next `run`. */
  run(now: number, onFault: (error: unknown) => void): void {
    const due: Entry[] = [];
    while (this.heap.length > 0 && this.heap[0]!.due <= now) due.push(this.pop());
    for (const entry of due) {
      const { fn } = entry;
      if (fn === null) continue;
      if (entry.every > 0) {
        entry.due = now + entry.every;
        this.push(entry);
      }
      try {
        fn();
      } catch (error) {
        onFault(error);
      }
    }
  }

  private push(entry: Entry): void {
    const { heap } = this;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (heap[up]!.due <= entry.due) break;
      heap[at] = heap[up]!;
      at = up;
    }
    heap[at] = entry;
  }

  private pop(): Entry {
    const { heap } = this;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && heap[down + 1]!.due < heap[down]!.due) down++;
      if (heap[down]!.due >= last.due) break;
      heap[at] = heap[down]!;
      at = down;
    }
    heap[at] = last;
    return top;
  }
}
