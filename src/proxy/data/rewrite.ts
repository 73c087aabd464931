/** How a route changes the path, compiled once. */
import { RE2JS } from "re2js";
import type { RouteConfig } from "../config/index.ts";

/** From the path with its query to the one that is sent. */
export type PathRewrite = (path: string) => string;

/** Null: the path stays. */
export function compileRewrite({ match, action }: RouteConfig): PathRewrite | null {
  if (action.kind !== "route" || match.path.kind === "connect") return null;
  const { prefixRewrite, regexRewrite } = action;
  if (regexRewrite !== undefined) {
    const replace = compileReplacement(regexRewrite.pattern, regexRewrite.substitution);
    return (path) => {
      const end = endOf(path);
      return replace(path.slice(0, end)) + path.slice(end);
    };
  }
  if (prefixRewrite === undefined) return null;
  // What an expression matched is the whole path (Envoy).
  if (match.path.kind === "regex") return (path) => prefixRewrite + path.slice(endOf(path));
  const { length } = match.path.value;
  return (path) => prefixRewrite + path.slice(length);
}

function endOf(path: string): number {
  const query = path.indexOf("?");
  return query === -1 ? path.length : query;
}

/**
 * RE2's GlobalReplace: every match, from left to right, is replaced by the substitution, in which `\0` to `\9` stand
 * for what a group matched and `\\` for one backslash. An empty match right behind another is none.
 */
export function compileReplacement(pattern: string, substitution: string): (text: string) => string {
  const compiled = RE2JS.compile(pattern);
  const parts = [...substitution.matchAll(/\\(\d)|\\(\\)|[^\\]+/g)].map(([text, group, backslash]) =>
    group === undefined ? (backslash ?? text) : Number(group),
  );
  return (text) => {
    const matcher = compiled.matcher(text);
    let out = "";
    let at = -1;
    while (matcher.find()) {
      const start = matcher.start();
      const end = matcher.end();
      if (start === end && start === at) continue;
      out += text.slice(Math.max(at, 0), start);
      for (const part of parts) out += typeof part === "number" ? (matcher.group(part) ?? "") : part;
      at = end;
    }
    return out + text.slice(Math.max(at, 0));
  };
}
