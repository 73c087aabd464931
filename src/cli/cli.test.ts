import { describe, expect, test } from "bun:test";
import { formatFinding, Problem } from "../app/problem/index.ts";
import { exitOf, findingOf } from "./errors.ts";
import { durationFlag } from "./flags.ts";
import { splitColor } from "./index.ts";
import { near } from "./kind-index.ts";
import { age, formatOf, table } from "./output.ts";
import { createStyle } from "./style.ts";
import { parseTargets } from "./targets.ts";

const plain = createStyle(false, {});

describe("style", () => {
  test("NO_COLOR and dumb terminals win over a terminal, FORCE_COLOR over them, --color over all", () => {
    expect(createStyle(true, {}).enabled).toBe(true);
    expect(createStyle(true, { NO_COLOR: "1" }).enabled).toBe(false);
    expect(createStyle(true, { NO_COLOR: "" }).enabled).toBe(true);
    expect(createStyle(true, { TERM: "dumb" }).enabled).toBe(false);
    expect(createStyle(false, { FORCE_COLOR: "1" }).enabled).toBe(true);
    expect(createStyle(true, { FORCE_COLOR: "1" }, "never").enabled).toBe(false);
    expect(createStyle(false, { NO_COLOR: "1" }, "always").enabled).toBe(true);
  });

  test("marks fall back to ASCII where the locale is not UTF-8", () => {
    expect(createStyle(false, { LANG: "C" }).ok).toBe("ok");
    expect(createStyle(false, { LANG: "de_DE.UTF-8" }).ok).toBe("√");
  });

  test("--color is taken out before --, not behind it", () => {
    expect(splitColor(["get", "--color", "never", "vs"])).toEqual({ color: "never", rest: ["get", "vs"] });
    expect(splitColor(["run", "--color=always", "--", "ls", "--color=never"])).toEqual({
      color: "always",
      rest: ["run", "--", "ls", "--color=never"],
    });
  });
});

describe("errors", () => {
  test("what, where with a caret, why, how to mend", () => {
    const where = { file: "v.yaml", line: 12, column: 7, length: 4, text: "      rout: x" };
    const text = formatFinding(
      { severity: "error", what: "no field", where, why: "typo", mend: "write route" },
      plain,
    );
    expect(text.split("\n")).toEqual([
      "error: no field",
      "  --> v.yaml:12:7",
      "   12 |       rout: x",
      "      |       ^^^^",
      "  why:  typo",
      "  mend: write route",
      "",
    ]);
  });

  test("a very long line is cut around its caret", () => {
    const where = { file: "j.json", line: 1, column: 5001, text: `${"a".repeat(5000)}X${"b".repeat(5000)}` };
    const [, , line, caret] = formatFinding({ severity: "error", what: "x", where }, plain).split("\n");
    expect(line!.length).toBeLessThan(180);
    expect(line![caret!.indexOf("^")]).toBe("X");
  });

  test("a problem keeps its exit status, a bug shows its stack", () => {
    expect(exitOf(new Problem("x", { exit: 65 }))).toBe(65);
    expect(exitOf(new Error("x"))).toBe(1);
    expect(findingOf(new TypeError("boom")).what).toBe("TypeError: boom");
    expect(findingOf(new TypeError("boom")).why).toContain("cli.test.ts");
  });
});

describe("output", () => {
  test("ages as kubectl writes them", () => {
    const s = 1000;
    const ages = [
      5 * s,
      119 * s,
      121 * s,
      599 * s,
      601 * s,
      3 * 3600 * s,
      3.5 * 3600 * s,
      50 * 3600 * s,
      9 * 86400 * s,
    ];
    expect(ages.map(age)).toEqual(["5s", "119s", "2m1s", "9m59s", "10m", "3h", "3h30m", "2d2h", "9d"]);
  });

  test("columns line up without trailing blanks", () => {
    expect(
      table(
        ["NAME", "AGE"],
        [
          ["a", "1s"],
          ["long-name", ""],
        ],
      ),
    ).toBe("NAME        AGE\na           1s\nlong-name\n");
    expect(table(["NAME"], [["a"]], { headers: false })).toBe("a\n");
  });

  test("an unknown format is a usage error that names those there are", () => {
    expect(() => formatOf("xml", ["json", "yaml"])).toThrow("no such output format");
    try {
      formatOf("xml", ["json", "yaml"]);
    } catch (error) {
      expect(exitOf(error)).toBe(64);
      expect((error as Problem).mend).toContain("json, yaml");
    }
  });
});

describe("words for objects", () => {
  test("kind and names, kind/name, kinds with commas", () => {
    expect(parseTargets(["vs", "a", "b"])).toEqual([{ kind: "vs", names: ["a", "b"] }]);
    expect(parseTargets(["vs/a", "svc/b"])).toEqual([
      { kind: "vs", names: ["a"] },
      { kind: "svc", names: ["b"] },
    ]);
    expect(parseTargets(["vs,dr"])).toEqual([
      { kind: "vs", names: [] },
      { kind: "dr", names: [] },
    ]);
    expect(() => parseTargets(["vs/"])).toThrow("is not KIND/NAME");
  });

  test("did you mean", () => {
    const kinds = ["services", "secrets", "virtualservices"];
    expect(near("service", kinds)[0]).toBe("services");
    expect(near("virtulservice", kinds)).toEqual(["virtualservices"]);
    expect(near("pods", kinds)).toEqual([]);
  });
});

describe("flags", () => {
  const flag = durationFlag("", 10_000, 2160 * 3_600_000) as { parse?: unknown };
  const parse = flag.parse as (input: string) => number;

  test("a length of time has a whole number and a unit, within its bounds", () => {
    expect(["10s", "90s", "10m", "24h", "2160h"].map(parse)).toEqual([
      10_000, 90_000, 600_000, 86_400_000, 7_776_000_000,
    ]);
    for (const bad of ["9s", "2161h", "10", "1.5h", "-10s", "s", "10d", "10 s", ""])
      expect(() => parse(bad)).toThrow("expected a time from 10s to 2160h");
  });
});
