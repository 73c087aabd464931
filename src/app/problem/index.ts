/** Mistakes that a person can mend: what, where, why and how. Never used for broken invariants. */

/** Exit statuses, as istioctl uses them (sysexits). */
export const exitStatus = { ok: 0, failed: 1, usage: 64, data: 65 } as const;

/** A place in a text that the user wrote. Line and column count from 1; `length` is of the marked text. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly length?: number;
  /** The whole source line, for the caret. */
  readonly text?: string;
}

export interface ProblemOptions {
  readonly where?: Place | string;
  readonly why?: string;
  readonly mend?: string;
  /** Default 1. */
  readonly exit?: number;
}

/** Thrown to end a command with an explanation instead of a stack. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly where: Place | string | undefined;
  readonly why: string | undefined;
  readonly mend: string | undefined;
  readonly exit: number;

  constructor(what: string, options: ProblemOptions = {}) {
    super(what);
    this.where = options.where;
    this.why = options.why;
    this.mend = options.mend;
    this.exit = options.exit ?? exitStatus.failed;
  }
}

/** How severe a finding is; decides its colour and the exit status. */
export type Severity = "error" | "warning" | "note";

/** A finding about the user's input, printed in the same shape as a Problem. */
export interface Finding {
  readonly severity: Severity;
  readonly what: string;
  readonly where?: Place | string;
  readonly why?: string;
  readonly mend?: string;
}

/** `file:line:column`. */
export function placeText(place: Place | string): string {
  return typeof place === "string" ? place : `${place.file}:${place.line}:${place.column}`;
}

/** Colours as functions; the identity where there is no terminal. */
export interface Paint {
  readonly bold: (s: string) => string;
  readonly dim: (s: string) => string;
  readonly red: (s: string) => string;
  readonly yellow: (s: string) => string;
  readonly cyan: (s: string) => string;
}

/** The message as lines: what, where with the source line and a caret, why, how to mend. Ends with a newline. */
export function formatFinding(finding: Finding, paint: Paint): string {
  const mark = { error: paint.red, warning: paint.yellow, note: paint.cyan }[finding.severity];
  const lines = [`${paint.bold(mark(finding.severity))}${paint.bold(`: ${finding.what}`)}`];
  const { where } = finding;
  if (where !== undefined) {
    lines.push(`  ${paint.dim("-->")} ${placeText(where)}`);
    if (typeof where !== "string" && where.text !== undefined) lines.push(...excerpt(where, mark, paint));
  }
  if (finding.why) lines.push(`  ${paint.dim("why:")}  ${finding.why}`);
  if (finding.mend) lines.push(`  ${paint.dim("mend:")} ${finding.mend}`);
  return `${lines.join("\n")}\n`;
}

/** Longest excerpt of a source line; longer ones are cut around the caret. */
const excerptColumns = 160;

function excerpt(place: Place, mark: (s: string) => string, paint: Paint): string[] {
  const full = (place.text ?? "").replaceAll("\t", " ");
  const from = Math.max(0, Math.min(place.column - 1 - excerptColumns / 2, full.length - excerptColumns));
  const text = full.slice(from, from + excerptColumns);
  const number = String(place.line);
  const pad = " ".repeat(number.length);
  const at = Math.max(0, place.column - 1 - from);
  const carets = "^".repeat(Math.max(1, Math.min(place.length ?? 1, text.length - at || 1)));
  return [
    `   ${paint.dim(`${number} |`)} ${text}`,
    `   ${paint.dim(`${pad} |`)} ${" ".repeat(at)}${mark(carets)}`,
  ];
}
