/** String, header and query matchers. */
import { RE2JS } from "re2js";
import type {
  HeaderMatcher,
  QueryParameterMatcher,
} from "../../proto/gen/envoy/config/route/v3/route_components_pb.js";
import type { RegexMatcher } from "../../proto/gen/envoy/type/matcher/v3/regex_pb.js";
import type { StringMatcher } from "../../proto/gen/envoy/type/matcher/v3/string_pb.js";
import type { HeaderMatch, QueryMatch, StringMatch } from "../config/index.ts";
import { maxRegexLength } from "./limits.ts";
import type { Findings, Path } from "./path.ts";

/** The pattern, if it is one in RE2's syntax within the limit; else reported and a pattern that never matches. */
export function regexText(matcher: RegexMatcher, path: Path, findings: Findings): string {
  const at = path.at("regex");
  if (matcher.regex.length > maxRegexLength) {
    findings.error(at, `${matcher.regex.length} characters; at most ${maxRegexLength} are allowed`);
    return "";
  }
  try {
    RE2JS.compile(matcher.regex);
  } catch (e) {
    findings.error(at, `not a regular expression of RE2: ${e instanceof Error ? e.message : String(e)}`);
  }
  return matcher.regex;
}

const missing: StringMatch = { kind: "exact", value: "" };

/** type.matcher.v3.StringMatcher. ignore_case has no effect on a regex, as in Envoy. */
export function stringMatch(matcher: StringMatcher, path: Path, findings: Findings): StringMatch {
  const pattern = matcher.matchPattern;
  switch (pattern.case) {
    case "exact":
    case "prefix":
    case "suffix":
    case "contains":
      if (pattern.value === "" && pattern.case !== "exact")
        findings.error(path.at(pattern.case), "must not be empty");
      return {
        kind: pattern.case,
        value: matcher.ignoreCase ? pattern.value.toLowerCase() : pattern.value,
        ...(matcher.ignoreCase ? { ignoreCase: true } : {}),
      };
    case "safeRegex":
      return { kind: "regex", value: regexText(pattern.value, path.at("safe_regex"), findings) };
    default:
      findings.error(path, "exact, prefix, suffix, contains or safe_regex is required");
      return missing;
  }
}

const headerName = /^:?[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Lower case; reports what is no header name. */
export function headerNameOf(name: string, path: Path, findings: Findings): string {
  if (!headerName.test(name)) findings.error(path, `${JSON.stringify(name)} is not a header name`);
  return name.toLowerCase();
}

function headerSpecifier(
  matcher: HeaderMatcher,
  path: Path,
  findings: Findings,
): HeaderMatch["match"] | "absent" {
  const how = matcher.headerMatchSpecifier;
  switch (how.case) {
    case "exactMatch":
      return { kind: "exact", value: how.value };
    case "prefixMatch":
      return { kind: "prefix", value: how.value };
    case "suffixMatch":
      return { kind: "suffix", value: how.value };
    case "containsMatch":
      return { kind: "contains", value: how.value };
    case "safeRegexMatch":
      return { kind: "regex", value: regexText(how.value, path.at("safe_regex_match"), findings) };
    case "stringMatch":
      return stringMatch(how.value, path.at("string_match"), findings);
    case "presentMatch":
      return how.value ? { kind: "present" } : "absent";
    default:
      return { kind: "present" };
  }
}

/** route.v3.HeaderMatcher; `present_match: false` is the inversion of true. */
export function headerMatch(matcher: HeaderMatcher, path: Path, findings: Findings): HeaderMatch {
  const name = headerNameOf(matcher.name, path.at("name"), findings);
  const how = headerSpecifier(matcher, path, findings);
  const invert = matcher.invertMatch !== (how === "absent");
  return {
    name,
    match: how === "absent" ? { kind: "present" } : how,
    ...(invert ? { invert: true } : {}),
    ...(matcher.treatMissingHeaderAsEmpty ? { missingAsEmpty: true } : {}),
  };
}

/** route.v3.QueryParameterMatcher; without a specifier the parameter must be present. */
export function queryMatch(matcher: QueryParameterMatcher, path: Path, findings: Findings): QueryMatch {
  if (matcher.name === "") findings.error(path.at("name"), "must not be empty");
  const how = matcher.queryParameterMatchSpecifier;
  if (how.case === "stringMatch")
    return { name: matcher.name, match: stringMatch(how.value, path.at("string_match"), findings) };
  if (how.case === "presentMatch" && !how.value)
    findings.error(path.at("present_match"), "only true is supported");
  return { name: matcher.name, match: { kind: "present" } };
}
