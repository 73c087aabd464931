/** Sums the rows of the data threads by series. A row has one writer, its thread; reading it needs no lock. */
import { type MetricDefinition, metricDefinitions, metricWords } from "../config/index.ts";

/** One series summed over threads. */
export interface Sample {
  readonly name: string;
  readonly definition: MetricDefinition;
  /** Flat: key, value, ... */
  readonly labels: readonly string[];
  /** 1 word, or a histogram's buckets, overflow bucket and sum (see config/metrics.ts). */
  readonly values: readonly number[];
}

interface Series {
  readonly slot: number;
  readonly key: string;
}

interface Row {
  readonly words: Float64Array;
  readonly series: Series[];
}

interface Known {
  readonly name: string;
  readonly definition: MetricDefinition;
  readonly labels: readonly string[];
  /** What rows of threads that are gone counted. */
  readonly base: number[];
}

const definitions: Readonly<Record<string, MetricDefinition>> = metricDefinitions;

export class MetricStore {
  private readonly rows = new Map<number, Row>();
  private readonly known = new Map<string, Known>();
  private lostSeries = 0;

  /** A thread's row; one that it replaces is folded into the sums first. */
  addRow(thread: number, words: Float64Array): void {
    this.retire(thread);
    this.rows.set(thread, { words, series: [] });
  }

  /** A `series` message. False where the message makes no sense. */
  addSeries(thread: number, slot: number, name: string, labels: readonly string[]): boolean {
    const row = this.rows.get(thread);
    const definition = definitions[name];
    if (!row || !definition || labels.length % 2 !== 0) return false;
    if (slot < 0 || slot + metricWords(definition) > row.words.length) return false;
    const key = `${name}\0${labels.join("\0")}`;
    if (!this.known.has(key)) {
      const base = new Array<number>(metricWords(definition)).fill(0);
      this.known.set(key, { name, definition, labels, base });
    }
    row.series.push({ slot, key });
    return true;
  }

  /** The thread is gone: its counters stay counted, its gauges end. */
  retire(thread: number): void {
    const row = this.rows.get(thread);
    if (!row) return;
    this.rows.delete(thread);
    this.lostSeries += row.words[0] ?? 0;
    for (const { slot, key } of row.series) {
      const { base, definition } = this.known.get(key)!;
      if (definition.kind === "gauge") continue;
      for (let i = 0; i < base.length; i++) base[i]! += row.words[slot + i] ?? 0;
    }
  }

  /** All series, sorted by name and labels. */
  collect(): Sample[] {
    const sums = new Map<string, number[]>();
    for (const [key, { base }] of this.known) sums.set(key, [...base]);
    for (const { words, series } of this.rows.values())
      for (const { slot, key } of series) {
        const sum = sums.get(key)!;
        for (let i = 0; i < sum.length; i++) sum[i]! += words[slot + i]!;
      }
    return [...sums]
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, values]) => {
        const { name, definition, labels } = this.known.get(key)!;
        return { name, definition, labels, values };
      });
  }

  /** Series that found no room in a row. */
  get lost(): number {
    let lost = this.lostSeries;
    for (const row of this.rows.values()) lost += row.words[0] ?? 0;
    return lost;
  }
}
