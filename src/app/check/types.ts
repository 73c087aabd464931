/** One look at one thing that a mesh needs. */

/** skipped: something it rests on is not there. */
export type Outcome = "ok" | "warning" | "error" | "skipped";

export interface Finding {
  readonly category: string;
  readonly check: string;
  readonly result: Outcome;
  /** What was seen. */
  readonly detail?: string;
  /** How to mend it; with a warning or an error. */
  readonly mend?: string;
}

/** Without its category. */
export type Look = Omit<Finding, "category">;

export const ok = (check: string, detail?: string): Look => ({
  check,
  result: "ok",
  ...(detail === undefined ? {} : { detail }),
});
export const bad = (result: "warning" | "error", check: string, detail: string, mend: string): Look => ({
  check,
  result,
  detail,
  mend,
});
export const skipped = (check: string, detail: string): Look => ({ check, result: "skipped", detail });

export const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** `3.2 MB`. */
export function bytesText(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = n;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** `5 h`, `64 days`. */
export function spanText(ms: number): string {
  const hours = ms / 3_600_000;
  if (hours < 1) return `${Math.max(0, Math.round(ms / 60_000))} min`;
  return hours < 72 ? `${Math.floor(hours)} h` : `${Math.floor(hours / 24)} days`;
}
