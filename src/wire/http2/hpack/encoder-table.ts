import { fieldOverhead } from "./decoder-table.ts";
import { staticIndexes, staticLength, staticNames, staticValues } from "./static-table.ts";

/**
 * The dynamic table of an encoder: a ring of fields numbered as they come, and for each name the number of its newest
 * field, from which older ones of the name are chained. Numbers below the oldest are gone, so eviction leaves chains
 * as they are. Looking up allocates nothing.
 */
export class EncoderTable {
  bytes = 0;
  maxBytes: number;
  private names: string[] = [];
  private values: string[] = [];
  /** Number of the next older field of the same name. */
  private older: number[] = [];
  private readonly newest = new Map<string, number>();
  private oldest = 1;
  private next = 1;
  private mask = -1;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /**
   * Index of the field in both tables; else minus the index of a field with that name; 0 when there is none.
   */
  find(name: string, value: string): number {
    const first = staticIndexes.get(name) ?? 0;
    if (first > 0) {
      for (let i = first; i <= staticLength && staticNames[i] === name; i++) {
        if (staticValues[i] === value) return i;
      }
    }
    const newest = this.newest.get(name) ?? 0;
    for (let number = newest; number >= this.oldest; number = this.older[number & this.mask]!) {
      if (this.values[number & this.mask] === value) return staticLength + this.next - number;
    }
    if (first > 0) return -first;
    return newest >= this.oldest ? newest - staticLength - this.next : 0;
  }

  /** Index of a field with that name; 0 when there is none. */
  findName(name: string): number {
    const first = staticIndexes.get(name);
    if (first !== undefined) return first;
    const newest = this.newest.get(name) ?? 0;
    return newest >= this.oldest ? staticLength + this.next - newest : 0;
  }

  /** Whether a field of that size may be put in without emptying most of the table for it. */
  fits(name: string, value: string): boolean {
    return name.length + value.length + fieldOverhead <= (this.maxBytes * 3) / 4;
  }

  insert(name: string, value: string): void {
    const size = name.length + value.length + fieldOverhead;
    this.evict(this.maxBytes - size);
    if (this.next - this.oldest > this.mask) this.grow();
    const at = this.next & this.mask;
    this.names[at] = name;
    this.values[at] = value;
    this.older[at] = this.newest.get(name) ?? 0;
    this.newest.set(name, this.next);
    this.next++;
    this.bytes += size;
  }

  resize(maxBytes: number): void {
    this.maxBytes = maxBytes;
    this.evict(maxBytes);
  }

  private evict(room: number): void {
    while (this.bytes > room && this.oldest < this.next) {
      const at = this.oldest & this.mask;
      const name = this.names[at]!;
      this.bytes -= name.length + this.values[at]!.length + fieldOverhead;
      if (this.newest.get(name) === this.oldest) this.newest.delete(name);
      this.names[at] = "";
      this.values[at] = "";
      this.oldest++;
    }
  }

  private grow(): void {
    const size = Math.max(16, 2 * (this.mask + 1));
    const names = new Array<string>(size).fill("");
    const values = new Array<string>(size).fill("");
    const older = new Array<number>(size).fill(0);
    for (let number = this.oldest; number < this.next; number++) {
      const to = number & (size - 1);
      const from = number & this.mask;
      names[to] = this.names[from]!;
      values[to] = this.values[from]!;
      older[to] = this.older[from]!;
    }
    this.names = names;
    this.values = values;
    this.older = older;
    this.mask = size - 1;
  }
}
