/** Real Envoy reads what is rendered: each case as a static bootstrap through `--mode validate`. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import fc from "fast-check";
import { type Rendered, renderFor } from "../../src/mesh/render/index.ts";
import { buildSnapshot, translate } from "../../src/mesh/translate/index.ts";
import { createTestCa } from "../../src/testkit/index.ts";
import { ensureEnvoy, envoyVersion } from "../../src/testkit/peers.ts";
import { manifests } from "./arbitrary.ts";
import { cases, decode, nodeOf, parseObjects, render, translateCase } from "./harness.ts";

const envoy = ensureEnvoy();
const samples = 30;
const dir = mkdtempSync(join(tmpdir(), "weft-envoy-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ca = await createTestCa();
const own = await ca.leaf({ uris: ["spiffe://cluster.local/ns/default/sa/test"] });
/** What a sidecar's agent keeps itself. */
const secrets: JsonObject[] = [
  {
    name: "default",
    tlsCertificate: {
      certificateChain: { inlineString: own.certPem },
      privateKey: { inlineString: own.keyPem },
    },
  },
  { name: "ROOTCA", validationContext: { trustedCa: { inlineString: ca.caPem } } },
];

/** Endpoints, routes and secrets that would come by stream are put in their places, so that Envoy judges them too. */
function bootstrap(rendered: Rendered): JsonObject {
  const all = decode(rendered);
  const of = (type: string): Map<string, JsonObject> =>
    new Map(all.filter((r) => r.typeUrl.endsWith(type)).map((r) => [r.name, r.json as JsonObject]));
  const endpoints = of(".ClusterLoadAssignment");
  const routes = of(".RouteConfiguration");
  const clusters = staticSecrets([...of(".Cluster").values()]).map((c): JsonObject => {
    const assignment = endpoints.get(c["name"] as string);
    if (assignment === undefined) return c;
    const { edsClusterConfig: _, ...rest } = c;
    return { ...rest, type: "STATIC", loadAssignment: assignment };
  });
  const listeners = rewrite(staticSecrets([...of(".Listener").values()]), (value) => {
    const { rds, ...rest } = value;
    if (rds === undefined) return value;
    const table = routes.get((rds as JsonObject)["routeConfigName"] as string);
    // As for a table that comes by stream: a cluster that is missing is a matter of the request.
    return { ...rest, routeConfig: { ...table, validateClusters: false } };
  });
  const xds: JsonObject = {
    name: "xds",
    type: "STATIC",
    connectTimeout: "1s",
    typedExtensionProtocolOptions: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicitHttpConfig: { http2ProtocolOptions: {} },
      },
    },
  };
  return {
    node: { id: "test", cluster: "test" },
    dynamicResources: {
      adsConfig: {
        apiType: "DELTA_GRPC",
        transportApiVersion: "V3",
        grpcServices: [{ envoyGrpc: { clusterName: "xds" } }],
      },
    },
    staticResources: { clusters: [xds, ...clusters], listeners, secrets },
  };
}

function rewrite(values: readonly JsonObject[], change: (value: JsonObject) => JsonObject): JsonObject[] {
  return JSON.parse(JSON.stringify(values), (_, value) =>
    typeof value === "object" && value !== null && !Array.isArray(value) ? change(value) : value,
  ) as JsonObject[];
}

/** Envoy's validation has no stream to take secrets from (it crashes), so they are found by name. */
function staticSecrets(values: readonly JsonObject[]): JsonObject[] {
  return rewrite(values, ({ sdsConfig: _, ...rest }) => rest);
}

describe.skipIf(envoy === undefined)(`Envoy ${envoyVersion}`, () => {
  for (const c of cases())
    test(`takes ${c.name}`, () => {
      const { mesh } = translateCase(c);
      for (const [node, rendered] of render(c, mesh))
        expect({ node, said: judge(rendered) }).toEqual({ node, said: "" });
    }, 30_000);

  test("takes what comes of arbitrary manifests", () => {
    const base = parseObjects(readFileSync(join(import.meta.dir, "bookinfo.yaml"), "utf8"));
    for (const objects of fc.sample(manifests, { numRuns: samples, seed: 5 })) {
      const { mesh } = translate(buildSnapshot([...base, ...objects]));
      const said = judge(renderFor(mesh, nodeOf(mesh, "default/reviews-v1-a1")));
      expect(said === "" ? "" : `${said}${JSON.stringify(objects)}`).toBe("");
    }
  }, 60_000);
});

/** What Envoy complains of; "" when it takes everything. */
function judge(rendered: Rendered): string {
  const file = join(dir, "bootstrap.json");
  writeFileSync(file, JSON.stringify(bootstrap(rendered)));
  const run = Bun.spawnSync([envoy!, "--mode", "validate", "-c", file, "-l", "error"], {
    stdout: "pipe",
    stderr: "pipe",
  });
  return run.exitCode === 0 ? "" : `${run.stdout}${run.stderr}`;
}
