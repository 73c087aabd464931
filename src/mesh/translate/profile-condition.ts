/** A profile's request conditions, with all, any and not, as a list of alternatives. */
import type { HeaderMatch, RequestMatch, StringMatch } from "../model/index.ts";
import type { Field } from "./field.ts";
import { maxConditionAlternatives, maxConditionDepth, maxProfileRegexLength } from "./limits.ts";

/** All of it must hold. */
interface Term {
  readonly paths: readonly StringMatch[];
  readonly headers: readonly HeaderMatch[];
}

const read = ["method", "pathRegex", "all", "any", "not"];

/** Empty after a complaint, or when there is no condition. */
export function parseConditions(field: Field): readonly RequestMatch[] {
  if (!field.present) {
    field.error({ code: "required", message: "a condition is required" });
    return [];
  }
  const terms = alternatives(field, false);
  if (terms.length > maxConditionAlternatives) {
    field.error({
      code: "condition-too-wide",
      message: `unfolds to ${terms.length} alternatives, at most ${maxConditionAlternatives} are taken`,
    });
    return [];
  }
  return terms.map(({ paths: [path, ...morePaths], headers }) => ({
    ...(path && { path }),
    ignorePathCase: false,
    morePaths,
    headers,
    query: [],
    sourceLabels: {},
    origin: field.report.origin(field.path),
  }));
}

const always: Term = { paths: [], headers: [] };

/** Complains of nesting beyond the limit. */
export function tooDeep(field: Field, depth: number): boolean {
  if (depth <= maxConditionDepth) return false;
  field.error({ code: "condition-too-deep", message: `is nested more than ${maxConditionDepth} deep` });
  return true;
}

/** Disjunctive normal form; `negate` pushes a not inwards (De Morgan). */
function alternatives(field: Field, negate: boolean, depth = 1): readonly Term[] {
  if (tooDeep(field, depth)) return [];
  field.object().rest(read);
  if (!read.some((key) => field.at(key).present)) {
    field.error({ code: "required", message: `one of ${read.join(", ")} is required` });
    return [];
  }
  const parts: (readonly Term[])[] = [];
  const method = field.at("method").text();
  if (method !== undefined)
    parts.push([
      {
        paths: [],
        headers: [{ name: ":method", match: { kind: "exact", value: method.toUpperCase() }, invert: negate }],
      },
    ]);
  const path = field.at("pathRegex").regex(maxProfileRegexLength);
  if (path !== undefined) parts.push([pathTerm(path, negate)]);
  const all = field.at("all").items();
  const any = field.at("any").items();
  if (all.length > 0)
    parts.push((negate ? union : product)(all.map((f) => alternatives(f, negate, depth + 1))));
  if (any.length > 0)
    parts.push((negate ? product : union)(any.map((f) => alternatives(f, negate, depth + 1))));
  if (field.at("not").present) parts.push(alternatives(field.at("not"), !negate, depth + 1));
  return negate ? union(parts) : product(parts);
}

/** `:path` holds the query too, which Linkerd excludes. */
function pathTerm(value: string, negate: boolean): Term {
  if (!negate) return { paths: [{ kind: "regex", value }], headers: [] };
  const match: StringMatch = { kind: "regex", value: `(?:${value})(?:\\?.*)?` };
  return { paths: [], headers: [{ name: ":path", match, invert: true }] };
}

function union(parts: readonly (readonly Term[])[]): readonly Term[] {
  return parts.flat();
}

/** Stops growing past the limit: the caller complains. */
function product(parts: readonly (readonly Term[])[]): readonly Term[] {
  let terms: readonly Term[] = [always];
  for (const part of parts) {
    terms = terms.flatMap((a) =>
      part.map((b) => ({ paths: [...a.paths, ...b.paths], headers: [...a.headers, ...b.headers] })),
    );
    if (terms.length > maxConditionAlternatives) return terms;
  }
  return terms;
}
