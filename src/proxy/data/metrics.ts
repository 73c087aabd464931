/** This thread's counters: series interned once, then plain additions to its own row. */
import {
  type FromWorker,
  type MetricName,
  metricDefinitions,
  metricWords,
  reservedMetricWords,
} from "../config/index.ts";

export class Metrics {
  readonly row: Float64Array;
  private readonly post: (message: FromWorker) => void;
  private next = reservedMetricWords;
  private readonly slots = new Map<string, number>();

  constructor(row: Float64Array, post: (message: FromWorker) => void) {
    this.row = row;
    this.post = post;
  }

  /** Slot of a series; labels are flat key, value, ... A full row counts in word 0 and yields the sink (slot 1). */
  series(name: MetricName, labels: readonly string[]): number {
    const key = `${name}\u0000${labels.join("\u0001")}`;
    const known = this.slots.get(key);
    if (known !== undefined) return known;
    const words = metricWords(metricDefinitions[name]);
    if (this.next + words > this.row.length) {
      this.row[0]!++;
      return 1;
    }
    const slot = this.next;
    this.next += words;
    this.slots.set(key, slot);
    this.post({ kind: "series", slot, name, labels });
    return slot;
  }

  add(slot: number, value: number): void {
    this.row[slot]! += value;
  }

  /** Adds one observation to the histogram at `slot`. */
  observe(slot: number, bounds: readonly number[], value: number): void {
    let i = 0;
    while (i < bounds.length && value > bounds[i]!) i++;
    this.row[slot + i]!++;
    this.row[slot + bounds.length + 1]! += value;
  }
}
