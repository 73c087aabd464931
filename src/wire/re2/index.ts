/** Substitutions of RE2 (RE2::Replace), as route rewrites give them. */
import { RE2JS } from "re2js";

/** Capturing groups of an expression; 0 of what is none. */
export function groupsOf(pattern: string): number {
  try {
    return RE2JS.compile(pattern).groupCount();
  } catch {
    return 0;
  }
}

/** What follows a backslash in a substitution and is neither another nor the number of a group that is there. */
export function strayReferences(substitution: string, groups: number): readonly string[] {
  const references = [...substitution.matchAll(/\\(?:\\|.|$)/gs)].map(([reference]) => reference);
  return references.filter((r) => r !== "\\\\" && !(/\d/.test(r) && Number(r[1]) <= groups));
}
