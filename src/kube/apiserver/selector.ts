/** Field selectors, and selectors together. Parsing is linear: no regular expression meets the user's text. */
import type { Kind } from "../kinds/index.ts";
import type { Doc } from "./document.ts";
import { MAX_REQUIREMENTS, MAX_SELECTOR_LENGTH } from "./limits.ts";
import { badRequest } from "./status.ts";

export type Predicate = (doc: Doc) => boolean;

/** Splits at commas outside of parentheses. */
function split(text: string): string[] {
  if (text.length > MAX_SELECTOR_LENGTH) {
    throw badRequest(`the selector is longer than ${MAX_SELECTOR_LENGTH} characters`);
  }
  const parts: string[] = [];
  let from = 0;
  let inside = false;
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (c === "(") inside = true;
    else if (c === ")") inside = false;
    else if (c === undefined || (c === "," && !inside)) {
      parts.push(text.slice(from, i).trim());
      from = i + 1;
    }
  }
  if (parts.length > MAX_REQUIREMENTS) {
    throw badRequest(`the selector has more than ${MAX_REQUIREMENTS} requirements`);
  }
  return parts;
}

/** `metadata.name=x,type!=y`. */
export function fieldSelector(text: string | null, kind: Kind): Predicate | undefined {
  if (!text) return undefined;
  const allowed = ["metadata.name", "metadata.namespace", ...kind.selectable];
  const tests = split(text)
    .filter((part) => part !== "")
    .map((part) => {
      const at = part.indexOf("=");
      if (at <= 0) throw badRequest(`invalid field selector: '${part.slice(0, 100)}': can't understand it`);
      const negated = part[at - 1] === "!";
      const field = part.slice(0, negated ? at - 1 : at);
      const value = part.slice(part[at + 1] === "=" ? at + 2 : at + 1);
      if (!allowed.includes(field)) {
        const known = allowed.map((f) => `"${f}"`).join(", ");
        throw badRequest(
          kind.selectable.length === 0 && !kind.custom
            ? `${JSON.stringify(field.slice(0, 100))} is not a known field selector: only ${known}`
            : `field label not supported: ${field.slice(0, 100)}`,
        );
      }
      const path = field.split(".");
      return (doc: Doc): boolean => (read(doc, path) === value) !== negated;
    });
  return (doc) => tests.every((t) => t(doc));
}

function read(doc: Doc, path: readonly string[]): string {
  let at: unknown = doc;
  for (const part of path) at = at !== null && typeof at === "object" ? (at as Doc)[part] : undefined;
  return at === undefined || at === null ? "" : String(at);
}

/** Both must hold; undefined selects all. */
export function both(a: Predicate | undefined, b: Predicate | undefined): Predicate | undefined {
  if (!a || !b) return a ?? b;
  return (doc) => a(doc) && b(doc);
}
