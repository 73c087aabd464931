/** A text and its places: line and column of every offset, the line itself for the caret. */
import { LineCounter } from "yaml";
import type { Place } from "../problem/index.ts";

export class SourceText {
  /** As shown to the user: relative to where they stand. */
  readonly file: string;
  readonly text: string;
  readonly lines = new LineCounter();

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
  }

  /** The place of an offset, marking up to `end` on its line. */
  place(offset: number, end = offset + 1): Place {
    const { line, col } = this.lines.linePos(offset);
    const text = this.line(line);
    const length = Math.max(1, Math.min(end - offset, text.length - col + 1));
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col), length, text };
  }

  private line(number: number): string {
    const start = this.lines.lineStarts[number - 1] ?? 0;
    const end = this.text.indexOf("\n", start);
    return this.text.slice(start, end < 0 ? this.text.length : end).replace(/\r$/, "");
  }
}
