/** Rules that no request can reach, and matches that none can meet. */
import { covers, never, type RouteRule } from "../model/index.ts";
import type { Report } from "./report.ts";

/** How many earlier rules each rule is held against: the comparison is quadratic, tables have thousands. */
export const maxRulesCompared = 200;

/** Says so of each of `rules` that `before`, or an earlier one of them, takes everything from. */
export function sayUnreachable(
  rules: readonly RouteRule[],
  report: Report,
  before: readonly RouteRule[] = [],
): void {
  const earlier = [...before];
  for (const rule of rules) {
    const { field } = rule.origin;
    if (rule.origin.object === report.name && field !== undefined) {
      const taken = takenBy(rule, earlier.slice(0, maxRulesCompared));
      if (taken !== undefined) report.add("warning", field, unreachable(taken, report.name));
      for (const m of rule.matches) sayNever(m, report);
    }
    earlier.push(rule);
  }
}

function unreachable(taken: RouteRule, own: string): { code: string; message: string } {
  const { object, field } = taken.origin;
  const who = object === own ? field : `${object} ${field}`;
  const what = taken.matches.length === 0 ? "every request" : "all of its requests";
  return { code: "unreachable", message: `${who} takes ${what} before it: this rule is never reached` };
}

function sayNever(match: RouteRule["matches"][number], report: Report): void {
  const why = match.origin.object === report.name ? never(match) : undefined;
  if (why !== undefined && match.origin.field !== undefined)
    report.add("warning", match.origin.field, {
      code: "never-matches",
      message: `${why}: no request meets this`,
    });
}

function takenBy(rule: RouteRule, earlier: readonly RouteRule[]): RouteRule | undefined {
  const all = earlier.find((e) => e.matches.length === 0);
  if (all !== undefined || rule.matches.length === 0) return all;
  const takers = rule.matches.map((m) => earlier.find((e) => e.matches.some((wide) => covers(wide, m))));
  return takers.every((t) => t !== undefined) ? takers[0] : undefined;
}
