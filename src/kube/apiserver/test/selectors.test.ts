import { describe, expect, test } from "bun:test";
import type { Doc } from "../document.ts";
import { labelSelector } from "../label-selector.ts";
import { MAX_REQUIREMENTS, MAX_SELECTOR_LENGTH } from "../limits.ts";

const doc = (labels: Record<string, string>): Doc =>
  ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x", labels } }) as Doc;
const chooses = (text: string, labels: Record<string, string>): boolean => labelSelector(text)!(doc(labels));
const says = (text: string): string => {
  try {
    labelSelector(text);
    return "nothing";
  } catch (e) {
    return (e as Error).message;
  }
};

describe("label selectors", () => {
  const labels = { app: "a", tier: "back", "example.com/size": "10" };
  test.each([
    ["app=a", true],
    ["app==a,tier!=front", true],
    [" app = a , tier in ( front , back ) ", true],
    ["tier notin (back)", false],
    ["app,!other", true],
    ["!app", false],
    ["example.com/size>9,example.com/size<11", true],
    ["example.com/size>10", false],
    ["tier>1", false],
    ["app in (a,)", true],
    ["other in ()", false],
    ["other=", false],
    ["in in (a)", false],
  ])("%s: %p", (text, chosen) => expect(chooses(text, labels)).toBe(chosen));

  test.each([
    ["a b", "found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ["!!", "found '!', expected: identifier"],
    ["a in b", "found 'b' expected: '('"],
    ["a=b c", "found 'c', expected: ',' or 'end of string'"],
    ["a,", "found '', expected: identifier after ','"],
    ["a in (b", "found '', expected: ',' or ')'"],
    ["a=(", "found '(', expected: identifier"],
    ["=a", "found '=', expected: !, identifier, or 'end of string'"],
    ["a>b", "values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer"],
  ])("%s is refused: %s", (text, why) => expect(says(text)).toBe(`unable to parse requirement: ${why}`));

  test("keys and values follow the rules of labels", () => {
    expect(says("-a=b")).toStartWith(
      'unable to parse requirement: key: Invalid value: "-a": name part must consist',
    );
    expect(says(`a=${"x".repeat(63)}`)).toBe("nothing");
    expect(says(`a=${"x".repeat(64)}`)).toContain("must be no more than 63 characters");
  });

  test("are bounded", () => {
    const many = (n: number): string => Array.from({ length: n }, (_, i) => `a${i}`).join(",");
    expect(says(many(MAX_REQUIREMENTS))).toBe("nothing");
    expect(says(many(MAX_REQUIREMENTS + 1))).toContain(`more than ${MAX_REQUIREMENTS}`);
    expect(says("a".repeat(MAX_SELECTOR_LENGTH + 1))).toContain(`longer than ${MAX_SELECTOR_LENGTH}`);
  });
});
