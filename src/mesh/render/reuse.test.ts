/** A renderer that keeps what did not change gives what a fresh one gives, whatever changed. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { keepSame } from "../control/keep.ts";
import type { Mesh } from "../model/index.ts";
import { buildSnapshot, type KubeObject, refreshEndpoints, translate } from "../translate/index.ts";
import { createRenderer, type ProxyNode, type Rendered, renderFor, typeUrls } from "./index.ts";

interface World {
  /** Service -> its instances, each with what can change of it. */
  readonly services: Record<
    string,
    readonly { n: number; ready: boolean; version: string; sidecar: boolean }[]
  >;
  /** Addresses of a service of EndpointSlices: whether each is ready. */
  readonly slice: readonly boolean[];
  readonly ports: readonly number[];
  readonly strict: boolean;
  readonly timeout: number;
  readonly breaker: number;
  /** Requests a second to service a; 0: no such object. */
  readonly limit: number;
  /** The namespace's proxies know service a only. */
  readonly scoped: boolean;
}

const object = (
  apiVersion: string,
  kind: string,
  name: string,
  spec: object,
  more: object = {},
): KubeObject =>
  ({ apiVersion, kind, metadata: { name, namespace: "default", ...more }, spec }) as KubeObject;

function objectsOf(world: World): readonly KubeObject[] {
  const names = Object.keys(world.services);
  const ports = world.ports.map((port) => ({ name: `http-${port}`, port }));
  return [
    ...names.map((name) => object("v1", "Service", name, { selector: { app: name }, ports })),
    ...names.flatMap((name, s) =>
      world.services[name]!.map(({ n, ready, version, sidecar }) =>
        object(
          "networking.istio.io/v1",
          "WorkloadEntry",
          `${name}-${n}`,
          { address: `127.66.${s}.${n + 1}`, labels: { app: name, version }, serviceAccount: name },
          {
            labels: sidecar ? { "security.istio.io/tlsMode": "istio" } : {},
            annotations: { "weft.dev/ready": `${ready}` },
          },
        ),
      ),
    ),
    object("v1", "Service", "sliced", { ports: [{ name: "http", port: 80 }] }),
    {
      ...object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "sliced",
        {},
        {
          labels: { "kubernetes.io/service-name": "sliced" },
        },
      ),
      addressType: "IPv4",
      ports: [{ name: "http", port: 8080 }],
      endpoints: world.slice.map((ready, i) => ({ addresses: [`10.0.0.${i + 1}`], conditions: { ready } })),
    } as KubeObject,
    ...(world.limit === 0
      ? []
      : [
          object("weft.dev/v1alpha1", "RateLimit", "l", {
            host: "a",
            limits: [{ requests: world.limit, per: "1s" }],
          }),
        ]),
    ...(world.scoped
      ? [
          object("networking.istio.io/v1", "Sidecar", "s", {
            egress: [{ hosts: ["./a.default.svc.cluster.local"] }],
          }),
        ]
      : []),
    object("security.istio.io/v1", "PeerAuthentication", "p", {
      mtls: { mode: world.strict ? "STRICT" : "PERMISSIVE" },
    }),
    object("networking.istio.io/v1", "VirtualService", "r", {
      hosts: ["a"],
      http: [{ timeout: `${world.timeout}s`, route: [{ destination: { host: "a", subset: "one" } }] }],
    }),
    object("networking.istio.io/v1", "DestinationRule", "d", {
      host: "a",
      trafficPolicy: { connectionPool: { tcp: { maxConnections: world.breaker } } },
      subsets: [{ name: "one", labels: { version: "v1" } }],
    }),
  ];
}

const base = { id: "n", namespace: "default", serviceAccount: "a", labels: {}, features: [] };
const nodes: readonly ProxyNode[] = [
  { ...base, kind: "weft", workload: "a-0", address: "127.66.0.1" },
  { ...base, kind: "envoy", workload: "b-0", address: "127.66.1.1" },
  { ...base, kind: "weft", workload: "a-0", address: "127.66.0.1", captured: { dual: false } },
  { ...base, kind: "weft", namespace: "other", workload: "x", address: "127.66.9.9" },
];

const versions = (rendered: Rendered): unknown =>
  Object.fromEntries(
    [...rendered].map(([type, all]) => [type, Object.fromEntries([...all].map(([n, r]) => [n, r.version]))]),
  );

const instance = fc.record({
  n: fc.integer({ min: 0, max: 2 }),
  ready: fc.boolean(),
  version: fc.constantFrom("v1", "v2"),
  sidecar: fc.boolean(),
});
const instances = fc.uniqueArray(instance, { selector: (i) => i.n, maxLength: 3 });
const world: fc.Arbitrary<World> = fc.record({
  services: fc.dictionary(fc.constantFrom("a", "b", "c"), instances, { maxKeys: 3 }),
  slice: fc.array(fc.boolean(), { maxLength: 2 }),
  ports: fc.constantFrom([80], [80], [80, 9080]),
  strict: fc.boolean(),
  timeout: fc.constantFrom(1, 2),
  breaker: fc.constantFrom(7, 8),
  limit: fc.constantFrom(0, 0, 5, 6),
  scoped: fc.constantFrom(false, false, true),
});

test("any row of changes, by the long way and the short one", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(world, fc.constantFrom("all", "part", "part")), { maxLength: 8 }),
      (steps) => {
        const renderer = createRenderer();
        let mesh: Mesh | undefined;
        let last: World | undefined;
        for (const [next, how] of steps) {
          // Only endpoints change: what the short way is for.
          const state =
            how === "part" && last !== undefined
              ? { ...last, services: next.services, slice: next.slice }
              : next;
          last = state;
          const snapshot = buildSnapshot(objectsOf(state));
          const short = how === "part" && mesh !== undefined;
          mesh = keepSame(mesh, short ? refreshEndpoints(mesh!, snapshot) : translate(snapshot).mesh);
          for (const node of nodes)
            expect(versions(renderer.render(mesh, node))).toEqual(versions(renderFor(mesh, node)));
        }
      },
    ),
    { numRuns: 40 },
  );
}, 20_000);

test("nothing that equals what was is made anew", () => {
  const world: World = {
    services: {
      a: [{ n: 0, ready: true, version: "v1", sidecar: true }],
      b: [{ n: 0, ready: true, version: "v1", sidecar: true }],
    },
    ...{ slice: [], ports: [80], strict: false, timeout: 1, breaker: 7, limit: 0, scoped: false },
  };
  const of = (state: World): Mesh => translate(buildSnapshot(objectsOf(state))).mesh;
  const first = of(world);
  expect(keepSame(first, of(world))).toBe(first);
  const renderer = createRenderer();
  const before = nodes.map((n) => renderer.render(first, n));
  const b = [{ n: 0, ready: false, version: "v1", sidecar: true }];
  const second = keepSame(first, of({ ...world, services: { ...world.services, b } }));
  expect([second.routes, second.policies, second.services[0]]).toEqual([
    first.routes,
    first.policies,
    first.services[0]!,
  ]);
  expect(second.services[0]).toBe(first.services[0]!);
  const after = nodes.map((n) => renderer.render(second, n));
  const maps = (i: number, type: string): boolean => before[i]!.get(type) === after[i]!.get(type);
  // An endpoint of b left: its assignment is another, everything else of a's proxy is the same map.
  expect(
    [typeUrls.cluster, typeUrls.endpoints, typeUrls.listener, typeUrls.route].map((t) => maps(0, t)),
  ).toEqual([true, false, true, true]);
});
