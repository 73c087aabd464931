import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, seededRng, systemClock } from "../../base/index.ts";
import { type ApiServer, startApiServer } from "../apiserver/index.ts";
import {
  createInformer,
  createKubeClient,
  type InformerChange,
  isKubeError,
  type KubeClient,
  type KubeObject,
  keepLease,
  loadKubeconfig,
  refs,
} from "./index.ts";

const log = createLogger({ sink: () => {} });
const dataDir = mkdtempSync(join(tmpdir(), "weft-client-"));
let server: ApiServer;
let client: KubeClient;
const warnings: string[] = [];

beforeAll(async () => {
  server = await startApiServer({
    dataDir,
    port: 0,
    clock: systemClock,
    log,
    storeWorker: () => new Worker(new URL("../../store-worker.ts", import.meta.url)),
  });
  client = createKubeClient(loadKubeconfig({ path: server.kubeconfigPath }), {
    clock: systemClock,
    onWarning: (w) => warnings.push(w),
  });
});
afterAll(async () => {
  await server.stop();
  rmSync(dataDir, { recursive: true });
});

const entry = (name: string, address: string): KubeObject => ({
  apiVersion: "networking.istio.io/v1",
  kind: "WorkloadEntry",
  metadata: { name, namespace: "default" },
  spec: { address, ports: { http: 9080 } },
});

/** Collects changes and resolves when one is met. */
function follow() {
  const waiting: { meets: (c: InformerChange) => boolean; resolve: (c: InformerChange) => void }[] = [];
  return {
    onChange: (change: InformerChange) => {
      for (const w of [...waiting]) if (w.meets(change)) w.resolve(change);
    },
    next: (type: string, name: string) =>
      new Promise<InformerChange>((resolve) => {
        waiting.push({ meets: (c) => c.type === type && c.object.metadata.name === name, resolve });
      }),
  };
}

describe("the client against the embedded API server", () => {
  test("an informer sees create, patch and delete; selectors by name hold", async () => {
    const events = follow();
    const shared = { clock: systemClock, rng: seededRng(1), log };
    const informer = createInformer<KubeObject>(client, refs.workloadEntry, {
      ...shared,
      onChange: events.onChange,
    });
    const one = createInformer<KubeObject>(client, refs.workloadEntry, {
      ...shared,
      fieldSelector: "metadata.name=b",
    });
    informer.start();
    one.start();
    await Promise.all([informer.synced, one.synced]);
    const added = events.next("added", "a");
    await client.create(refs.workloadEntry, entry("a", "127.66.0.1"));
    expect((await added).object.spec).toMatchObject({ address: "127.66.0.1" });
    const modified = events.next("modified", "a");
    await client.patch(
      refs.workloadEntry,
      { namespace: "default", name: "a" },
      { metadata: { annotations: { "weft.dev/ready": "true" } } },
    );
    expect((await modified).object.metadata.annotations?.["weft.dev/ready"]).toBe("true");
    const b = events.next("added", "b");
    await client.create(refs.workloadEntry, entry("b", "127.66.0.2"));
    await b;
    const deleted = events.next("deleted", "a");
    await client.delete(refs.workloadEntry, { namespace: "default", name: "a" });
    await deleted;
    expect(informer.list().map((o) => o.metadata.name)).toEqual(["b"]);
    expect(one.list().every((o) => o.metadata.name === "b")).toBe(true);
    informer.stop();
    one.stop();
  });

  test("errors carry status, reason and causes", async () => {
    expect(isKubeError(await client.get(refs.service, "nowhere", "default").catch((e) => e), 404)).toBe(true);
    const twice = entry("c", "127.66.0.3");
    await client.create(refs.workloadEntry, twice);
    expect(isKubeError(await client.create(refs.workloadEntry, twice).catch((e) => e), 409)).toBe(true);
    const stored = await client.get<KubeObject>(refs.workloadEntry, "c", "default");
    await client.update(refs.workloadEntry, { ...stored, spec: { address: "127.66.0.4" } });
    expect(isKubeError(await client.update(refs.workloadEntry, stored).catch((e) => e), 409)).toBe(true);
    const bad = await client
      .create(refs.workloadEntry, { ...entry("d", "x"), spec: { address: 5 } })
      .catch((e) => e);
    expect(bad.status).toBe(422);
    expect(bad.causes[0]?.field).toBe("spec.address");
  });

  test("apply creates, changes, leaves alone", async () => {
    const service: KubeObject = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "reviews", namespace: "default" },
      spec: { selector: { app: "reviews" }, ports: [{ name: "http", port: 9080 }] },
    };
    expect((await client.apply(refs.service, service)).action).toBe("created");
    expect((await client.apply(refs.service, service)).action).toBe("unchanged");
    const changed = { ...service, metadata: { ...service.metadata, labels: { a: "b" } } };
    expect((await client.apply(refs.service, changed)).action).toBe("configured");
  });

  test("status is written through its subresource and counts no generation", async () => {
    const route: KubeObject = {
      apiVersion: "networking.istio.io/v1",
      kind: "VirtualService",
      metadata: { name: "r", namespace: "default" },
      spec: { hosts: ["reviews"], http: [{ route: [{ destination: { host: "reviews" } }] }] },
    };
    const made = await client.create(refs.virtualService, route);
    const conditions = [
      {
        type: "Accepted",
        status: "True",
        reason: "Accepted",
        message: "",
        observedGeneration: 1,
        lastTransitionTime: "2026-01-01T00:00:00Z",
      },
    ];
    const patched = await client.patch<KubeObject>(
      refs.virtualService,
      { namespace: "default", name: "r" },
      { status: { conditions } },
      { subresource: "status" },
    );
    expect(patched.status).toMatchObject({ conditions });
    expect(patched.metadata.generation).toBe(made.metadata.generation!);
  });

  test("a service account's token is reviewed for its audience only", async () => {
    await client.create(refs.serviceAccount, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "reviews", namespace: "default" },
    });
    const { token, expiresAtMs } = await client.tokenRequest("default", "reviews", {
      audience: "weft-ca",
      seconds: 600,
    });
    expect(expiresAtMs).toBeGreaterThan(systemClock.wall());
    const good = await client.tokenReview(token, ["weft-ca"]);
    expect(good).toMatchObject({
      authenticated: true,
      identity: { namespace: "default", serviceAccount: "reviews" },
    });
    expect((await client.tokenReview(token, ["other"])).authenticated).toBe(false);
    expect((await client.tokenReview(`${token}x`, ["weft-ca"])).authenticated).toBe(false);
  });

  test("a lease is kept and released", async () => {
    const keeper = keepLease(client, {
      namespace: "default",
      name: "weft-a",
      holder: "me",
      clock: systemClock,
      log,
    });
    await keeper.held;
    const lease = await client.get<KubeObject>(refs.lease, "weft-a", "default");
    expect(lease.spec).toMatchObject({ holderIdentity: "me", leaseDurationSeconds: 10 });
    await keeper.release();
    expect(isKubeError(await client.get(refs.lease, "weft-a", "default").catch((e) => e), 404)).toBe(true);
  });
});
