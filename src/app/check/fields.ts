/**
 * Whether the API server keeps the fields that Weft gives meaning to. Another mesh's definitions of the same kinds may
 * refuse a field or drop it without a word; a dry run of an object that uses them tells.
 */
import type { Rng } from "../../base/index.ts";
import {
  isKubeError,
  type KindRef,
  type KubeClient,
  type KubeObject,
  refs,
} from "../../kube/client/index.ts";
import { limits } from "./limits.ts";
import { bad, type Look, ok, skipped, textOf } from "./types.ts";

const destination = { host: "weft-check", subset: "v1", port: { number: 80 } };

/** What manifests of each kind use, as far as Weft acts on it. */
const samples: readonly { readonly ref: KindRef; readonly spec: Readonly<Record<string, unknown>> }[] = [
  {
    ref: refs.virtualService,
    spec: {
      hosts: ["weft-check"],
      http: [
        {
          name: "a",
          match: [
            { uri: { prefix: "/a" }, method: { exact: "GET" }, headers: { "end-user": { exact: "x" } } },
          ],
          rewrite: { uri: "/b" },
          headers: { request: { set: { a: "b" } } },
          route: [{ destination, weight: 100 }],
          timeout: "1s",
          retries: { attempts: 2, perTryTimeout: "300ms", retryOn: "5xx" },
        },
        { match: [{ uri: { regex: "/c.*" } }], redirect: { uri: "/d" } },
        { directResponse: { status: 503 } },
      ],
    },
  },
  {
    ref: refs.destinationRule,
    spec: {
      host: "weft-check",
      trafficPolicy: {
        connectionPool: {
          tcp: { maxConnections: 1, connectTimeout: "1s" },
          http: {
            h2UpgradePolicy: "UPGRADE",
            http1MaxPendingRequests: 1,
            http2MaxRequests: 1,
            maxRetries: 1,
          },
        },
        outlierDetection: {
          ...{ consecutive5xxErrors: 5, interval: "30s", baseEjectionTime: "30s", maxEjectionPercent: 50 },
        },
        loadBalancer: { simple: "ROUND_ROBIN" },
        tls: { mode: "ISTIO_MUTUAL" },
      },
      subsets: [{ name: "v1", labels: { version: "v1" } }],
    },
  },
  {
    ref: refs.peerAuthentication,
    spec: {
      selector: { matchLabels: { app: "weft-check" } },
      mtls: { mode: "STRICT" },
      portLevelMtls: { "80": { mode: "DISABLE" } },
    },
  },
  {
    ref: refs.serviceProfile,
    spec: {
      routes: [
        {
          name: "a",
          condition: { method: "GET", pathRegex: "/a" },
          ...{ isRetryable: true, timeout: "300ms", requestTimeout: "1s" },
          responseClasses: [{ condition: { status: { min: 500, max: 599 } }, isFailure: true }],
        },
      ],
      retryBudget: { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: "10s" },
    },
  },
  {
    ref: refs.workloadEntry,
    spec: {
      address: "127.66.0.1",
      ports: { http: 80 },
      labels: { app: "weft-check" },
      serviceAccount: "default",
    },
  },
];

/** Paths of `wanted` that are not in `got`; a list is compared item by item. */
export function lost(wanted: unknown, got: unknown, path = "spec"): string[] {
  if (got === undefined || got === null) return [path];
  if (Array.isArray(wanted))
    return wanted.flatMap((item, i) => lost(item, (got as readonly unknown[])[i], `${path}[${i}]`));
  if (typeof wanted !== "object" || wanted === null) return [];
  return Object.entries(wanted).flatMap(([key, value]) =>
    lost(value, (got as Readonly<Record<string, unknown>>)[key], `${path}.${key}`),
  );
}

type Client = Pick<KubeClient, "create">;

/** One kind: nothing, or what would become of its fields. */
async function tried(
  client: Client,
  sample: (typeof samples)[number],
  name: string,
): Promise<string | undefined> {
  const { ref, spec } = sample;
  const object: KubeObject = {
    apiVersion: `${ref.group}/${ref.version}`,
    kind: ref.kind,
    // A ServiceProfile's name is the host that it is for.
    metadata: {
      name: ref === refs.serviceProfile ? `${name}.default.svc.cluster.local` : name,
      namespace: "default",
    },
    spec,
  };
  try {
    const got = await client.create(ref, object, { dryRun: true, fieldValidation: "Ignore" });
    const gone = lost(spec, got["spec"]);
    return gone.length === 0 ? undefined : `${ref.kind} loses ${gone.slice(0, limits.names).join(", ")}`;
  } catch (error) {
    // A kind that is not there is another look's matter; one that may not be written here is nobody's.
    if (isKubeError(error, 404) || isKubeError(error, 403)) return undefined;
    return `${ref.kind} is refused: ${textOf(error)}`;
  }
}

export async function checkFields(client: Client, rng: Rng): Promise<Look> {
  const check = "their fields are kept";
  const name = `weft-check-${rng.int(1_000_000_000).toString(36)}`;
  try {
    const found = await Promise.all(samples.map((sample) => tried(client, sample, name)));
    const worse = found.filter((f) => f !== undefined);
    if (worse.length === 0) return ok(check);
    return bad(
      "warning",
      check,
      worse.join("; "),
      "another mesh's definitions are installed; manifests with these fields do not arrive whole",
    );
  } catch (error) {
    return skipped(check, textOf(error));
  }
}
