import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { maxManifestBytes } from "./limits.ts";
import { parseManifest } from "./parse.ts";

const manifests = join(import.meta.dir, "../../../demo/manifests");
const seed = (name: string): string => readFileSync(join(manifests, name), "utf8");
const config = (data: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n${data}\n`;

describe("manifests", () => {
  test("every seed manifest is one object without a finding", () => {
    for (const file of readdirSync(manifests)) {
      const { objects, findings } = parseManifest(file, seed(file));
      expect(findings).toEqual([]);
      expect(objects).toHaveLength(1);
    }
  });

  test("the misindented rule is read as kubectl reads it: three entries, the second empty", () => {
    const [vs] = parseManifest("v.yaml", seed("virtual-service.yaml")).objects;
    const spec = vs!.object["spec"] as { http: { route: unknown[] }[] };
    expect(spec.http).toHaveLength(1);
    expect(spec.http[0]!.route).toEqual([
      { destination: { host: "reviews", subset: "v2" } },
      { route: null },
      { destination: { host: "reviews", subset: "v1" }, weight: 90 },
    ]);
  });

  test("places of fields: value, list item, nearest written field around a missing one", () => {
    const [vs] = parseManifest("v.yaml", seed("virtual-service.yaml")).objects;
    expect(vs!.place("spec.http[0].route[2].weight")).toMatchObject({ line: 21, column: 15, length: 2 });
    expect(vs!.place("spec.http[0].route[1]")).toMatchObject({ line: 17, text: "    - route:" });
    expect(vs!.place("spec.http[0].route[0].destination.port.number")).toMatchObject({ line: 14, column: 7 });
    expect(vs!.place("")).toMatchObject({ line: 1, column: 1 });
  });

  test("the source annotation names file and lines of fields", () => {
    const [vs] = parseManifest("v.yaml", seed("virtual-service.yaml")).objects;
    const source = vs!.source().split(" ");
    expect(source[0]).toBe("v.yaml:1:1");
    expect(source).toContain("spec.http[0]=9:5");
    expect(source).toContain("spec.http[0].route[2].weight=21:7");
  });

  test("YAML 1.1 booleans as Kubernetes reads them, but times and base-60 numbers stay texts", () => {
    const [o] = parseManifest(
      "c.yaml",
      config("  a: yes\n  b: off\n  c: 2026-01-01\n  d: 12:30\n  e: 0x10"),
    ).objects;
    expect(o!.object["data"]).toEqual({ a: true, b: false, c: "2026-01-01", d: "12:30", e: 16 });
  });

  test("several documents, JSON and Lists; empty documents are nothing", () => {
    const two = parseManifest(
      "m.yaml",
      `${config("  a: b")}---\n\n---\n# only talk\n---\n${config("  c: d")}`,
    );
    expect(two.objects).toHaveLength(2);
    const list = {
      kind: "List",
      apiVersion: "v1",
      items: [{ apiVersion: "v1", kind: "Secret", metadata: { name: "s" } }],
    };
    expect(parseManifest("l.json", JSON.stringify(list)).objects[0]?.object.kind).toBe("Secret");
  });

  test("a broken text names line and column and does not stop its neighbours", () => {
    const { objects, findings } = parseManifest("b.yaml", `${config("  a: b")}---\na: [1,\n`);
    expect(objects).toHaveLength(1);
    expect(findings[0]).toMatchObject({ severity: "error", where: { file: "b.yaml" } });
    expect((findings[0]!.where as { line: number }).line).toBeGreaterThanOrEqual(7);
  });

  test("duplicate keys, tabs and missing names are findings at their place", () => {
    const where = (text: string) => parseManifest("x.yaml", text).findings[0]?.where;
    expect(where("apiVersion: v1\nkind: A\nkind: B\n")).toMatchObject({ line: 3, column: 1 });
    expect(where("a:\n\tb: c\n")).toMatchObject({ line: 2 });
    expect(where("apiVersion: v1\nkind: Secret\nmetadata:\n  labels: {}\n")).toMatchObject({
      line: 3,
      column: 1,
    });
    expect(where("- 1\n- 2\n")).toMatchObject({ line: 1, column: 1 });
  });

  test("nested aliases are refused, not expanded", () => {
    const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
    for (let i = 0; i < 8; i++) {
      const [from, to] = [String.fromCharCode(97 + i), String.fromCharCode(98 + i)];
      bomb.push(`${to}: &${to} [${Array(9).fill(`*${from}`).join(", ")}]`);
    }
    expect(parseManifest("bomb.yaml", bomb.join("\n")).findings[0]?.what).toContain("alias");
  });

  test("a manifest of the limit's size is read, one byte more is refused", () => {
    const head = config("  a: b");
    const fit = `${head}#${"x".repeat(maxManifestBytes - head.length - 1)}`;
    expect(parseManifest("fit.yaml", fit).objects).toHaveLength(1);
    expect(parseManifest("fat.yaml", `${fit}x`).findings[0]?.what).toContain("larger than");
  });
});
