/** Label selectors as Kubernetes reads them, word by word, with what it says of a wrong one. Linear. */
import { labelValueProblems, qualifiedNameProblems } from "../kinds/index.ts";
import type { Doc } from "./document.ts";
import { MAX_REQUIREMENTS, MAX_SELECTOR_LENGTH } from "./limits.ts";
import { badRequest } from "./status.ts";

interface Requirement {
  readonly key: string;
  readonly op: "in" | "notin" | "exists" | "absent" | "gt" | "lt";
  readonly values: readonly string[];
}

/** `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>3`. Undefined or empty selects all. */
export function labelSelector(text: string | null): ((doc: Doc) => boolean) | undefined {
  if (!text) return undefined;
  if (text.length > MAX_SELECTOR_LENGTH)
    throw badRequest(`the selector is longer than ${MAX_SELECTOR_LENGTH} characters`);
  const requirements = new Parser(text).parse();
  return (doc) => {
    const labels = doc.metadata.labels ?? {};
    return requirements.every((r) => meets(r, Object.hasOwn(labels, r.key) ? labels[r.key] : undefined));
  };
}

function meets({ op, values }: Requirement, value: string | undefined): boolean {
  switch (op) {
    case "exists":
      return value !== undefined;
    case "absent":
      return value === undefined;
    case "in":
      return value !== undefined && values.includes(value);
    case "notin":
      return value === undefined || !values.includes(value);
    default: {
      if (value === undefined || !whole.test(value)) return false;
      const [a, b] = [BigInt(value), BigInt(values[0]!)];
      return op === "gt" ? a > b : a < b;
    }
  }
}

const whole = /^[-+]?\d{1,19}$/;
const symbols: ReadonlySet<string> = new Set([")", ",", "!", "=", "==", "!=", "(", ">", "<"]);
const special: ReadonlySet<string> = new Set(["=", "!", "(", ")", ",", ">", "<"]);
const blank: ReadonlySet<string> = new Set([" ", "\t", "\r", "\n"]);
const operators: Readonly<Record<string, Requirement["op"]>> = {
  ...{ in: "in", notin: "notin", "=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt" },
};

/** Words of a selector; the end is an empty one. A symbol is as long as it can be. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (let i = 0; i < text.length; ) {
    const from = i;
    if (blank.has(text[i]!)) {
      i++;
      continue;
    }
    if (special.has(text[i]!)) while (i < text.length && symbols.has(text.slice(from, i + 1))) i++;
    else while (i < text.length && !special.has(text[i]!) && !blank.has(text[i]!)) i++;
    words.push(text.slice(from, i));
  }
  return words;
}

class Parser {
  private readonly words: readonly string[];
  private at = 0;

  constructor(text: string) {
    this.words = wordsOf(text);
  }

  parse(): readonly Requirement[] {
    const found: Requirement[] = [];
    while (this.next !== "") {
      if (!this.isName && this.next !== "!") throw this.wrong("!, identifier, or 'end of string'");
      found.push(this.requirement());
      if (found.length > MAX_REQUIREMENTS)
        throw badRequest(`the selector has more than ${MAX_REQUIREMENTS} requirements`);
      if (this.next === "") break;
      if (this.take() !== ",") throw this.wrong("',' or 'end of string'", this.words[this.at - 1]);
      if (!this.isName && this.next !== "!") throw this.wrong("identifier after ','");
    }
    return found;
  }

  private get next(): string {
    return this.words[this.at] ?? "";
  }

  private get isName(): boolean {
    return this.next !== "" && !symbols.has(this.next);
  }

  private take(): string {
    const word = this.next;
    this.at++;
    return word;
  }

  private wrong(expected: string, found = this.next): Error {
    return badRequest(`unable to parse requirement: found '${found.slice(0, 100)}', expected: ${expected}`);
  }

  private name(): string {
    if (!this.isName) throw this.wrong("identifier");
    return this.take();
  }

  private requirement(): Requirement {
    const negated = this.next === "!";
    if (negated) this.take();
    const key = this.name();
    refuse("key", key, qualifiedNameProblems(key));
    if (negated) return { key, op: "absent", values: [] };
    if (this.next === "" || this.next === ",") return { key, op: "exists", values: [] };
    const op = Object.hasOwn(operators, this.next) ? operators[this.next] : undefined;
    if (op === undefined) throw this.wrong("in, notin, =, ==, !=, gt, lt");
    const listed = this.take() === op && (op === "in" || op === "notin");
    const values = listed ? this.list() : [this.next === "" || this.next === "," ? "" : this.name()];
    for (const [i, value] of values.entries())
      refuse(`values[${i}][${key}]`, value, labelValueProblems(value));
    if ((op === "gt" || op === "lt") && !whole.test(values[0]!))
      refuse("values[0]", values[0]!, ["for 'Gt', 'Lt' operators, the value must be an integer"]);
    return { key, op, values };
  }

  /** `(a, b)`; an entry may be empty. */
  private list(): readonly string[] {
    if (this.take() !== "(")
      throw badRequest(`unable to parse requirement: found '${this.words[this.at - 1] ?? ""}' expected: '('`);
    const values: string[] = [];
    for (;;) {
      values.push(this.isName ? this.take() : "");
      if (this.next === ")") break;
      if (this.next !== ",") throw this.wrong("',' or ')'");
      this.take();
    }
    this.take();
    return values;
  }
}

function refuse(field: string, value: string, [problem]: readonly string[]): void {
  if (problem === undefined) return;
  throw badRequest(
    `unable to parse requirement: ${field}: Invalid value: ${JSON.stringify(value.slice(0, 300))}: ${problem}`,
  );
}
