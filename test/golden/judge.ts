/** Real Envoy's verdict on rendered resources: as a static bootstrap through `--mode validate`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import { envoyContract, type Rendered } from "../../src/mesh/render/index.ts";
import { createTestCa } from "../../src/testkit/index.ts";
import { decode } from "./harness.ts";

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
    bootstrapExtensions: [
      {
        name: "envoy.bootstrap.internal_listener",
        typedConfig: {
          "@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener",
        },
      },
    ],
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

/**
 * Envoy's validation has no stream to take secrets from (it crashes), so they are found by name; and files that
 * manifests name are on the user's machine, so contents stand in for them.
 */
function staticSecrets(values: readonly JsonObject[]): JsonObject[] {
  return rewrite(values, ({ sdsConfig: _, ...rest }) => {
    const { filename } = rest;
    if (typeof filename !== "string" || !/[.](pem|crt)$/.test(filename)) return rest;
    const inlineString = /key/.test(filename)
      ? own.keyPem
      : /cert[.]pem/.test(filename)
        ? own.certPem
        : ca.caPem;
    return { inlineString };
  });
}

/** What Envoy complains of; "" when it takes everything. */
export function judge(envoy: string, rendered: Rendered): string {
  const dir = mkdtempSync(join(tmpdir(), "weft-envoy-"));
  try {
    return verdict(envoy, join(dir, "bootstrap.json"), rendered);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function verdict(envoy: string, file: string, rendered: Rendered): string {
  writeFileSync(file, JSON.stringify(bootstrap(rendered)));
  const run = Bun.spawnSync([envoy, "--mode", "validate", "-c", file, "-l", "error"], {
    stdout: "pipe",
    stderr: "pipe",
    // What an agent puts into the environment of the Envoy that it starts.
    env: { ...process.env, [envoyContract.usersVariable]: "weft:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=" },
  });
  return run.exitCode === 0 ? "" : `${run.stdout}${run.stderr}`;
}
