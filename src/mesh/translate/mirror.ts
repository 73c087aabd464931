/** `mirror` with its percentage, and `mirrors`. */
import type { Mirror } from "../model/index.ts";
import { wholeShare } from "../model/index.ts";
import { parseDestination } from "./destination.ts";
import type { Draft } from "./draft.ts";
import { parsePercent } from "./fault.ts";
import type { Field } from "./field.ts";

/** Of an HTTP rule. Without a percentage every request is copied. */
export function parseMirrors(draft: Draft, rule: Field, namespace: string): readonly Mirror[] {
  const found: Mirror[] = [];
  const one = rule.at("mirror");
  if (one.present && rule.at("mirrors").present)
    rule.error({ code: "one-of", message: "mirror and mirrors exclude each other" });
  const place = ["mirrorPercentage", "mirrorPercent", "mirror_percent"].map((key) => rule.at(key));
  for (const field of place)
    if (field.present && !one.present)
      field.warn({ code: "meaningless", message: "has no effect without mirror" });
  if (one.present) add(found, draft, { field: one, share: shareOf(place), namespace });
  for (const item of rule.at("mirrors").items()) {
    item.object().rest(["destination", "percentage"]);
    const field = item.at("destination");
    if (!field.present) field.error({ code: "required", message: "is required" });
    else add(found, draft, { field, share: parsePercent(item.at("percentage")) ?? wholeShare, namespace });
  }
  return found;
}

function shareOf(fields: readonly Field[]): number {
  const [now, ...old] = fields;
  const given = now?.present === true ? parsePercent(now) : undefined;
  const percent = old.map((f) => f.integer(0, 100)).find((n) => n !== undefined);
  return given ?? (percent === undefined ? wholeShare : percent * (wholeShare / 100));
}

function add(
  found: Mirror[],
  draft: Draft,
  { field, share, namespace }: { field: Field; share: number; namespace: string },
): void {
  const destination = parseDestination(draft, field, namespace);
  field.pending("mirror");
  if (destination === undefined || share === 0) return;
  found.push({ destination: { ...destination, origin: field.report.origin(field.path) }, share });
}
