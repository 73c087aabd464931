/** House rules as a test: direction of imports, cycles, deep imports, banned calls, file length. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

const root = import.meta.dir;
const src = join(root, "src");

/** room -> rooms it may import. Everything may import base; types count too. */
const direction: Readonly<Record<string, readonly string[]>> = {
  base: [],
  proto: ["base"],
  wire: ["base", "proto"],
  xds: ["base", "proto", "wire"],
  identity: ["base", "proto", "wire"],
  kube: ["base", "proto", "wire"],
  mesh: ["base", "proto", "wire", "xds", "identity", "kube"],
  proxy: ["base", "proto", "wire", "xds", "identity"],
  explain: ["base", "proto", "wire", "xds", "identity", "kube", "mesh", "proxy"],
  app: ["base", "proto", "wire", "xds", "identity", "kube", "mesh", "proxy", "explain"],
  cli: ["base", "proto", "wire", "xds", "identity", "kube", "mesh", "proxy", "explain", "app"],
  testkit: ["base", "proto", "wire", "xds", "identity", "kube", "mesh", "proxy", "explain", "app"],
};

/** Rooms whose parts (first folder inside) are entered through the part's index.ts. */
const parted = new Set(["wire", "xds", "identity", "kube", "mesh", "proxy"]);

function files(dir: string): string[] {
  return (readdirSync(dir, { recursive: true }) as string[])
    .filter((f) => f.endsWith(".ts") && !f.includes("node_modules") && !f.startsWith("proto/gen"))
    .map((f) => join(dir, f));
}

const sources = files(src).map((path) => ({
  path,
  name: relative(src, path),
  text: readFileSync(path, "utf8"),
}));
const everything = [
  ...sources,
  ...["test", "bench", "demo", "fuzz", "tools"].flatMap((d) => {
    try {
      return files(join(root, d)).map((path) => ({
        path,
        name: relative(root, path),
        text: readFileSync(path, "utf8"),
      }));
    } catch {
      return [];
    }
  }),
];
const isTest = (name: string): boolean => name.endsWith(".test.ts") || name.startsWith("testkit/");

function imports(text: string): string[] {
  const pattern =
    /^\s*(?:import|export)\b[^;"']*?from\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)|^import\s*["']([^"']+)["']/gm;
  return [...text.matchAll(pattern)].map((m) => m[1] ?? m[2] ?? m[3] ?? "").filter((s) => s.startsWith("."));
}

const target = (from: string, spec: string): string => normalize(join(dirname(from), spec));

describe("tidy", () => {
  test("rooms import only in the direction of the table", () => {
    const bad: string[] = [];
    for (const { name, text } of sources) {
      const room = name.includes("/") ? name.split("/")[0]! : "main";
      if (room === "main") continue;
      const allowed = direction[room];
      if (!allowed) {
        bad.push(`${name}: room ${room} is not in the table`);
        continue;
      }
      for (const spec of imports(text)) {
        const to = target(name, spec).split("/")[0]!;
        if (to === room || allowed.includes(to) || (isTest(name) && to === "testkit")) continue;
        bad.push(`${name}: ${room} must not import ${to} (${spec})`);
      }
    }
    expect(bad).toEqual([]);
  });

  test("another room is entered through an index.ts, parts of a parted room through theirs", () => {
    const bad: string[] = [];
    for (const { name, text } of sources) {
      if (isTest(name)) continue;
      const [room, part] = name.split("/");
      for (const spec of imports(text)) {
        const to = target(name, spec);
        const [toRoom, toPart] = to.split("/");
        const crossing =
          toRoom !== room || (parted.has(toRoom!) && to.split("/").length > 2 && toPart !== part);
        if (!crossing || to.startsWith("proto/gen/") || to.startsWith("..")) continue;
        if (!to.endsWith("/index.ts")) bad.push(`${name}: import ${spec} goes past an index.ts`);
      }
    }
    expect(bad).toEqual([]);
  });

  test("no import cycles (types count)", () => {
    const graph = new Map(
      sources.map(({ name, text }) => [name, imports(text).map((s) => target(name, s))] as const),
    );
    const state = new Map<string, 1 | 2>();
    const cycles: string[] = [];
    const visit = (at: string, trail: string[]): void => {
      if (state.get(at) === 2 || !graph.has(at)) return;
      if (state.get(at) === 1) {
        cycles.push([...trail.slice(trail.indexOf(at)), at].join(" -> "));
        return;
      }
      state.set(at, 1);
      for (const next of graph.get(at) ?? []) visit(next, [...trail, at]);
      state.set(at, 2);
    };
    for (const name of graph.keys()) visit(name, []);
    expect(cycles).toEqual([]);
  });

  test("files stay under 500 lines", () => {
    const long = everything.filter(({ text }) => text.split("\n").length > 500).map(({ name }) => name);
    expect(long).toEqual([]);
  });

  test("time and randomness are parameters outside base/; nothing sleeps in tests", () => {
    const banned: readonly [RegExp, string][] = [
      [/\bsetTimeout\(|\bsetInterval\(/, "use a Clock (base/clock.ts)"],
      [/\bDate\.now\(\)|\bperformance\.now\(\)|new Date\(\)/, "use Clock.wall() or Clock.now()"],
      [/\bMath\.random\(/, "use an Rng (base/rng.ts)"],
    ];
    const bad: string[] = [];
    for (const { name, text } of sources) {
      if (name.startsWith("base/")) continue;
      for (const [pattern, why] of banned)
        if (pattern.test(text)) bad.push(`${name}: ${pattern.source}: ${why}`);
    }
    for (const { name, text } of everything) {
      if (!name.endsWith(".test.ts") && !name.startsWith("test/")) continue;
      if (/Bun\.sleep|\bsleep\(|setTimeout\(/.test(text))
        bad.push(`${name}: sleeps; wait for an event instead`);
    }
    expect(bad).toEqual([]);
  });

  test("no unfinished marks", () => {
    const mark = new RegExp(["TO", "DO|FIX", "ME|X", "XX|HA", "CK"].join(""));
    expect(everything.filter(({ text }) => mark.test(text)).map(({ name }) => name)).toEqual([]);
  });
});
