/** Istio's HTTPRewrite. */
import { groupsOf, strayReferences } from "../../wire/re2/index.ts";
import type { Rewrite } from "../model/index.ts";
import type { Field } from "./field.ts";

/** What may stand in a request line or a Location header without ending it. */
export const pathText = /^\/[\x21-\x7e]*$/;
export const authorityText = /^[A-Za-z0-9_.-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/;
const substitutionText = /^[\x21-\x7e]*$/;

/** `authority`: what header operations on Host ask for; the rewrite's own goes before it (Istio). */
export function parseRewrite(rewrite: Field, authority: string | undefined): Rewrite | undefined {
  rewrite.object().rest(["uri", "authority", "uriRegexRewrite"]);
  const path = rewrite.at("uri").text();
  const host = rewrite.at("authority").text() || authority;
  if (path && !pathText.test(path)) rewrite.at("uri").expected("a path that begins with /");
  if (host && !authorityText.test(host))
    rewrite.at("authority").expected("a host name, with a port or without");
  const regex = parseRegex(rewrite.at("uriRegexRewrite"));
  if (path && regex !== undefined)
    rewrite.error({ code: "one-of", message: "uri and uriRegexRewrite exclude each other" });
  if (!path && !host && regex === undefined) return undefined;
  return { ...(path && { path }), ...(regex && { regex }), ...(host && { authority: host }) };
}

function parseRegex(field: Field): Rewrite["regex"] {
  if (!field.object().present) return undefined;
  field.rest(["match", "rewrite"]);
  const pattern = field.at("match").regex();
  const substitution = field.at("rewrite").text() ?? "";
  if (!field.at("match").text()) {
    field.at("match").error({ code: "required", message: "is required and must not be empty" });
    return undefined;
  }
  // Envoy refuses a table with a reference to a group that is not there.
  const groups = pattern === undefined ? 0 : groupsOf(pattern);
  if (!substitutionText.test(substitution))
    field.at("rewrite").expected("visible ASCII characters without spaces");
  const [stray] = strayReferences(substitution, groups);
  if (stray !== undefined) {
    field.at("rewrite").error({
      code: "invalid-value",
      message: `${JSON.stringify(stray)} refers to no group: the expression has ${groups}`,
      fix: String.raw`use \1 to \9 for groups, \0 for all that matched, \\ for a backslash`,
    });
    return undefined;
  }
  return pattern === undefined ? undefined : { pattern, substitution };
}
