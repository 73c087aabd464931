import { ByteQueue } from "./byte-queue.ts";
import { HeadScanner, type ScanStart } from "./head-scanner.ts";
import type { Http1Limits } from "./limits.ts";
import type { Http1Error } from "./types.ts";

/**
 * Reads one head (or trailer section) after the other. A head that lies in one piece is read where it lies;
 * otherwise its bytes are gathered, never more than the limits allow.
 */
export class HeadReader {
  readonly scanner: HeadScanner;
  /** Where the complete head lies, valid until the caller returns. */
  source: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  private readonly partial = new ByteQueue();
  private readonly most: number;

  constructor(kind: ScanStart, limits: Http1Limits) {
    this.scanner = new HeadScanner(kind, limits);
    // One byte past every limit, so that the scanner sees the byte that breaks it.
    this.most = 2 * limits.maxLeadingEmptyLines + limits.maxStartLineBytes + limits.maxHeaderBytes + 8;
  }

  get started(): boolean {
    return this.scanner.started;
  }

  get error(): Http1Error | null {
    return this.scanner.error;
  }

  /** Position behind the head in `bytes`; -1: all bytes were taken and more are needed; -2: `error`. */
  read(bytes: Uint8Array, from: number, end: number): number {
    const { scanner, partial } = this;
    const had = partial.length;
    if (had === 0) {
      const at = scanner.scan(bytes, from, end);
      if (at >= 0) return this.complete(bytes, from, at, at);
      if (at === -1) partial.push(bytes, from, Math.min(end, from + this.most));
      return at;
    }
    partial.push(bytes, from, Math.min(end, from + this.most - had));
    const whole = partial.view();
    const at = scanner.scan(whole, 0, whole.length);
    if (at < 0) return at;
    // The marks of the earlier pieces are gone (they are shared): find them again.
    scanner.reset();
    scanner.scan(whole, 0, at);
    partial.clear();
    return this.complete(whole, 0, at, from + at - had);
  }

  /** Makes ready for the next head; call when done with `source` and the scanner's positions. */
  reset(): void {
    this.scanner.reset();
  }

  private complete(source: Uint8Array, start: number, end: number, at: number): number {
    this.source = source;
    this.start = start;
    this.end = end;
    return at;
  }
}
