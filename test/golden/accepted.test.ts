/** Whatever manifests say, the resources that come of them are ones that Weft's proxy takes: no user can block the rest. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { renderFor } from "../../src/mesh/render/index.ts";
import { buildSnapshot, type KubeObject, translate } from "../../src/mesh/translate/index.ts";
import { compileMessage } from "../../src/proxy/compile/index.ts";
import { manifests, object } from "./arbitrary.ts";
import { decode, nodeOf, parseObjects } from "./harness.ts";

const base = parseObjects(readFileSync(join(import.meta.dir, "bookinfo.yaml"), "utf8"));

function refusals(objects: readonly KubeObject[]): readonly string[] {
  const { mesh } = translate(buildSnapshot([...base, ...objects]), { defaultMtls: "strict" });
  return decode(renderFor(mesh, nodeOf(mesh, "default/reviews-v1-a1")))
    .flatMap((r) => compileMessage(r.message).errors)
    .map((e) => `${e.path}: ${e.message}`);
}

test("no manifest makes a resource that the proxy refuses", () => {
  let took = 0;
  fc.assert(
    fc.property(manifests, (objects) => {
      const { mesh: made } = translate(buildSnapshot([...base, ...objects]));
      took += made.routes.length + made.policies.length + made.profiles.length;
      expect(refusals(objects)).toEqual([]);
    }),
    { numRuns: 1500, seed: 3 },
  );
  // The property would say nothing if all of them were left out.
  expect(took).toBeGreaterThan(500);
}, 60_000);

test("the default JSON access log is one that the proxy takes", () => {
  const mesh = "accessLogFile: /dev/stdout\naccessLogEncoding: JSON\n";
  expect(refusals([object("v1", "ConfigMap", "istio", { data: { mesh } })])).toEqual([]);
});
