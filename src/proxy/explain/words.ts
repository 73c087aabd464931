/** Conditions of a route in words. */
import type { HeaderMatch, QueryMatch, RouteMatch, StringMatch } from "../config/index.ts";

function stringWords(match: StringMatch): string {
  const value = JSON.stringify(match.value);
  const folded = match.ignoreCase ? " (any case)" : "";
  switch (match.kind) {
    case "exact":
      return `exactly ${value}${folded}`;
    case "prefix":
      return `beginning with ${value}${folded}`;
    case "suffix":
      return `ending with ${value}${folded}`;
    case "contains":
      return `containing ${value}${folded}`;
    case "regex":
      return `matching /${match.value}/`;
  }
}

export function headerWords(header: HeaderMatch): string {
  const what = header.match.kind === "present" ? "present" : stringWords(header.match);
  return `header ${header.name} ${header.invert ? "not " : ""}${what}`;
}

export function queryWords(query: QueryMatch): string {
  return `query parameter ${query.name} ${query.match.kind === "present" ? "present" : stringWords(query.match)}`;
}

export function pathWords(match: RouteMatch): string {
  const folded = match.ignoreCase ? " (any case)" : "";
  const { path } = match;
  switch (path.kind) {
    case "connect":
      return "method CONNECT";
    case "prefix":
      return path.value === "/" ? "any path" : `path beginning with ${JSON.stringify(path.value)}${folded}`;
    case "exact":
      return `path exactly ${JSON.stringify(path.value)}${folded}`;
    case "regex":
      return `path matching /${path.value}/${folded}`;
    case "pathSeparatedPrefix":
      return `path ${JSON.stringify(path.value)} or below it${folded}`;
  }
}

/** All conditions of a route. */
export function matchWords(match: RouteMatch): string[] {
  return [pathWords(match), ...match.headers.map(headerWords), ...match.query.map(queryWords)];
}
