import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { createLogger, seededRng, systemClock } from "../../base/index.ts";
import { type ApiServer, startApiServer } from "../../kube/apiserver/index.ts";
import {
  createKubeClient,
  type KindRef,
  type KubeClient,
  type KubeObject,
  loadKubeconfig,
  refs,
} from "../../kube/client/index.ts";
import { RouteConfigurationSchema } from "../../proto/gen/envoy/config/route/v3/route_pb.js";
import { createGrpcChannel, createGrpcServer, type GrpcServer } from "../../wire/grpc/index.ts";
import { type ConfigUpdate, createXdsClient, type XdsClient } from "../../xds/client/index.ts";
import { typeUrl } from "../../xds/protocol/index.ts";
import { createXdsServer, type XdsServer } from "../../xds/server/index.ts";
import { type ControlPlane, createControlPlane } from "./index.ts";

/** A real mesh starts and stops here: on a starved machine that takes longer than the default of 5 s. */
setDefaultTimeout(60_000);

const log = createLogger({ sink: () => {} });
const rng = seededRng(1);
const clock = systemClock;
const dataDir = mkdtempSync(join(tmpdir(), "weft-live-"));
let api: ApiServer;
let client: KubeClient;
let plane: ControlPlane;
let grpc: GrpcServer;
let proxy: XdsClient;
let xds: XdsServer;
let refuse = false;
const seen = new Set<(update: ConfigUpdate) => void>();

/** Resolves with the update that meets it. */
const update = (meets: (u: ConfigUpdate) => boolean): Promise<ConfigUpdate> =>
  new Promise((resolve) => {
    const look = (u: ConfigUpdate): void => {
      if (!meets(u)) return;
      seen.delete(look);
      resolve(u);
    };
    seen.add(look);
  });

beforeAll(async () => {
  api = await startApiServer({
    dataDir,
    port: 0,
    clock,
    log,
    storeWorker: () => new Worker(new URL("../../store-worker.ts", import.meta.url)),
  });
  client = createKubeClient(loadKubeconfig({ path: api.kubeconfigPath }), { clock });
  const service = { selector: { app: "reviews" }, ports: [{ name: "http", port: 9080 }] };
  await client.create(refs.service, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "reviews", namespace: "default" },
    spec: service,
  });
  plane = createControlPlane({ client, clock, rng, log });
  await plane.start();
  const principal = { namespace: "default", serviceAccount: "productpage" };
  xds = createXdsServer({ source: plane.source, authenticate: async () => principal, clock, log });
  grpc = await createGrpcServer({ host: "127.0.0.1", port: 0, methods: xds.methods, clock, log });
  const first = update((u) => u.typeUrl === typeUrl.route);
  proxy = createXdsClient({
    channel: createGrpcChannel({ target: `127.0.0.1:${grpc.port}`, clock }),
    node: { id: "sidecar~127.66.0.9~productpage.default~x", cluster: "productpage", metadata: {} },
    sink: {
      async apply(u) {
        queueMicrotask(() => {
          for (const look of [...seen]) look(u);
        });
        const errors =
          refuse && u.typeUrl === typeUrl.route
            ? u.added.map(({ name }) => ({ name, message: "virtual_hosts[0].routes[0].match: no" }))
            : [];
        return { errors };
      },
    },
    clock,
    rng,
    log,
  });
  await proxy.start();
  await first;
});
afterAll(async () => {
  await proxy.stop();
  plane.stop();
  await grpc.stop();
  await api.stop();
  rmSync(dataDir, { recursive: true });
});

const route = (timeout: string): KubeObject => ({
  apiVersion: "networking.istio.io/v1",
  kind: "VirtualService",
  metadata: { name: "reviews", namespace: "default" },
  spec: { hosts: ["reviews"], http: [{ timeout, route: [{ destination: { host: "reviews" } }] }] },
});

/** The message of an object's condition once that is False. */
function conditionFalse(ref: KindRef, name: string, type: string): Promise<string> {
  return new Promise((resolve) => {
    const abort = new AbortController();
    void client.watch<KubeObject>(ref, {
      namespace: "default",
      resourceVersion: "0",
      signal: abort.signal,
      onEvent: ({ object }) => {
        if (object.metadata.name !== name) return;
        const status = object.status as { conditions?: Record<string, string>[] } | undefined;
        const found = status?.conditions?.find((c) => c["type"] === type && c["status"] === "False");
        if (found === undefined) return;
        abort.abort();
        resolve(found["message"] ?? "");
      },
    });
  });
}

const timeoutIn = (u: ConfigUpdate): number[] =>
  u.added.flatMap((r) =>
    fromBinary(RouteConfigurationSchema, r.any.value).virtualHosts.flatMap((v) =>
      v.routes.map((x) => (x.action.case === "route" ? Number(x.action.value.timeout?.seconds ?? 0) : 0)),
    ),
  );

describe("from a write to the proxy", () => {
  test("thirty versions of a VirtualService are each seen within 1 s of the write", async () => {
    const took: number[] = [];
    for (let i = 1; i <= 30; i++) {
      const arrives = update((u) => u.typeUrl === typeUrl.route && timeoutIn(u).includes(100 + i));
      await client.apply(refs.virtualService, route(`${100 + i}s`));
      const written = clock.now();
      await arrives;
      took.push(clock.now() - written);
    }
    expect(Math.max(...took)).toBeLessThan(1000);
  }, 40_000);

  test("a refusal stands in the object's status within 1 s", async () => {
    refuse = true;
    const began = clock.now();
    const events = new Promise<KubeObject>((resolve) => {
      const abort = new AbortController();
      void client.watch<KubeObject>(refs.virtualService, {
        namespace: "default",
        resourceVersion: "0",
        signal: abort.signal,
        onEvent: ({ object }) => {
          const status = object.status as { conditions?: { type: string; status: string }[] } | undefined;
          if (status?.conditions?.some((c) => c.type === "Programmed" && c.status === "False") !== true)
            return;
          abort.abort();
          resolve(object);
        },
      });
    });
    await client.apply(refs.virtualService, route("7s"));
    const status = (await events).status as { conditions: { type: string; message: string }[] };
    expect(clock.now() - began).toBeLessThan(1000);
    expect(status.conditions.find((c) => c.type === "Programmed")?.message).toContain("spec.http[0]");
    // What `weft proxy-status` shows, and nothing is sent again until the object changes.
    const routes = () => xds.status()[0]?.types.find((t) => t.typeUrl === typeUrl.route);
    expect(routes()?.state).toBe("STALE");
    expect(routes()?.nack?.message).toContain("virtual_hosts[0].routes[0].match: no");
    const { nacks } = proxy.status();
    const more = update((u) => u.typeUrl === typeUrl.cluster);
    const service = { ports: [{ name: "http", port: 80 }] };
    await client.create(refs.service, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "another", namespace: "default" },
      spec: service,
    });
    await more;
    // The new service is in the same route table: that is the one time it may be refused again.
    expect(proxy.status().nacks - nacks).toBeLessThanOrEqual(1);
    expect(proxy.status().versions.get(typeUrl.cluster)?.size).toBeGreaterThan(0);
    refuse = false;
  });

  test("an object that cannot work says so in its status, for all four kinds, and the rest acts on", async () => {
    const broken = (kind: string, apiVersion: string, name: string, spec: unknown): KubeObject => ({
      apiVersion,
      kind,
      metadata: { name, namespace: "default" },
      spec,
    });
    const strict = { mtls: { mode: "STRICT" } };
    const to = { hosts: ["other"], http: [{ route: [{ destination: { host: "nowhere" } }] }] };
    const cases: readonly [KindRef, KubeObject, string, string][] = [
      [
        refs.virtualService,
        broken("VirtualService", "networking.istio.io/v1", "b", to),
        "ResolvedRefs",
        "nowhere",
      ],
      [
        refs.destinationRule,
        broken("DestinationRule", "networking.istio.io/v1", "b", { host: "nowhere" }),
        "ResolvedRefs",
        "nowhere",
      ],
      [
        refs.peerAuthentication,
        broken("PeerAuthentication", "security.istio.io/v1", "b", strict),
        "Accepted",
        "older",
      ],
      [
        refs.serviceProfile,
        broken("ServiceProfile", "linkerd.io/v1alpha2", "nowhere.default.svc.cluster.local", { routes: [] }),
        "ResolvedRefs",
        "nowhere",
      ],
    ];
    await client.create(
      refs.peerAuthentication,
      broken("PeerAuthentication", "security.istio.io/v1", "a", strict),
    );
    for (const [ref, object, type, words] of cases) {
      const said = conditionFalse(ref, object.metadata.name, type);
      await client.create(ref, object);
      expect(await said).toContain(words);
    }
    expect(plane.mesh?.routes.map((r) => r.origin.object)).toContain("VirtualService/default/reviews");
  }, 20_000);
});
