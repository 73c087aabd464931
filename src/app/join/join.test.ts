import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, systemClock } from "../../base/index.ts";
import { type ApiServer, startApiServer } from "../../kube/apiserver/index.ts";
import {
  createKubeClient,
  isKubeError,
  type KubeClient,
  type KubeObject,
  loadKubeconfig,
  refs,
} from "../../kube/client/index.ts";
import { fakeClock } from "../../testkit/fake-clock.ts";
import { eventually } from "../../testkit/mesh-harness.ts";
import { createTicket, decodeTicket, encodeTicket, joinedConfig, rootDigest, type Ticket } from "./index.ts";
import { lifeOf } from "./keeper.ts";

const log = createLogger({ sink: () => {} });
const dir = mkdtempSync(join(tmpdir(), "weft-join-"));
let server: ApiServer;
let admin: KubeClient;

beforeAll(async () => {
  server = await startApiServer({
    dataDir: join(dir, "data"),
    port: 0,
    clock: systemClock,
    log,
    storeWorker: () => new Worker(new URL("../../store-worker.ts", import.meta.url)),
  });
  admin = createKubeClient(loadKubeconfig({ path: server.kubeconfigPath }), { clock: systemClock });
});
afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

const request = {
  namespace: "default",
  service: "reviews",
  serviceAccount: "reviews",
  port: 9080,
  seconds: 600,
};

test("a ticket survives its text; what is none is told apart", () => {
  const ticket: Ticket = {
    ...{ server: "https://[::1]:6443", caPem: "pem", namespace: "default", service: "reviews" },
    ...{ serviceAccount: "reviews", token: "a.b.c" },
  };
  const text = encodeTicket(ticket);
  expect(text).toMatch(/^weft-join-1\.[\w-]+$/);
  expect(decodeTicket(`  ${text}\n`)).toEqual(ticket);
  const wrong: readonly (readonly [string, string])[] = [
    ["", "does not begin"],
    ["eyJhbGciOi", "does not begin"],
    [text.slice(0, -9), "cut off"],
    [encodeTicket({ ...ticket, token: "" }), "no token"],
    [encodeTicket({ ...ticket, server: "http://plain" }), "no address"],
    [encodeTicket({ ...ticket, server: "https://a b" }), "no address"],
    [`weft-join-1.${"x".repeat(70_000)}`, "too long"],
  ];
  for (const [given, why] of wrong) {
    try {
      decodeTicket(given);
      expect.unreachable();
    } catch (error) {
      expect((error as { why?: string }).why).toContain(why);
      expect((error as { exit?: number }).exit).toBe(64);
    }
  }
});

test("a ticket creates account and Service, and its token does what a sidecar needs, no more", async () => {
  const { ticket, expiresAtMs } = await createTicket(admin, request);
  // Again is no error: the next machine of the same service.
  await createTicket(admin, request);
  expect(expiresAtMs - systemClock.wall()).toBeWithin(500_000, 601_000);
  expect(rootDigest(ticket.caPem)).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(
    (
      await admin.get<KubeObject & { spec: { ports: { port: number }[] } }>(
        refs.service,
        "reviews",
        "default",
      )
    ).spec.ports[0]?.port,
  ).toBe(9080);
  const { client } = joinedConfig({ ticket, file: join(dir, "a.json"), clock: systemClock, log });
  const entry = (namespace: string): KubeObject => ({
    apiVersion: "networking.istio.io/v1",
    kind: "WorkloadEntry",
    metadata: { name: "reviews-x", namespace },
    spec: { address: "127.66.0.9", ports: { http: 9080 } },
  });
  await client.create(refs.workloadEntry, entry("default"));
  await client.tokenRequest("default", "reviews", { audience: "weft-ca", seconds: 600 });
  const refused = async (work: Promise<unknown>): Promise<boolean> =>
    isKubeError(await work.catch((e: unknown) => e), 403);
  expect(await refused(client.create(refs.workloadEntry, entry("kube-system")))).toBe(true);
  expect(await refused(client.get(refs.secret, "weft-ca", "weft-system"))).toBe(true);
  expect(await refused(client.tokenRequest("default", "other", { audience: "weft-ca", seconds: 600 }))).toBe(
    true,
  );
});

test("the token is renewed at half its life and kept for the next start; a new ticket starts anew", async () => {
  const { ticket } = await createTicket(admin, request);
  const file = join(dir, "kept", "join.json");
  const life = lifeOf(ticket.token)!;
  expect(life.to - life.from).toBe(600_000);
  const clock = fakeClock({ wall: life.from });
  const joined = joinedConfig({ ticket, file, clock, log });
  joined.keeper.start();
  clock.advance(299_000);
  expect(joined.client.config.token?.()).toBe(ticket.token);
  clock.advance(1_000);
  await eventually(async () => joined.client.config.token?.() !== ticket.token);
  joined.keeper.stop();
  const renewed = joined.client.config.token!();
  await eventually(async () => existsSync(file));
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, "utf8")).not.toContain(ticket.token);
  const claims = lifeOf(renewed)!;
  expect(claims.to - claims.from).toBe(24 * 3_600_000);
  expect(joinedConfig({ ticket, file, clock, log }).client.config.token?.()).toBe(renewed);
  const other = (await createTicket(admin, request)).ticket;
  expect(joinedConfig({ ticket: other, file, clock, log }).client.config.token?.()).toBe(other.token);
  expect(lifeOf("no.jwt")).toBeUndefined();
});
