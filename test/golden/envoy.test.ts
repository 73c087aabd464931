/** Real Envoy reads what is rendered, for Weft's proxy and for itself. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { renderFor } from "../../src/mesh/render/index.ts";
import { buildSnapshot, translate } from "../../src/mesh/translate/index.ts";
import { ensureEnvoy, envoyVersion } from "../../src/testkit/peers.ts";
import { manifests } from "./arbitrary.ts";
import { cases, envoyMark, nodeOf, parseObjects, render, translateCase } from "./harness.ts";
import { judge } from "./judge.ts";

const envoy = ensureEnvoy();
const samples = 30;

describe.skipIf(envoy === undefined)(`Envoy ${envoyVersion}`, () => {
  for (const c of cases())
    test(`takes ${c.name}`, () => {
      const { mesh } = translateCase(c);
      for (const [node, rendered] of render(c, mesh)) {
        expect({ node, said: judge(envoy!, rendered) }).toEqual({ node, said: "" });
        if (node.startsWith(envoyMark)) continue;
        const asEnvoy = renderFor(mesh, { ...nodeOf(mesh, node), kind: "envoy" });
        expect({ node, said: judge(envoy!, asEnvoy) }).toEqual({ node, said: "" });
      }
    }, 60_000);

  test("takes what comes of arbitrary manifests", () => {
    const base = parseObjects(readFileSync(join(import.meta.dir, "bookinfo.yaml"), "utf8"));
    for (const objects of fc.sample(manifests, { numRuns: samples, seed: 5 })) {
      const { mesh } = translate(buildSnapshot([...base, ...objects]));
      const node = nodeOf(mesh, "default/reviews-v1-a1");
      const said = judge(envoy!, renderFor(mesh, { ...node, kind: "envoy" }));
      expect(said === "" ? "" : `${said}${JSON.stringify(objects)}`).toBe("");
    }
  }, 60_000);
});
