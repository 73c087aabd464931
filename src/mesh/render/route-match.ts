/** RequestMatch -> RouteMatch. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  HeaderMatcherSchema,
  QueryParameterMatcherSchema,
  RouteMatchSchema,
} from "../../proto/gen/envoy/config/route/v3/route_components_pb.js";
import type { StringMatcherSchema } from "../../proto/gen/envoy/type/matcher/v3/string_pb.js";
import type { HeaderMatch, QueryMatch, RequestMatch, StringMatch } from "../model/index.ts";

export type RouteMatchInit = MessageInitShape<typeof RouteMatchSchema>;
type HeaderInit = MessageInitShape<typeof HeaderMatcherSchema>;
type PathSpecifier = NonNullable<RouteMatchInit["pathSpecifier"]>;

/** Undefined: every request. */
export function routeMatch(match: RequestMatch | undefined): RouteMatchInit {
  if (match === undefined) return { pathSpecifier: { case: "prefix", value: "/" } };
  return {
    pathSpecifier: pathSpecifier(match.path),
    ...(match.ignorePathCase && { caseSensitive: false }),
    headers: [...match.headers.map(headerMatcher), ...match.morePaths.map(pathAsHeader)],
    queryParameters: match.query.map(queryMatcher),
  };
}

function pathSpecifier(path: StringMatch | undefined): PathSpecifier {
  switch (path?.kind) {
    case "exact":
      return { case: "path", value: path.value };
    case "regex":
      return { case: "safeRegex", value: { regex: path.value } };
    default:
      return { case: "prefix", value: path?.value || "/" };
  }
}

export function stringMatcher(match: StringMatch): MessageInitShape<typeof StringMatcherSchema> {
  if (match.kind === "regex") return { matchPattern: { case: "safeRegex", value: { regex: match.value } } };
  return { matchPattern: { case: match.kind, value: match.value } };
}

function headerMatcher(header: HeaderMatch): HeaderInit {
  const { name, match, invert } = header;
  if (match.kind === "present")
    return {
      name,
      headerMatchSpecifier: { case: "presentMatch", value: true },
      ...(invert && { invertMatch: true }),
    };
  return {
    name,
    headerMatchSpecifier: { case: "stringMatch", value: stringMatcher(match) },
    // Envoy fails an inverted match of an absent header; as an empty value it passes.
    ...(invert && { invertMatch: true, treatMissingHeaderAsEmpty: true }),
  };
}

/** A second condition on the path: `:path` holds the query too. */
function pathAsHeader(path: StringMatch): HeaderInit {
  const quoted = path.value.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");
  const body = path.kind === "regex" ? `(?:${path.value})` : quoted;
  const regex = path.kind === "prefix" ? `${body}.*` : `${body}(?:\\?.*)?`;
  return {
    name: ":path",
    headerMatchSpecifier: { case: "stringMatch", value: stringMatcher({ kind: "regex", value: regex }) },
  };
}

function queryMatcher(query: QueryMatch): MessageInitShape<typeof QueryParameterMatcherSchema> {
  const { name, match } = query;
  if (match.kind === "present")
    return { name, queryParameterMatchSpecifier: { case: "presentMatch", value: true } };
  return { name, queryParameterMatchSpecifier: { case: "stringMatch", value: stringMatcher(match) } };
}
