/** Rows that Weft's own client does: what the control plane and the sidecars need of any API server. */
import { createLogger, seededRng, systemClock } from "../../../src/base/index.ts";
import {
  createInformer,
  createKubeClient,
  type InformerChange,
  isKubeError,
  type KubeClient,
  KubeError,
  type KubeObject,
  keepLease,
  loadKubeconfig,
  refs,
} from "../../../src/kube/client/index.ts";

interface Scene {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly compact: () => Promise<void>;
}
type Run = (scene: Scene) => Promise<unknown>;

const log = createLogger({ sink: () => undefined });
const parts = { clock: systemClock, rng: seededRng(7), log };

const entry = (namespace: string, name: string, address = "10.0.0.1"): KubeObject => ({
  apiVersion: "networking.istio.io/v1",
  kind: "WorkloadEntry",
  metadata: { name, namespace, annotations: { "weft.dev/ready": "false" } },
  spec: { address, ports: { http: 80 }, labels: { app: name }, serviceAccount: "me" },
});

/** Notes what an informer tells; `until` resolves when that much was told. */
function journal() {
  const lines: string[] = [];
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  return {
    lines,
    onChange: ({ type, object }: InformerChange<KubeObject>): void => {
      lines.push(`${type} ${object.metadata.name}`);
      for (const w of waiting) if (lines.length >= w.count) w.resolve();
    },
    until: (count: number): Promise<void> =>
      new Promise((resolve) => {
        if (lines.length >= count) resolve();
        else waiting.push({ count, resolve });
      }),
  };
}

/** The informer's client, but each watch first asks for a version that is long forgotten. */
function forgetful(client: KubeClient, seen: number[]): KubeClient {
  let first = true;
  return {
    ...client,
    async watch(ref, options) {
      const resourceVersion = first ? "1" : options.resourceVersion;
      first = false;
      await client.watch(ref, { ...options, resourceVersion }).catch((error: unknown) => {
        if (error instanceof KubeError) seen.push(error.status);
        throw error;
      });
    },
  };
}

const informer: Run = async ({ client, namespace }) => {
  const seen = journal();
  const target = { namespace, name: "w-inf" };
  const watching = createInformer<KubeObject>(client, refs.workloadEntry, {
    ...parts,
    namespace,
    onChange: seen.onChange,
  });
  watching.start();
  await watching.synced;
  await client.create(refs.workloadEntry, entry(namespace, "w-inf"));
  await seen.until(1);
  await client.patch(refs.workloadEntry, target, {
    metadata: { annotations: { "weft.dev/ready": "true" } },
  });
  await seen.until(2);
  await client.delete(refs.workloadEntry, target);
  await seen.until(3);
  watching.stop();
  return [seen.lines, watching.list().length];
};

const relist: Run = async ({ client, namespace, compact }) => {
  await client.create(refs.workloadEntry, entry(namespace, "w-gone"));
  await compact();
  const seen = journal();
  const refused: number[] = [];
  const watching = createInformer<KubeObject>(forgetful(client, refused), refs.workloadEntry, {
    ...parts,
    namespace,
    onChange: seen.onChange,
  });
  watching.start();
  await watching.synced;
  await seen.until(1);
  await client.create(refs.workloadEntry, entry(namespace, "w-gone-2"));
  await seen.until(2);
  watching.stop();
  return [refused, seen.lines];
};

const tokens: Run = async ({ client, namespace }) => {
  await client.create(refs.serviceAccount, {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "w-sa", namespace },
  });
  const { token, expiresAtMs } = await client.tokenRequest(namespace, "w-sa", {
    audience: "weft-ca",
    seconds: 600,
  });
  const good = await client.tokenReview(token, ["weft-ca"]);
  const other = await client.tokenReview(token, ["else"]);
  const bad = await client.tokenReview("eyJ.nonsense.x", ["weft-ca"]);
  const left = expiresAtMs - systemClock.wall();
  return [good, other.authenticated, bad.authenticated, left > 500_000 && left < 700_000];
};

const lease: Run = async ({ client, namespace }) => {
  const kept = keepLease(client, { namespace, name: "w-lease", holder: "me", clock: systemClock, log });
  await kept.held;
  const { spec } = await client.get<KubeObject>(refs.lease, "w-lease", namespace);
  await kept.release();
  const gone = await client.get(refs.lease, "w-lease", namespace).catch((e) => isKubeError(e, 404));
  return [Object.keys(spec as object).sort(), gone];
};

const firstWriterWins: Run = async ({ client, namespace }) => {
  const secret = (text: string): KubeObject => ({
    apiVersion: "v1",
    kind: "Secret",
    type: "istio.io/ca-root",
    metadata: { name: "w-ca", namespace },
    data: { "ca-key.pem": Buffer.from(text).toString("base64") },
  });
  const both = await Promise.allSettled([
    client.create(refs.secret, secret("one")),
    client.create(refs.secret, secret("two")),
  ]);
  const lost = both.find((b) => b.status === "rejected");
  return [both.filter((b) => b.status === "fulfilled").length, isKubeError(lost?.reason, 409)];
};

const apply: Run = async ({ client, namespace }) => {
  const map = (data: Readonly<Record<string, string>>): KubeObject => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "w-apply", namespace },
    data,
  });
  const actions: string[] = [];
  let last: KubeObject | undefined;
  for (const data of [{ a: "1" }, { a: "1" }, { b: "2" }]) {
    const { action, object } = await client.apply(refs.configMap, map(data), { fieldValidation: "Strict" });
    actions.push(action);
    last = object;
  }
  return [actions, last?.["data"]];
};

const status: Run = async ({ client, namespace }) => {
  await client.create(refs.workloadEntry, entry(namespace, "w-status"));
  const conditions = [{ type: "Accepted", status: "True", reason: "Accepted", message: "it acts" }];
  const done = await client.patch<KubeObject>(
    refs.workloadEntry,
    { namespace, name: "w-status" },
    { status: { observedGeneration: 1, conditions } },
    { subresource: "status" },
  );
  return [done.status, done.metadata.generation];
};

const refusals: Run = async ({ client, namespace }) => {
  const told = async (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => "done",
      (e: unknown) =>
        e instanceof KubeError ? [e.status, e.reason, e.causes.map((c) => c.field)] : String(e),
    );
  const odd = { ...entry(namespace, "w-odd"), spec: { address: 7 } };
  return [
    await told(client.get(refs.workloadEntry, "w-none", namespace)),
    await told(client.create(refs.workloadEntry, odd)),
    await told(client.create(refs.configMap, entry("nowhere", "x"))),
    await told(client.tokenRequest(namespace, "w-none", { seconds: 600 })),
  ];
};

const listed: Run = async ({ client, namespace }) => {
  const page = await client.list<KubeObject>(refs.workloadEntry, { namespace, limit: 1 });
  const all = await client.listAll<KubeObject>(refs.workloadEntry, { namespace });
  return [page.items.length, page.continue !== "", all.items.map((o) => `${o.apiVersion} ${o.kind}`)];
};

const rows: readonly (readonly [string, Run])[] = [
  ["informer", informer],
  ["relist-after-410", relist],
  ["tokens", tokens],
  ["lease", lease],
  ["first-writer-wins", firstWriterWins],
  ["apply", apply],
  ["status", status],
  ["refusals", refusals],
  ["lists", listed],
];

/** Results by row. */
export async function runWeft(
  kubeconfig: string,
  namespace: string,
  compact: () => Promise<void>,
  only: RegExp,
): Promise<Map<string, unknown>> {
  const client = createKubeClient(loadKubeconfig({ path: kubeconfig }), { clock: systemClock });
  const results = new Map<string, unknown>();
  for (const [id, run] of rows)
    if (only.test(`weft/${id}`))
      results.set(
        `weft/${id}`,
        await run({ client, namespace, compact }).catch((error: unknown) => ({ thrown: String(error) })),
      );
  return results;
}
