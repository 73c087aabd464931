/** Each case's model, statuses and xDS; that order does not matter; that Weft's proxy takes what is rendered. */
import { describe, expect, test } from "bun:test";
import { seededRng } from "../../src/base/index.ts";
import { checkMesh } from "../../src/mesh/model/index.ts";
import { compileMessage } from "../../src/proxy/compile/index.ts";
import { cases, decode, envoyMark, golden, render, translateCase, xdsJson } from "./harness.ts";

const shuffles = 5;

for (const c of cases())
  describe(c.name, () => {
    const { mesh, statuses } = translateCase(c);

    test("the model is sound and as expected", () => {
      checkMesh(mesh);
      const { got, want } = golden(c, "model", mesh);
      expect(got).toBe(want);
    });

    test("the statuses say what acts, what differs and what is wrong", () => {
      const { got, want } = golden(c, "status", statuses);
      expect(got).toBe(want);
    });

    test("the rendered resources are as expected", () => {
      const { got, want } = golden(c, "xds", xdsJson(render(c, mesh)));
      expect(got).toBe(want);
    });

    test("the order of the objects changes nothing", () => {
      const rng = seededRng(7);
      const want = JSON.stringify({ mesh, statuses });
      for (let i = 0; i < shuffles; i++) {
        const mixed = c.objects
          .map((object) => ({ object, at: rng.float() }))
          .sort((a, b) => a.at - b.at)
          .map(({ object }) => object);
        expect(JSON.stringify(translateCase(c, mixed))).toBe(want);
      }
    });

    test("Weft's proxy compiles every resource", () => {
      const errors = [...render(c, mesh)]
        .filter(([node]) => !node.startsWith(envoyMark))
        .flatMap(([, rendered]) => decode(rendered))
        .flatMap((r) => compileMessage(r.message).errors);
      expect(errors).toEqual([]);
    });
  });

test("there are cases", () => {
  expect(cases().length).toBeGreaterThan(10);
});
