/** The list `route` of an HTTP rule, and what its author meant where an entry stands a level too deep. */
import type { Field } from "./field.ts";

export interface RouteParts {
  /** The rule's own destinations. */
  readonly own: readonly Field[];
  /** Destinations of a further rule without a match; empty: none. */
  readonly otherwise: readonly Field[];
}

/**
 * YAML reads `- route:` among the destinations as an entry with an empty `route` (`{}` once kubectl has pruned the
 * null). With destinations on both sides it ends the rule; what follows is a rule of its own without a match. An
 * entry with a well-formed `route` list at the end means the same. Any other entry without a destination is an error.
 */
export function splitRoute(field: Field): RouteParts {
  const items = field.items();
  const own: Field[] = [];
  const otherwise: Field[] = [];
  let separator: Field | undefined;
  for (const [index, item] of items.entries()) {
    if (item.at("destination").present) {
      (separator === undefined ? own : otherwise).push(item);
      continue;
    }
    const nested = nestedRoute(item);
    const between = index > 0 && index < items.length - 1 && items[index + 1]!.at("destination").present;
    const fits =
      nested.length > 0 ? own.length > 0 && index === items.length - 1 : isEmptyRoute(item) && between;
    if (!fits || separator !== undefined) {
      item.error({
        code: "destination-required",
        message: "destination is required",
        fix: "give the entry a destination, or begin a new rule of spec.http with a route of its own",
      });
      continue;
    }
    separator = item;
    otherwise.push(...nested);
  }
  if (separator !== undefined && own.length > 0 && otherwise.length > 0) sayDeparture(separator);
  return { own, otherwise };
}

function sayDeparture(separator: Field): void {
  separator.warn({
    code: "nested-route",
    message:
      "an entry without a destination ends the rule: what follows is taken as a rule of its own without a match, " +
      "placed last (Istio would refuse the object)",
    fix: "write the second route as a new entry of spec.http",
  });
}

/** Nothing but `route`, and that null, `{}` or `[]`; or nothing at all. */
function isEmptyRoute(item: Field): boolean {
  if (!item.isObject || item.keys().some((k) => k !== "route")) return false;
  const { value } = item.at("route");
  if (value === undefined || value === null) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** The entries of `{route: [...]}` if that is all there is and each has a destination. */
function nestedRoute(item: Field): readonly Field[] {
  const route = item.at("route");
  if (!item.isObject || item.keys().length !== 1 || !Array.isArray(route.value)) return [];
  const entries = route.items();
  return entries.every((e) => e.at("destination").present) ? entries : [];
}
