/** An API server's objects in memory, behind the client's interface: list, watch, writes, faults. */
import {
  type KindRef,
  type KubeClient,
  KubeError,
  type KubeObject,
  type WatchOptions,
} from "../kube/client/index.ts";

interface Watcher {
  readonly ref: KindRef;
  readonly options: WatchOptions;
  readonly end: (error?: Error) => void;
}

export interface FakeKube {
  readonly client: Pick<KubeClient, "get" | "list" | "listAll" | "watch" | "create" | "patch" | "delete">;
  /** Creates or replaces; sets resourceVersion, and generation where spec changed. Returns what is stored. */
  put(ref: KindRef, object: KubeObject): KubeObject;
  remove(ref: KindRef, namespace: string, name: string): void;
  get(ref: KindRef, namespace: string, name: string): KubeObject | undefined;
  /** Ends all watches of a kind, with an error or in order. */
  endWatches(ref: KindRef, error?: Error): void;
  /** Lists fail with this until it is set to undefined again. */
  failLists: KubeError | undefined;
  /** Kinds answered with 404. */
  readonly absent: Set<KindRef>;
  readonly patches: { ref: KindRef; name: string; patch: unknown; subresource: string | undefined }[];
  readonly lists: KindRef[];
  watchers(ref: KindRef): number;
}

const keyOf = (ref: KindRef, namespace: string, name: string): string =>
  `${ref.plural}.${ref.group}/${namespace}/${name}`;
const notFound = (what: string): KubeError =>
  new KubeError({ status: 404, reason: "NotFound", message: `${what} not found` });

function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const out: Record<string, unknown> = typeof target === "object" && target !== null ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else out[key] = merged(out[key], value);
  }
  return out;
}

const selected = (object: KubeObject, selector: string | undefined): boolean =>
  selector === undefined || selector === `metadata.name=${object.metadata.name}`;

export function createFakeKube(): FakeKube {
  const objects = new Map<string, { ref: KindRef; object: KubeObject }>();
  const watchers = new Set<Watcher>();
  let version = 0;

  const tell = (ref: KindRef, type: "ADDED" | "MODIFIED" | "DELETED", object: KubeObject): void => {
    for (const w of [...watchers])
      if (w.ref.plural === ref.plural && selected(object, w.options.fieldSelector))
        w.options.onEvent({ type, object });
  };

  function put(ref: KindRef, object: KubeObject): KubeObject {
    const key = keyOf(ref, object.metadata.namespace ?? "", object.metadata.name);
    const old = objects.get(key)?.object;
    const changed = JSON.stringify(old?.spec) !== JSON.stringify(object.spec);
    const generation = (old?.metadata.generation ?? 0) + (changed || old === undefined ? 1 : 0);
    const uid = old?.metadata.uid ?? `uid-${++version}`;
    const stored = {
      ...object,
      metadata: { ...object.metadata, uid, generation, resourceVersion: `${++version}` },
    };
    objects.set(key, { ref, object: stored });
    tell(ref, old === undefined ? "ADDED" : "MODIFIED", stored);
    return stored;
  }

  function remove(ref: KindRef, namespace: string, name: string): void {
    const key = keyOf(ref, namespace, name);
    const old = objects.get(key);
    if (old === undefined) throw notFound(key);
    objects.delete(key);
    const object = { ...old.object, metadata: { ...old.object.metadata, resourceVersion: `${++version}` } };
    tell(ref, "DELETED", object);
  }

  async function list(
    ref: KindRef,
    options: { namespace?: string | undefined; fieldSelector?: string | undefined } = {},
  ) {
    fake.lists.push(ref);
    if (fake.failLists !== undefined) throw fake.failLists;
    if (fake.absent.has(ref)) throw notFound(ref.plural);
    const items = [...objects.values()]
      .filter((o) => o.ref.plural === ref.plural && o.ref.group === ref.group)
      .map((o) => o.object)
      .filter((o) => options.namespace === undefined || o.metadata.namespace === options.namespace)
      .filter((o) => selected(o, options.fieldSelector));
    return { items: items as never[], resourceVersion: `${version}`, continue: "" };
  }

  function watch(ref: KindRef, options: WatchOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const watcher: Watcher = {
        ref,
        options,
        end: (error) => {
          watchers.delete(watcher);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      watchers.add(watcher);
      options.signal?.addEventListener("abort", () => watcher.end(), { once: true });
      options.onOpen?.();
    });
  }

  const fake: FakeKube = {
    failLists: undefined,
    absent: new Set(),
    patches: [],
    lists: [],
    put,
    remove,
    get: (ref, namespace, name) => objects.get(keyOf(ref, namespace, name))?.object,
    endWatches(ref, error) {
      for (const w of [...watchers]) if (w.ref.plural === ref.plural) w.end(error);
    },
    watchers: (ref) => [...watchers].filter((w) => w.ref.plural === ref.plural).length,
    client: {} as FakeKube["client"],
  };
  return Object.assign(fake, { client: clientOf(fake, list, watch) });
}

type Calls = FakeKube["client"];

function clientOf(fake: FakeKube, list: Calls["list"], watch: unknown): Calls {
  const { put, remove } = fake;
  return {
    list,
    listAll: list,
    watch: watch as never,
    async get(ref, name, namespace) {
      const found = fake.get(ref, namespace ?? "", name);
      if (found === undefined) throw notFound(name);
      return found as never;
    },
    async create(ref, object) {
      if (fake.get(ref, object.metadata.namespace ?? "", object.metadata.name) !== undefined)
        throw new KubeError({ status: 409, reason: "AlreadyExists", message: "already exists" });
      return put(ref, object) as never;
    },
    async patch(ref, target, patch, options) {
      fake.patches.push({ ref, name: target.name, patch, subresource: options?.subresource });
      const old = fake.get(ref, target.namespace ?? "", target.name);
      if (old === undefined) throw notFound(target.name);
      return put(ref, merged(old, patch) as KubeObject) as never;
    },
    async delete(ref, target) {
      remove(ref, target.namespace ?? "", target.name);
    },
  };
}

/** Lets everything run that waits for nothing but promises: some turns of the event loop. */
export async function settle(turns = 5): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
