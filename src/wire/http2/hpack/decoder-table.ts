/** Octets that a field costs beside its name and value (RFC 7541 section 4.1). */
export const fieldOverhead = 32;

/** The dynamic table of a decoder: a ring of fields, the newest at index 0, bounded in octets. */
export class DecoderTable {
  /** Fields in it. */
  count = 0;
  /** Octets of them. */
  bytes = 0;
  /** Bound of `bytes`. */
  maxBytes: number;
  private names: string[] = [];
  private values: string[] = [];
  /** Why a field is malformed, "" mostly. */
  private faults: string[] = [];
  /** Slot of the newest. */
  private head = -1;
  private mask = -1;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  name(index: number): string {
    return this.names[(this.head - index) & this.mask]!;
  }

  value(index: number): string {
    return this.values[(this.head - index) & this.mask]!;
  }

  fault(index: number): string {
    return this.faults[(this.head - index) & this.mask]!;
  }

  resize(maxBytes: number): void {
    this.maxBytes = maxBytes;
    this.evict(maxBytes);
  }

  /** A field larger than the table empties it and is not put in (RFC 7541 section 4.4). */
  insert(name: string, value: string, fault: string): void {
    const size = name.length + value.length + fieldOverhead;
    this.evict(this.maxBytes - size);
    if (size > this.maxBytes) return;
    if (this.count > this.mask) this.grow();
    this.head = (this.head + 1) & this.mask;
    this.names[this.head] = name;
    this.values[this.head] = value;
    this.faults[this.head] = fault;
    this.count++;
    this.bytes += size;
  }

  private evict(room: number): void {
    while (this.bytes > room && this.count > 0) {
      const at = (this.head - this.count + 1) & this.mask;
      this.bytes -= this.names[at]!.length + this.values[at]!.length + fieldOverhead;
      this.names[at] = "";
      this.values[at] = "";
      this.count--;
    }
  }

  private grow(): void {
    const { count } = this;
    const inOrder = (ring: readonly string[]): string[] =>
      Array.from({ length: size }, (_, i) =>
        i < count ? ring[(this.head - count + 1 + i) & this.mask]! : "",
      );
    const size = Math.max(16, 2 * count);
    const [names, values, faults] = [inOrder(this.names), inOrder(this.values), inOrder(this.faults)];
    this.names = names;
    this.values = values;
    this.faults = faults;
    this.head = count - 1;
    this.mask = size - 1;
  }
}
