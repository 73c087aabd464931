/** Real gRPC libraries take subsets, weights, deadlines, retries and mutual TLS from Weft's control plane. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { lstatSync, statSync } from "node:fs";
import { join } from "node:path";
import { proxySyncs } from "../../../src/app/control-plane/debug.ts";
import type { Sidecar } from "../../../src/app/sidecar/index.ts";
import { refs } from "../../../src/kube/client/index.ts";
import { freePort } from "../../../src/testkit/dynamic.ts";
import { eventually, type MeshHarness, startMesh } from "../../../src/testkit/mesh-harness.ts";
import {
  type Client,
  go,
  type Library,
  node,
  type Order,
  python,
  startClient,
  startServer,
  type Tally,
} from "./harness.ts";

const libraries = [python(), node(), go()].filter((l) => l !== undefined);
const named = (prefix: string): Library | undefined => libraries.find((l) => l.name.startsWith(prefix));
/** grpc-js's server listens on every address, so only the others can have two instances of a service on one machine. */
const twice = named("grpc-go") ?? named("grpcio");
/** The server of grpcio 1.85.1 under xDS aborts (pipe.h, has_value) when a call is given up. */
const bearsCancels = named("grpc-go") !== undefined;
const target = "xds:///echo:50051";
/** One each: grpc-js's server takes its port on every address of the machine. */
const servedPorts = libraries.map(() => freePort());
const spiffe = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;

/** The server learns the deadline too: grpc-js tells whose word came first. */
const late = /^(deadline.?exceeded|cancelled)/i;

const rules = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: echo }
spec:
  host: echo
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
`;
const narrow = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: narrow }
spec: { host: narrow, trafficPolicy: { connectionPool: { http: { http2MaxRequests: 3 } } } }
`;
const shares = (v1: number): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo }
spec:
  hosts: [echo]
  http:
    - match: [{ headers: { end-user: { exact: jason } } }]
      route: [{ destination: { host: echo, subset: v2 } }]
    - match: [{ uri: { exact: /weft.test.Echo/Other } }]
      route: [{ destination: { host: echo, subset: v1 } }]
    - match: [{ headers: { x-wait: {} } }]
      timeout: 300ms
      route: [{ destination: { host: echo } }]
    - match: [{ headers: { x-fail-once: {} } }]
      retries: { attempts: 3, retryOn: unavailable }
      route: [{ destination: { host: echo, subset: v1 } }]
    - route:
        - { destination: { host: echo, subset: v1 }, weight: ${v1} }
        - { destination: { host: echo, subset: v2 }, weight: ${100 - v1} }
`;
const plain = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: plain }
spec: { selector: { matchLabels: { app: plain } }, mtls: { mode: DISABLE } }
`;

test("at least one library is here", () => expect(libraries.length).toBeGreaterThan(0));

describe.skipIf(twice === undefined)("gRPC without a proxy", () => {
  let mesh: MeshHarness;
  const started: { stop(): Promise<unknown> }[] = [];
  let second: Sidecar;

  const server = async (
    library: Library,
    service: string,
    version: string,
    port: number,
  ): Promise<Sidecar> => {
    const sidecar = await startServer(mesh, library, { service, version, port });
    started.push(sidecar);
    return sidecar;
  };

  beforeAll(async () => {
    mesh = await startMesh({ defaultMtls: "strict" });
    for (const text of [rules, narrow, shares(75), plain]) await mesh.apply(text);
    const both = Promise.all(["v1", "v2"].map((version) => server(twice!, "echo", version, 50_051)));
    const each = libraries.map((l, n) => server(l, `served-${n}`, "v1", servedPorts[n]!));
    [, second] = (await both) as [Sidecar, Sidecar];
    await Promise.all([
      ...each,
      server(twice!, "plain", "v1", 50_052),
      server(twice!, "narrow", "v1", 50_054),
    ]);
  }, 120_000);
  afterAll(async () => {
    await Promise.all(started.map((s) => s.stop()));
    await mesh.stop();
  }, 60_000);

  for (const [n, library] of libraries.entries())
    describe(library.name, () => {
      let client: Client;
      const call = (order: Partial<Order>): Promise<Tally> =>
        client.call({ target, count: 10, secure: true, ...order });

      beforeAll(async () => {
        await mesh.apply(shares(75));
        client = await startClient(mesh, library, `caller-${n}`);
      }, 60_000);
      afterAll(() => client.stop(), 30_000);

      test("weights, over mutual TLS in its own name", async () => {
        const { answers, errors, callers } = await call({ count: 200 });
        expect(errors).toEqual({});
        expect(callers).toEqual([spiffe(`caller-${n}`)]);
        // 150 expected, standard deviation 6.
        expect(answers["v1"]).toBeWithin(115, 186);
        expect(answers["v1"]! + answers["v2"]!).toBe(200);
      }, 30_000);

      test("subsets by header and by method; short and long names", async () => {
        expect((await call({ metadata: { "end-user": "jason" } })).answers).toEqual({ v2: 10 });
        expect((await call({ method: "Other" })).answers).toEqual({ v1: 10 });
        const long = "xds:///echo.default.svc.cluster.local:50051";
        expect((await call({ target: long, metadata: { "end-user": "jason" } })).answers).toEqual({ v2: 10 });
        expect((await call({ target: "xds:///echo.default", method: "Other" })).answers).toEqual({ v1: 10 });
      }, 30_000);

      test.skipIf(!bearsCancels)(
        "a deadline of the route",
        async () => {
          const { errors } = await call({ count: 1, metadata: { "x-wait": "1" } });
          expect(Object.keys(errors)).toEqual([expect.stringMatching(late)]);
        },
        30_000,
      );

      test("tries again where the route says so, and not elsewhere", async () => {
        const once = await call({ count: 1, metadata: { "x-fail-once": `other ${n}` }, method: "Other" });
        expect(Object.keys(once.errors)).toEqual([expect.stringMatching(/as it was told/)]);
        const again = await call({ count: 1, metadata: { "x-fail-once": `client ${n}` } });
        expect([again.answers, again.errors]).toEqual([{ v1: 1 }, {}]);
      }, 30_000);

      test("an edit is followed without a failed call", async () => {
        await mesh.apply(shares(0));
        let failed = {};
        await eventually(async () => {
          const { answers, errors } = await call({ count: 20 });
          failed = { ...failed, ...errors };
          return answers["v2"] === 20;
        });
        expect(failed).toEqual({});
      }, 30_000);

      test.skipIf(!bearsCancels)(
        "http2MaxRequests: three of eight calls are under way, five overflow",
        async () => {
          // One that connects: calls that wait for a connection count for no endpoint yet.
          const first = { target: "xds:///narrow:50054", count: 1 };
          expect((await call(first)).errors).toEqual({});
          const held = { metadata: { "x-wait": "1" }, deadline: 2, together: true };
          const { answers, errors } = await call({ ...first, ...held, count: 8 });
          const waited = Object.entries(errors).filter(([e]) => late.test(e));
          const refused = Object.entries(errors).filter(([e]) => /^unavailable/i.test(e));
          const sum = (found: [string, number][]): number => found.reduce((n, [, times]) => n + times, 0);
          expect([answers, sum(waited), sum(refused)]).toEqual([{}, 3, 5]);
        },
        30_000,
      );

      for (const [m, other] of libraries.entries())
        test(`calls a server of ${other.name} over mutual TLS; without a certificate nothing is heard`, async () => {
          const served = `xds:///served-${m}:${servedPorts[m]}`;
          const { answers, errors, callers } = await call({ target: served });
          expect([answers, errors, callers]).toEqual([{ v1: 10 }, {}, [spiffe(`caller-${n}`)]]);
          const bare = await call({ target: served, count: 1, secure: false, deadline: 3 });
          expect(bare.answers).toEqual({});
        }, 30_000);

      test("DISABLE: without certificates, also where the client would have one", async () => {
        for (const secure of [true, false]) {
          const { answers, errors, callers } = await call({ target: "xds:///plain:50052", secure });
          expect([answers, errors, callers]).toEqual([{ v1: 10 }, {}, [""]]);
        }
      }, 30_000);

      test("a server of another account is not believed", async () => {
        const entry = { namespace: "default", name: second.registration.workload };
        const account = async (serviceAccount: string): Promise<void> => {
          await mesh.dev.client.patch(refs.workloadEntry, entry, { spec: { serviceAccount } });
        };
        const jason = { target, secure: true, metadata: { "end-user": "jason" }, count: 1, deadline: 2 };
        await account("somebody-else");
        // One that connects only now: grpc-go lets connections live that were made under the former names.
        const late = await startClient(mesh, library, `late-caller-${n}`);
        try {
          const { errors } = await eventually(async () => {
            const tally = await late.call(jason);
            return Object.keys(tally.errors).length > 0 && tally;
          });
          expect(Object.keys(errors)[0]).toMatch(/^(unavailable|deadline.?exceeded)/i);
          await account("echo");
          await eventually(async () => (await late.call(jason)).answers["v2"] === 1, 30_000);
        } finally {
          await account("echo");
          await late.stop();
        }
      }, 60_000);
    });

  test("keys and certificates are this user's alone, and proxy-status knows the libraries", async () => {
    const bootstrap = second.proxy.plane.environment!({})["GRPC_XDS_BOOTSTRAP"]!;
    const dir = join(bootstrap, "..");
    const mode = (path: string): number => statSync(join(dir, path)).mode & 0o777;
    expect(
      [
        "grpc-bootstrap.json",
        "xds.sock",
        "certificates/current/key.pem",
        "certificates/current/cert-chain.pem",
      ].map(mode),
    ).toEqual([0o600, 0o600, 0o600, 0o600]);
    expect(mode("certificates")).toBe(0o700);
    expect(lstatSync(join(dir, "certificates/current")).isSymbolicLink()).toBe(true);
    const shown = new Set(proxySyncs(mesh.dev.plane.xds).map((s) => s.version));
    const agents = { grpcio: "gRPC C-core", "grpc-js": "gRPC Node", "grpc-go": "gRPC Go" };
    for (const [library, agent] of Object.entries(agents))
      expect([...shown].some((v) => v.startsWith(agent))).toBe(named(library) !== undefined);
    for (const { types } of mesh.dev.plane.xds.status()) expect(types.filter((t) => t.nack)).toEqual([]);
  });

  test("proxy-config shows what an application without a proxy was started with", async () => {
    const main = join(import.meta.dir, "../../../src/main.ts");
    const env = { ...process.env, WEFT_KUBECONFIG: mesh.dev.kubeconfigPath, NO_COLOR: "1" };
    const show = async (...args: string[]): Promise<string> => {
      const argv = [process.execPath, main, "proxy-config", ...args, second.registration.workload];
      return Bun.spawn(argv, { env, stdin: "ignore", stdout: "pipe", stderr: "ignore" }).stdout.text();
    };
    const [secrets, bootstrap] = await Promise.all([show("secrets"), show("bootstrap", "-o", "short")]);
    expect(secrets).toMatch(
      /^default +Cert Chain +ACTIVE +true .*spiffe:..cluster\.local.ns.default.sa.echo$/m,
    );
    expect(bootstrap).toContain(second.registration.address);
  }, 30_000);

  test("an instance that goes is left before it stops answering: no call fails", async () => {
    const client = await startClient(mesh, twice!, "last-caller");
    started.push(client);
    const [, going] = await Promise.all(
      ["v1", "v2"].map((version) => server(twice!, "going", version, 50_053)),
    );
    const call = (): Promise<Tally> => client.call({ target: "xds:///going:50053", count: 20, secure: true });
    await eventually(async () => Object.keys((await call()).answers).length === 2);
    let over = false;
    void going!.stop().then(() => {
      over = true;
    });
    const tallies: Tally[] = [];
    while (!over) tallies.push(await call());
    tallies.push(await call());
    expect(tallies.flatMap((t) => Object.entries(t.errors))).toEqual([]);
    expect(tallies.at(-1)!.answers).toEqual({ v1: 20 });
  }, 60_000);
});
