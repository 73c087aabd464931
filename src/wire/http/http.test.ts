import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  appendHeader,
  defaultPathOptions,
  getAllHeaders,
  getHeader,
  hasHeader,
  isAuthority,
  isFieldValue,
  isToken,
  normalizeHost,
  normalizePath,
  parseAuthority,
  parseTarget,
  removeHeader,
  resolveTarget,
  setHeader,
} from "./index.ts";

describe("header list", () => {
  const list = (): string[] => ["a", "1", "b", "2", "a", "3", "c", "4"];
  test("reads", () => {
    expect(getHeader(list(), "a")).toBe("1");
    expect(getHeader(list(), "d")).toBeUndefined();
    expect(getAllHeaders(list(), "a")).toEqual(["1", "3"]);
    expect([hasHeader(list(), "c"), hasHeader(list(), "4")]).toEqual([true, false]);
  });
  test("sets in place and drops repetitions", () => {
    const l = list();
    setHeader(l, "a", "9");
    expect(l).toEqual(["a", "9", "b", "2", "c", "4"]);
    setHeader(l, "d", "5");
    appendHeader(l, "d", "6");
    expect(l.slice(-4)).toEqual(["d", "5", "d", "6"]);
  });
  test("removes every one", () => {
    const l = list();
    expect(removeHeader(l, "a")).toBe(true);
    expect(l).toEqual(["b", "2", "c", "4"]);
    expect(removeHeader(l, "a")).toBe(false);
  });
  test("knows tokens and field values", () => {
    expect([isToken("GET"), isToken(""), isToken("a b"), isToken("\u0100")]).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect([isFieldValue("a\tb\xff"), isFieldValue("a\r\nb"), isFieldValue("\u0100")]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe("path: HARDENING row 24", () => {
  const refused = [
    "/xyz/.%00../abc",
    "/xyz/%00.%00./abc",
    "/x/%%0000/y",
    "/public/..;/admin",
    "/a/..;a=b/c",
    "/a/.;/b",
  ];
  for (const path of refused) {
    test(`refuses ${path}`, () => expect(normalizePath(path)).toBeUndefined());
  }
  const vectors: Readonly<Record<string, string>> = {
    "/": "/",
    "/a/b/../../../../c": "/c",
    "/a/..\\c": "/c",
    "/a/b/%2E%2e/c": "/a/c",
    "/%c0%af": "/%c0%af",
    "//a///b?x=///c": "/a/b?x=///c",
    "/admin;x=1": "/admin;x=1",
    "/%252e%252e/": "/%252e%252e/",
    "/ADMIN": "/ADMIN",
    "/admin/": "/admin/",
    "/admin%20": "/admin%20",
    "/admin?": "/admin?",
    "/%61dmin": "/admin",
    "/a/.": "/a/",
    "/a/..": "/",
    "/a/./b": "/a/b",
    "/..": "/",
    "/.well-known/x": "/.well-known/x",
    "/...": "/...",
    "/a%2fb%5Cc": "/a%2fb%5Cc",
    "/100%": "/100%25",
    "/%%32e%%32e/": "/%252e%252e/",
    "/a/../?q=/../": "/?q=/../",
    "*": "*",
  };
  for (const [path, wanted] of Object.entries(vectors)) {
    test(`${path} -> ${wanted}`, () => expect(normalizePath(path)).toBe(wanted));
  }

  test("escaped slashes as told", () => {
    const decoding = { ...defaultPathOptions, escapedSlashes: "unescape" } as const;
    expect(normalizePath("/a%2F..%2Fb", decoding)).toBe("/b");
    expect(normalizePath("/a/%2e%2e%5cb", decoding)).toBe("/b");
    expect(normalizePath("/a%2fb", { ...defaultPathOptions, escapedSlashes: "reject" })).toBeUndefined();
    const off = { normalize: false, mergeSlashes: false, escapedSlashes: "keep" } as const;
    expect(normalizePath("/a//../%2e%2e/b", off)).toBe("/a//../%2e%2e/b");
    expect(normalizePath("/a/%00", off)).toBeUndefined();
  });

  test("is idempotent, and leaves no dot segment or double slash behind", () => {
    const piece = fc.constantFrom(
      "/",
      ".",
      "..",
      "%2e",
      "%2E",
      "%2f",
      "%5c",
      "\\",
      "%",
      "2",
      "e",
      "a",
      ";",
      "%25",
      "//",
      "?",
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 14 }),
        fc.constantFrom("keep", "unescape"),
        (parts, escapedSlashes) => {
          const options = { ...defaultPathOptions, escapedSlashes } as const;
          const once = normalizePath(`/${parts.join("")}`, options);
          if (once === undefined) return;
          expect(normalizePath(once, options)).toBe(once);
          const path = once.split("?")[0]!;
          expect(path).not.toMatch(/\/\/|\\|\/\.{1,2}(?:\/|$)/);
          expect(path).not.toMatch(/%2e/i);
        },
      ),
      { seed: 24, numRuns: 3000 },
    );
  });
});

describe("host: HARDENING row 25", () => {
  test("case, port and one trailing dot do not matter", () => {
    for (const host of ["Secret.com", "secret.com:80", "secret.com.", "SECRET.COM.:443"]) {
      expect(normalizeHost(host)).toBe("secret.com");
    }
    expect(parseAuthority("secret.com:80")).toEqual({ host: "secret.com", port: 80 });
    expect(parseAuthority("[::1]")).toEqual({ host: "[::1]", port: -1 });
    expect(parseAuthority("[FE80::1]:8080")).toEqual({ host: "[fe80::1]", port: 8080 });
    expect(parseAuthority("secret.com..")).toEqual({ host: "secret.com.", port: -1 });
  });
  test("what is no authority", () => {
    for (const text of [
      "",
      ":80",
      "a:",
      "a:x",
      "a:65536",
      "a:123456",
      "u@a",
      "a/b",
      "[]",
      "[::1",
      "[::1]x",
      "a b",
      "ä",
    ]) {
      expect([text, isAuthority(text), parseAuthority(text)]).toEqual([text, false, undefined]);
    }
  });
});

describe("target", () => {
  test("the four forms", () => {
    expect(parseTarget("GET", "/a?b")).toEqual({ form: "origin", scheme: "", authority: "", path: "/a?b" });
    expect(parseTarget("GET", "HTTP://A:80?x")).toEqual({
      form: "absolute",
      scheme: "http",
      authority: "A:80",
      path: "/?x",
    });
    expect(parseTarget("GET", "https://a")?.path).toBe("/");
    expect(parseTarget("CONNECT", "a:443")).toEqual({
      form: "authority",
      scheme: "",
      authority: "a:443",
      path: "",
    });
    expect(parseTarget("OPTIONS", "*")?.form).toBe("asterisk");
    for (const [method, target] of [
      ["GET", "*"],
      ["GET", "a:443"],
      ["CONNECT", "a"],
      ["CONNECT", "/"],
      ["GET", ""],
    ] as const) {
      expect(parseTarget(method, target)).toBeUndefined();
    }
  });
  test("the target's authority wins over Host", () => {
    const headers = ["host", "good"];
    expect(resolveTarget({ method: "GET", target: "http://evil/", headers })?.authority).toBe("evil");
    expect(resolveTarget({ method: "GET", target: "/", headers })?.authority).toBe("good");
    expect(resolveTarget({ method: "GET", target: "/", headers: [] })?.authority).toBe("");
  });
});
