/** The part of kubectl's JSONPath that printer columns use: names, indices, wildcards, one-comparison filters. */

type Step = (values: readonly unknown[]) => unknown[];

const field =
  (name: string): Step =>
  (values) =>
    values.flatMap((v) =>
      v !== null && typeof v === "object" && !Array.isArray(v) && Object.hasOwn(v, name)
        ? [(v as Record<string, unknown>)[name]]
        : [],
    );
const wildcard: Step = (values) =>
  values.flatMap((v) => (v !== null && typeof v === "object" ? Object.values(v) : []));
const index =
  (at: number): Step =>
  (values) =>
    values.flatMap((v) => (Array.isArray(v) && v.at(at) !== undefined ? [v.at(at)] : []));

/** Reads a path into a function that gives all values it finds. Throws an Error that says what is wrong. */
export function compileJsonPath(path: string): (object: unknown) => unknown[] {
  const steps: Step[] = [];
  let rest = path.trim();
  if (rest.startsWith("{") && rest.endsWith("}")) rest = rest.slice(1, -1);
  if (rest.startsWith("$")) rest = rest.slice(1);
  if (rest !== "" && !rest.startsWith(".") && !rest.startsWith("[")) rest = `.${rest}`;
  while (rest !== "") {
    const { step, length } = rest.startsWith("[") ? bracket(rest) : dotted(rest);
    steps.push(step);
    rest = rest.slice(length);
  }
  return (object) => steps.reduce<unknown[]>((values, step) => step(values), [object]);
}

function dotted(text: string): { step: Step; length: number } {
  if (text.startsWith("..")) throw new Error("recursive descent (..) is not supported");
  const name = /^\.((?:\\.|[^.[\]\\])*)/.exec(text)?.[1] ?? "";
  if (name === "" && text.startsWith(".[")) return { step: (v) => [...v], length: 1 };
  if (name === "" && text !== ".") throw new Error(`a name is missing at "${text.slice(0, 40)}"`);
  const length = 1 + name.length;
  if (name === "" || name === "*") return { step: name === "" ? (v) => [...v] : wildcard, length };
  return { step: field(name.replace(/\\(.)/g, "$1")), length };
}

function bracket(text: string): { step: Step; length: number } {
  const filter = /^\[\?\(\s*@([^=!<>]*?)\s*(==|!=|<=|>=|<|>)?\s*("[^"]*"|'[^']*'|[^)'"]*)\s*\)\]/.exec(text);
  if (filter) return { step: filterStep(filter[1]!, filter[2], filter[3]!), length: filter[0].length };
  const named = /^\[(?:'((?:\\.|[^'])*)'|"((?:\\.|[^"])*)")\]/.exec(text);
  if (named) {
    return { step: field((named[1] ?? named[2] ?? "").replace(/\\(.)/g, "$1")), length: named[0].length };
  }
  const numbered = /^\[(-?\d+|\*)\]/.exec(text);
  if (!numbered) throw new Error(`what "${text.slice(0, 40)}" means is not known`);
  const at = numbered[1]!;
  return { step: at === "*" ? wildcard : index(Number(at)), length: numbered[0].length };
}

function filterStep(path: string, op: string | undefined, literal: string): Step {
  const left = compileJsonPath(path);
  const right: unknown = /^["']/.test(literal)
    ? literal.slice(1, -1)
    : literal === "true" || literal === "false"
      ? literal === "true"
      : Number(literal);
  const holds = (value: unknown): boolean => {
    if (op === undefined) return true;
    if (op === "==") return value === right;
    if (op === "!=") return value !== right;
    const [a, b] = [value as number, right as number];
    return op === "<" ? a < b : op === ">" ? a > b : op === "<=" ? a <= b : a >= b;
  };
  return (values) =>
    values
      .flatMap((v) => (v !== null && typeof v === "object" ? Object.values(v) : []))
      .filter((item) => {
        const found = left(item);
        return found.length > 0 && holds(found[0]);
      });
}
