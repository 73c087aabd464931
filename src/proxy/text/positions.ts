/** A YAML or JSON text with the place of every field. */
import { isMap, isSeq, LineCounter, type Node, type ParsedNode, parseDocument } from "yaml";
import { maxAliases } from "./limits.ts";

/** Line and column count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The whole line, for a caret. */
  readonly text: string;
}

/** Field names as protobuf's JSON form has them, in either spelling. */
const plain = (key: unknown): string => String(key).replaceAll("_", "").toLowerCase();

export class PositionedText {
  /** The parsed value; undefined where the text does not parse. */
  readonly value: unknown;
  /** Mistakes of the text itself. */
  readonly errors: readonly { readonly message: string; readonly where: Place }[];
  private readonly file: string;
  private readonly lines: readonly string[];
  private readonly counter = new LineCounter();
  private readonly root: ParsedNode | null;

  constructor(text: string, file: string) {
    this.file = file;
    this.lines = text.split("\n");
    const doc = parseDocument(text, {
      version: "1.2",
      merge: true,
      uniqueKeys: true,
      lineCounter: this.counter,
      prettyErrors: false,
      logLevel: "silent",
    });
    this.root = doc.contents;
    const errors = doc.errors.map((e) => ({ message: e.message, where: this.place(e.pos[0]) }));
    let value: unknown;
    if (errors.length === 0) {
      try {
        value = doc.toJS({ maxAliasCount: maxAliases });
      } catch (e) {
        errors.push({ message: e instanceof Error ? e.message : String(e), where: this.place(0) });
      }
    }
    this.value = value;
    this.errors = errors;
  }

  /** Place of a field, or of the nearest one around it that is written. */
  at(keys: readonly (string | number)[]): Place {
    let node: Node | null = this.root;
    let offset = node?.range?.[0] ?? 0;
    for (const key of keys) {
      if (isSeq(node) && typeof key === "number") {
        node = (node.items[key] ?? null) as Node | null;
        if (!node) break;
        offset = node.range?.[0] ?? offset;
      } else if (isMap(node)) {
        const pair = node.items.find(
          (p) => plain((p.key as { value?: unknown } | null)?.value) === plain(key),
        );
        if (!pair) break;
        offset = (pair.key as Node).range?.[0] ?? offset;
        node = pair.value as Node | null;
      } else break;
    }
    return this.place(offset);
  }

  private place(offset: number): Place {
    const { line, col } = this.counter.linePos(offset);
    const at = Math.max(1, line);
    return { file: this.file, line: at, column: Math.max(1, col), text: this.lines[at - 1] ?? "" };
  }
}
