import colors from "picocolors";
import type { Paint } from "../app/problem/index.ts";

export interface Style extends Paint {
  readonly green: (s: string) => string;
  readonly enabled: boolean;
  /** Marks for lists: √ × ‼, or ASCII where the terminal's locale is not UTF-8. */
  readonly ok: string;
  readonly bad: string;
  readonly warn: string;
}

export type ColorChoice = "auto" | "always" | "never";

/**
 * Colours for one stream. NO_COLOR (not empty) and TERM=dumb win over a terminal, FORCE_COLOR wins over those,
 * `--color` over everything. `forceTerminal` is the stream's isTTY.
 */
export function createStyle(
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>>,
  choice: ColorChoice = "auto",
): Style {
  const force = env["FORCE_COLOR"];
  const auto =
    force !== undefined && force !== ""
      ? force !== "0"
      : isTerminal && !env["NO_COLOR"] && env["TERM"] !== "dumb";
  const enabled = choice === "always" || (choice === "auto" && auto);
  const c = colors.createColors(enabled);
  const utf8 = /utf-?8/i.test(env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "utf-8");
  return {
    enabled,
    bold: c.bold,
    dim: c.dim,
    red: c.red,
    yellow: c.yellow,
    cyan: c.cyan,
    green: c.green,
    ok: c.green(utf8 ? "√" : "ok"),
    bad: c.red(utf8 ? "×" : "x"),
    warn: c.yellow(utf8 ? "‼" : "!!"),
  };
}
