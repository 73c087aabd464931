import { expect, test } from "bun:test";
import { configKeyProblems, pathProblems, qualifiedNameProblems, subdomainProblems } from "./names.ts";

test("each limit, and one past it", () => {
  expect(subdomainProblems("a".repeat(253))).toEqual([]);
  expect(subdomainProblems("a".repeat(254))).toEqual(["must be no more than 253 characters"]);
  expect(qualifiedNameProblems("a".repeat(63))).toEqual([]);
  expect(qualifiedNameProblems("a".repeat(64))).toEqual(["name part must be no more than 63 characters"]);
  expect(configKeyProblems("a".repeat(253))).toEqual([]);
  expect(configKeyProblems("a".repeat(254))).toEqual(["must be no more than 253 characters"]);
});

test("a qualified name has a prefix or none", () => {
  expect(qualifiedNameProblems("example.com/name")).toEqual([]);
  expect(qualifiedNameProblems("/name")).toEqual(["prefix part must be non-empty"]);
  expect(qualifiedNameProblems("Bad/name")[0]).toStartWith("prefix part a lowercase RFC 1123 subdomain");
  expect(qualifiedNameProblems("example.com/")).toEqual(["name part must be non-empty"]);
  expect(qualifiedNameProblems("a/b/c")[0]).toEndWith("(e.g. 'example.com/MyName')");
});

test("dots lead nowhere", () => {
  expect([configKeyProblems("."), configKeyProblems("..x"), pathProblems(".."), pathProblems("a/b")]).toEqual(
    [["must not be '.'"], ["must not start with '..'"], ["may not be '..'"], ["may not contain '/'"]],
  );
});
