/**
 * Rows that @kubernetes/client-node does, on Node. Prints one JSON object a line: {row, result}. Environment:
 * KUBECONFIG, NAMESPACE, COMPACT (an address whose POST makes the server forget its history), ROWS (a pattern).
 */
import * as k8s from "@kubernetes/client-node";

const ns = process.env.NAMESPACE;
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const custom = config.makeApiClient(k8s.CustomObjectsApi);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);
const rows = [];
const row = (id, title, run) => rows.push({ id, title, run });

/** What an error of the client says: its code, and the Status that the server sent. */
const failure = (error) => {
  if (error?.code === undefined || error?.body === undefined)
    return { error: String(error?.message ?? error) };
  let status = error.body;
  if (typeof status === "string") {
    try {
      status = JSON.parse(status);
    } catch {}
  }
  return { code: error.code, status };
};
const attempt = (promise) => promise.then((value) => value, failure);
const cm = (name, data = { a: "1" }, metadata = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, ...metadata },
  data,
});
const create = (body, more = {}) => core.createNamespacedConfigMap({ namespace: ns, body, ...more });
const plain = (value) => JSON.parse(JSON.stringify(value ?? null));
const patchType = (type) => k8s.setHeaderOptions("Content-Type", type);
const vs = (name, hosts = ["reviews"]) => ({
  apiVersion: "networking.istio.io/v1",
  kind: "VirtualService",
  metadata: { name },
  spec: { hosts, http: [{ route: [{ destination: { host: "reviews" } }] }] },
});
const istio = { group: "networking.istio.io", version: "v1", namespace: ns, plural: "virtualservices" };

/** Plain HTTP with the client's own credentials, for what its typed calls do not show. */
async function raw(path, init = {}) {
  const options = {};
  await config.applyToHTTPSOptions(options);
  const cluster = config.getCurrentCluster();
  const https = await import("node:https");
  return await new Promise((resolve, reject) => {
    const request = https.request(
      cluster.server + path,
      { ...options, method: init.method ?? "GET", headers: { ...options.headers, ...init.headers } },
      (response) => {
        let text = "";
        response.on("data", (chunk) => {
          text += chunk;
          if (init.until?.(text)) request.destroy();
        });
        response.on("close", () =>
          resolve({
            status: response.statusCode,
            type: response.headers["content-type"],
            warning: response.headers.warning,
            text,
          }),
        );
      },
    );
    request.on("error", (error) => (error.code === "ECONNRESET" ? undefined : reject(error)));
    request.end(init.body === undefined ? undefined : JSON.stringify(init.body));
  });
}

/** Events of a watch until `count` of them came or it ended; `meanwhile` runs once it is open. */
async function watch(path, query, count, meanwhile = async () => {}) {
  const seen = [];
  let end;
  const ended = new Promise((resolve) => {
    end = resolve;
  });
  const abort = await new k8s.Watch(config).watch(
    path,
    query,
    (type, object) => {
      seen.push([
        type,
        type === "ERROR" ? object : (object.metadata?.name ?? ""),
        type === "ERROR" ? "" : (object.data?.a ?? ""),
      ]);
      if (seen.length >= count) end("enough");
    },
    (error) => end(error ? `error: ${error.message}` : "closed"),
  );
  await meanwhile();
  const how = await ended;
  abort.abort();
  return { seen, how };
}
const cms = `/api/v1/namespaces/${ns}/configmaps`;

row("crud", "create, read, replace, delete of a ConfigMap", async () => {
  const made = await create(cm("n-crud"));
  const read = await core.readNamespacedConfigMap({ namespace: ns, name: "n-crud" });
  const same = read.metadata.resourceVersion === made.metadata.resourceVersion;
  read.data = { b: "2" };
  const replaced = await core.replaceNamespacedConfigMap({ namespace: ns, name: "n-crud", body: read });
  const deleted = await core.deleteNamespacedConfigMap({ namespace: ns, name: "n-crud" });
  return plain({
    made,
    same,
    data: replaced.data,
    newer: replaced.metadata.resourceVersion !== made.metadata.resourceVersion,
    deleted,
  });
});
row("errors", "the Status of each refusal", async () => {
  await create(cm("n-err"));
  return {
    exists: await attempt(create(cm("n-err"))),
    missing: await attempt(core.readNamespacedConfigMap({ namespace: ns, name: "n-none" })),
    noNamespace: await attempt(core.createNamespacedConfigMap({ namespace: "nowhere", body: cm("x") })),
    otherNamespace: await attempt(create(cm("x", {}, { namespace: "other" }))),
    badName: await attempt(create(cm("Bad_Name"))),
    noName: await attempt(create({ apiVersion: "v1", kind: "ConfigMap", metadata: {} })),
    withVersion: await attempt(create(cm("x", {}, { resourceVersion: "1" }))),
    wrongName: await attempt(
      core.replaceNamespacedConfigMap({ namespace: ns, name: "n-err", body: cm("other") }),
    ),
    badKey: await attempt(create(cm("n-key", { "a b": "c" }))),
  };
});
row("conflict", "an outdated resourceVersion is refused, none is not", async () => {
  const made = await create(cm("n-conf"));
  const first = { ...made, data: { a: "2" } };
  await core.replaceNamespacedConfigMap({ namespace: ns, name: "n-conf", body: first });
  const stale = await attempt(
    core.replaceNamespacedConfigMap({ namespace: ns, name: "n-conf", body: first }),
  );
  const free = await attempt(
    core.replaceNamespacedConfigMap({ namespace: ns, name: "n-conf", body: cm("n-conf", { a: "3" }) }),
  );
  return plain({ stale, free: free.data });
});
row("no-change", "a replacement that changes nothing keeps the version", async () => {
  const made = await create(cm("n-same"));
  const again = await core.replaceNamespacedConfigMap({ namespace: ns, name: "n-same", body: made });
  return made.metadata.resourceVersion === again.metadata.resourceVersion;
});
for (const [id, type, body] of [
  ["merge", "application/merge-patch+json", { data: { a: null, b: "2" } }],
  [
    "strategic",
    "application/strategic-merge-patch+json",
    { data: { c: "3" }, metadata: { labels: { x: "y" } } },
  ],
  ["json", "application/json-patch+json", [{ op: "add", path: "/data/d", value: "4" }]],
])
  row(`patch-${id}`, `${type}`, async () => {
    await create(cm(`n-patch-${id}`));
    const done = await attempt(
      core.patchNamespacedConfigMap({ namespace: ns, name: `n-patch-${id}`, body }, patchType(type)),
    );
    return plain({ data: done.data, labels: done.metadata?.labels, failed: done.code && done });
  });
row("patch-bad", "patches that cannot be: type, syntax, a missing object", async () => {
  await create(cm("n-patch-bad"));
  const call = (body, type, name = "n-patch-bad") =>
    attempt(core.patchNamespacedConfigMap({ namespace: ns, name, body }, patchType(type)));
  const types = await raw(`${cms}/n-patch-bad`, {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: {},
  });
  return {
    types: { status: types.status, body: JSON.parse(types.text) },
    path: await call([{ op: "remove", path: "/data/zzz" }], "application/json-patch+json"),
    missing: await call({ data: {} }, "application/merge-patch+json", "n-none"),
    version: await call({ metadata: { resourceVersion: "1" } }, "application/merge-patch+json"),
  };
});
row("apply", "server-side apply by the client: made, owned, conflict, forced", async () => {
  const apply = (manager, data, force) =>
    attempt(
      core.patchNamespacedConfigMap(
        { namespace: ns, name: "n-apply", body: cm("n-apply", data), fieldManager: manager, force },
        patchType("application/apply-patch+yaml"),
      ),
    );
  const made = await apply("one", { a: "1", b: "1" });
  const conflict = await apply("two", { a: "2" });
  const forced = await apply("two", { a: "2" }, true);
  const owners = (o) => (o.metadata?.managedFields ?? []).map((f) => [f.manager, f.operation, f.fieldsV1]);
  return plain({ made: owners(made), conflict, forced: owners(forced), data: forced.data });
});
row("apply-needs-manager", "server-side apply without a field manager", async () =>
  attempt(
    core.patchNamespacedConfigMap(
      { namespace: ns, name: "n-apply-m", body: cm("n-apply-m") },
      patchType("application/apply-patch+yaml"),
    ),
  ),
);
row("dry-run", "dry run of create, replace, delete", async () => {
  const made = await create(cm("n-dry"), { dryRun: "All" });
  const missing = await attempt(core.readNamespacedConfigMap({ namespace: ns, name: "n-dry" }));
  await create(cm("n-dry"));
  await core.deleteNamespacedConfigMap({ namespace: ns, name: "n-dry", dryRun: "All" });
  const there = await core.readNamespacedConfigMap({ namespace: ns, name: "n-dry" });
  const bad = await attempt(create(cm("n-dry-bad"), { dryRun: "Some" }));
  return plain({
    made: made.data,
    hasVersion: made.metadata.resourceVersion !== undefined,
    missing: missing.code,
    there: there.data,
    bad,
  });
});
row("field-validation", "unknown fields: ignored, warned of, refused", async () => {
  const body = { ...cm("n-fv"), dta: {} };
  const post = (query, name) =>
    raw(`${cms}${query}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: { ...body, metadata: { name } },
    });
  const short = ({ status, warning, text }) => ({ status, warning, message: JSON.parse(text).message });
  return {
    none: short(await post("", "n-fv-1")),
    warn: short(await post("?fieldValidation=Warn", "n-fv-2")),
    strict: short(await post("?fieldValidation=Strict", "n-fv-3")),
    ignore: short(await post("?fieldValidation=Ignore", "n-fv-4")),
    wrong: short(await post("?fieldValidation=Maybe", "n-fv-5")),
  };
});
row("list-pages", "limit and continue walk one version; remaining items are counted", async () => {
  for (const n of [1, 2, 3, 4, 5])
    await create(cm(`n-page-${n}`, { n: String(n) }, { labels: { set: "n-page" } }));
  const pages = [];
  let next;
  const versions = new Set();
  do {
    const page = await core.listNamespacedConfigMap({
      namespace: ns,
      limit: 2,
      _continue: next,
      ...(next ? {} : {}),
    });
    versions.add(page.metadata.resourceVersion);
    pages.push([
      page.items.map((i) => i.metadata.name).filter((n) => n.startsWith("n-page")),
      typeof page.metadata.remainingItemCount,
    ]);
    next = page.metadata._continue;
  } while (next);
  return {
    names: pages.flatMap(([n]) => n),
    last: pages.at(-1)[1],
    first: pages[0][1],
    versions: versions.size,
  };
});
row("list-pages-selector", "with a selector, remaining items are not counted", async () => {
  const page = await core.listNamespacedConfigMap({ namespace: ns, limit: 2, labelSelector: "set=n-page" });
  return {
    names: page.items.map((i) => i.metadata.name),
    remaining: page.metadata.remainingItemCount ?? null,
    more: Boolean(page.metadata._continue),
  };
});
row("list-bad", "lists that cannot be: token, limit, versions, selectors", async () => {
  const list = async (query) => {
    const { status, text } = await raw(`${cms}?${query}`);
    return { status, message: JSON.parse(text).message ?? JSON.parse(text).kind };
  };
  return {
    token: await list("limit=1&continue=nonsense"),
    selector: await list("labelSelector=a%20b"),
    field: await list("fieldSelector=spec.x%3Dy"),
    version: await list("resourceVersion=abc"),
    match: await list("resourceVersionMatch=Exact"),
    matchNoVersion: await list("resourceVersionMatch=NotOlderThan"),
  };
});
row("list-meta", "an empty list is a list; items of a typed list carry no kind", async () => {
  const { text } = await raw(`${cms}?labelSelector=none%3Dsuch`);
  const empty = JSON.parse(text);
  const one = JSON.parse((await raw(`${cms}?labelSelector=set%3Dn-page&limit=1`)).text);
  return {
    kind: empty.kind,
    apiVersion: empty.apiVersion,
    items: empty.items,
    keys: Object.keys(one.items[0]).sort(),
  };
});
row("watch-order", "a watch from a list sees what happens after it, in order", async () => {
  const list = await core.listNamespacedConfigMap({ namespace: ns });
  return watch(
    cms,
    { resourceVersion: list.metadata.resourceVersion, labelSelector: "w=order" },
    5,
    async () => {
      await create(cm("n-w-1", { a: "1" }, { labels: { w: "order" } }));
      await core.replaceNamespacedConfigMap({
        namespace: ns,
        name: "n-w-1",
        body: cm("n-w-1", { a: "2" }, { labels: { w: "order" } }),
      });
      await core.replaceNamespacedConfigMap({
        namespace: ns,
        name: "n-w-1",
        body: cm("n-w-1", { a: "3" }, { labels: { w: "gone" } }),
      });
      await core.replaceNamespacedConfigMap({
        namespace: ns,
        name: "n-w-1",
        body: cm("n-w-1", { a: "4" }, { labels: { w: "order" } }),
      });
      await core.deleteNamespacedConfigMap({ namespace: ns, name: "n-w-1" });
    },
  );
});
row("watch-start", "a watch without a version begins with what is there", async () => {
  await create(cm("n-ws", { a: "1" }, { labels: { w: "start" } }));
  return watch(cms, { labelSelector: "w=start" }, 2, () =>
    core.deleteNamespacedConfigMap({ namespace: ns, name: "n-ws" }),
  );
});
row("watch-timeout", "timeoutSeconds ends a watch, quietly", async () =>
  watch(cms, { labelSelector: "w=none", timeoutSeconds: 1 }, 1),
);
row("watch-resume", "a watch resumes after the version it saw last", async () => {
  const a = await create(cm("n-wr-1", { a: "1" }, { labels: { w: "resume" } }));
  await create(cm("n-wr-2", { a: "2" }, { labels: { w: "resume" } }));
  return watch(cms, { labelSelector: "w=resume", resourceVersion: a.metadata.resourceVersion }, 1);
});
row("watch-one", "a watch of one name by field selector", async () => {
  const list = await core.listNamespacedConfigMap({ namespace: ns, limit: 1 });
  return watch(
    cms,
    { fieldSelector: "metadata.name=n-wo-2", resourceVersion: list.metadata.resourceVersion },
    1,
    async () => {
      await create(cm("n-wo-1"));
      await create(cm("n-wo-2"));
    },
  );
});
row("watch-list", "sendInitialEvents: what is there, then the bookmark that ends it", async () => {
  await create(cm("n-wl", { a: "1" }, { labels: { w: "list" } }));
  const query =
    "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=0&allowWatchBookmarks=true&labelSelector=w%3Dlist&timeoutSeconds=5";
  const { text } = await raw(`${cms}?${query}`, { until: (t) => t.includes("BOOKMARK") && t.endsWith("\n") });
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line))
    .map((e) => [e.type, e.object.metadata.name ?? "", e.object.metadata.annotations ?? {}, e.object.kind]);
});
row("watch-bad", "watches that cannot be", async () => {
  const get = async (query) => {
    const { status, text } = await raw(`${cms}?watch=1&timeoutSeconds=1&${query}`);
    return { status, message: JSON.parse(text.split("\n")[0] || "{}").message };
  };
  return {
    version: await get("resourceVersion=abc"),
    initial: await get("sendInitialEvents=true"),
    match: await get("resourceVersionMatch=NotOlderThan"),
    selector: await get("labelSelector=%21%21"),
  };
});
row("watch-table", "a watch of tables, as kubectl get -w asks for", async () => {
  await create(cm("n-wt", { a: "1" }, { labels: { w: "table" } }));
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const { text, type } = await raw(`${cms}?watch=1&labelSelector=w%3Dtable&timeoutSeconds=2`, {
    headers: { accept },
    until: (t) => t.endsWith("\n") && t.includes("ADDED"),
  });
  const event = JSON.parse(text.split("\n").find((line) => line.trim() !== ""));
  return {
    type,
    event: event.type,
    kind: event.object.kind,
    cells: event.object.rows[0].cells.slice(0, 2),
    columns: event.object.columnDefinitions?.map((c) => [c.name, c.type, c.format, c.priority]),
  };
});
row("gone-watch", "after compaction an old version is 410 Gone", async () => {
  // A kind that was installed later: its version 1 is older than all that any server remembers of it.
  await custom.createNamespacedCustomObject({ ...istio, body: vs("n-old") });
  await create(cm("n-old"));
  await fetch(process.env.COMPACT, { method: "POST" });
  const path = `/apis/networking.istio.io/v1/namespaces/${ns}/virtualservices`;
  const { status, text } = await raw(`${path}?watch=1&resourceVersion=1&timeoutSeconds=2`);
  const event = JSON.parse(text.split("\n").find((line) => line.trim() !== "") ?? "null");
  return { status, type: event?.type, code: event?.object?.code, reason: event?.object?.reason };
});
row("gone-continue", "after compaction a continue token is 410 Gone and says how to go on", async () => {
  const page = await core.listNamespacedConfigMap({ namespace: ns, limit: 1 });
  // A token is opaque, but both servers' are JSON: one that is as old as the first version.
  const token = JSON.parse(Buffer.from(page.metadata._continue, "base64").toString());
  token["rv" in token ? "rv" : "revision"] = 1;
  const old = Buffer.from(JSON.stringify(token)).toString("base64url");
  await fetch(process.env.COMPACT, { method: "POST" });
  let status = 200;
  let body;
  // Compaction takes its moment.
  for (let tries = 0; status === 200 && tries < 100; tries++) {
    const answer = await raw(`${cms}?limit=1&continue=${encodeURIComponent(old)}`);
    status = answer.status;
    body = JSON.parse(answer.text);
    if (status === 200) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const next = body.metadata?.continue;
  const resumed = next ? (await raw(`${cms}?limit=1&continue=${encodeURIComponent(next)}`)).status : null;
  return { status, reason: body.reason, code: body.code, resumed };
});
row("informer", "the client's informer: added, updated, deleted, its cache", async () => {
  const seen = [];
  const informer = k8s.makeInformer(
    config,
    cms,
    () => core.listNamespacedConfigMap({ namespace: ns, labelSelector: "i=n" }),
    "i=n",
  );
  let tell;
  const done = new Promise((resolve) => {
    tell = resolve;
  });
  for (const verb of ["add", "update", "delete"])
    informer.on(verb, (o) => {
      seen.push([verb, o.metadata.name, o.data?.a]);
      if (verb === "delete") tell();
    });
  await create(cm("n-inf-1", { a: "1" }, { labels: { i: "n" } }));
  await informer.start();
  await create(cm("n-inf-2", { a: "1" }, { labels: { i: "n" } }));
  await core.patchNamespacedConfigMap(
    { namespace: ns, name: "n-inf-2", body: { data: { a: "2" } } },
    patchType("application/merge-patch+json"),
  );
  await core.deleteNamespacedConfigMap({ namespace: ns, name: "n-inf-1" });
  await done;
  const left = informer.list(ns).map((o) => o.metadata.name);
  await informer.stop();
  return { seen, left };
});
row("custom-crud", "custom objects: create, read, list, replace, patch, delete", async () => {
  const made = await custom.createNamespacedCustomObject({ ...istio, body: vs("n-vs") });
  const read = await custom.getNamespacedCustomObject({ ...istio, name: "n-vs" });
  const old = await custom.getNamespacedCustomObject({ ...istio, version: "v1alpha3", name: "n-vs" });
  const list = await custom.listNamespacedCustomObject({ ...istio });
  const replaced = await custom.replaceNamespacedCustomObject({
    ...istio,
    name: "n-vs",
    body: { ...read, spec: { ...read.spec, hosts: ["x"] } },
  });
  const noVersion = await attempt(
    custom.replaceNamespacedCustomObject({ ...istio, name: "n-vs", body: vs("n-vs", ["y"]) }),
  );
  const deleted = await custom.deleteNamespacedCustomObject({ ...istio, name: "n-vs" });
  return plain({
    made,
    old: old.apiVersion,
    list: [list.kind, list.apiVersion, list.items.some((i) => i.metadata.name === "n-vs" && i.kind)],
    hosts: replaced.spec.hosts,
    generation: replaced.metadata.generation,
    noVersion,
    deleted,
  });
});
row("custom-status", "status of a custom object", async () => {
  const made = await custom.createNamespacedCustomObject({
    ...istio,
    body: { ...vs("n-vs-s"), status: { observedGeneration: 3 } },
  });
  const body = { ...made, status: { observedGeneration: 1 }, spec: { hosts: ["no"] } };
  const done = await custom.replaceNamespacedCustomObjectStatus({ ...istio, name: "n-vs-s", body });
  return plain({
    made: made.status ?? null,
    status: done.status,
    hosts: done.spec.hosts,
    generation: done.metadata.generation,
  });
});
row("custom-nulls", "null in a custom object is dropped", async () => {
  const made = await attempt(
    custom.createNamespacedCustomObject({
      ...istio,
      body: {
        ...vs("n-null"),
        spec: {
          hosts: ["a"],
          gateways: null,
          http: [{ route: [{ destination: { host: "a" }, weight: null }] }],
        },
      },
    }),
  );
  return plain(made.spec ?? made);
});
row("table", "a Table of objects, and of one", async () => {
  await create(cm("n-tab", { a: "1", b: "2" }, { labels: { t: "table" } }));
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const get = async (path) => JSON.parse((await raw(path, { headers: { accept } })).text);
  const list = await get(`${cms}?labelSelector=t%3Dtable`);
  const one = await get(`${cms}/n-tab`);
  const full = await get(`${cms}/n-tab?includeObject=Object`);
  const none = await get(`${cms}/n-tab?includeObject=None`);
  const columns = (t) => t.columnDefinitions.map((c) => [c.name, c.type, c.format, c.priority]);
  return {
    kind: list.kind,
    apiVersion: list.apiVersion,
    columns: columns(list),
    cells: list.rows[0].cells.slice(0, 2),
    object: list.rows[0].object.kind,
    one: one.rows[0].cells.slice(0, 2),
    full: full.rows[0].object.kind,
    none: none.rows[0].object ?? null,
    meta: Object.keys(list.metadata).sort(),
  };
});
row("metadata-only", "PartialObjectMetadata of one and of a list", async () => {
  const get = async (path, as) =>
    JSON.parse(
      (
        await raw(path, {
          headers: { accept: `application/json;as=${as};v=v1;g=meta.k8s.io,application/json` },
        })
      ).text,
    );
  const one = await get(`${cms}/n-tab`, "PartialObjectMetadata");
  const list = await get(`${cms}?labelSelector=t%3Dtable`, "PartialObjectMetadataList");
  return {
    one: [one.kind, one.apiVersion, Object.keys(one).sort()],
    list: [list.kind, list.apiVersion, list.items.length, Object.keys(list.items[0]).sort()],
  };
});
row("delete-collection", "deleteCollection by label, with what it answers", async () => {
  for (const n of [1, 2]) await create(cm(`n-dc-${n}`, {}, { labels: { set: "n-dc" } }));
  const done = await core.deleteCollectionNamespacedConfigMap({ namespace: ns, labelSelector: "set=n-dc" });
  const left = await core.listNamespacedConfigMap({ namespace: ns, labelSelector: "set=n-dc" });
  return plain({ kind: done.kind, status: done.status ?? null, left: left.items.length });
});
row("delete-preconditions", "a deletion with a wrong uid or version", async () => {
  await create(cm("n-pre"));
  const wrong = (preconditions) =>
    attempt(core.deleteNamespacedConfigMap({ namespace: ns, name: "n-pre", body: { preconditions } }));
  return {
    uid: await wrong({ uid: "00000000-0000-0000-0000-000000000000" }),
    version: (await wrong({ resourceVersion: "1" })).code,
  };
});
row("finalizer", "deletion with a finalizer, seen by a watch", async () => {
  const made = await create(
    cm("n-fin", { a: "1" }, { finalizers: ["example.com/hold"], labels: { w: "fin" } }),
  );
  return watch(
    cms,
    { resourceVersion: made.metadata.resourceVersion, labelSelector: "w=fin" },
    2,
    async () => {
      await core.deleteNamespacedConfigMap({ namespace: ns, name: "n-fin" });
      await core.patchNamespacedConfigMap(
        { namespace: ns, name: "n-fin", body: { metadata: { finalizers: null } } },
        patchType("application/merge-patch+json"),
      );
    },
  );
});
row("services", "Services: an address is allotted, kept, given back, asked for, doubled", async () => {
  const body = (name, spec) => ({ metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } });
  const make = (name, spec) =>
    attempt(core.createNamespacedService({ namespace: ns, body: body(name, spec) }));
  const first = await make("n-svc");
  const asked = await make("n-svc-2", { clusterIP: "10.96.250.250" });
  const doubled = await make("n-svc-3", { clusterIP: "10.96.250.250" });
  const outside = await make("n-svc-4", { clusterIP: "192.168.1.1" });
  const kept = await core.replaceNamespacedService({
    namespace: ns,
    name: "n-svc",
    body: body("n-svc", { ports: [{ port: 81 }] }),
  });
  await core.deleteNamespacedService({ namespace: ns, name: "n-svc-2" });
  const again = await make("n-svc-5", { clusterIP: "10.96.250.250" });
  return plain({
    first,
    asked: asked.spec?.clusterIPs,
    doubled,
    outside,
    kept: kept.spec.clusterIP === first.spec.clusterIP,
    again: again.spec?.clusterIP,
  });
});
row("token", "TokenRequest and TokenReview agree", async () => {
  await core.createNamespacedServiceAccount({ namespace: ns, body: { metadata: { name: "n-sa" } } });
  const made = await core.createNamespacedServiceAccountToken({
    namespace: ns,
    name: "n-sa",
    body: { spec: { audiences: ["weft-ca"], expirationSeconds: 600 } },
  });
  const review = (audiences, token = made.status.token) =>
    config.makeApiClient(k8s.AuthenticationV1Api).createTokenReview({ body: { spec: { token, audiences } } });
  const good = await review(["weft-ca"]);
  const other = await review(["else"]);
  const bad = await review(["weft-ca"], "nonsense");
  const { extra: _, ...user } = good.status.user ?? {};
  return plain({
    spec: made.spec,
    good: { ...good.status, user },
    other: other.status,
    bad: bad.status.authenticated ?? false,
  });
});
row("token-use", "a service account's token is who it says, and may do nothing by itself", async () => {
  const made = await core.createNamespacedServiceAccountToken({
    namespace: ns,
    name: "n-sa",
    body: { spec: { audiences: [], expirationSeconds: 600 } },
  });
  const other = new k8s.KubeConfig();
  other.loadFromOptions({
    clusters: config.clusters,
    users: [{ name: "sa", token: made.status.token }],
    contexts: [{ name: "c", cluster: config.clusters[0].name, user: "sa" }],
    currentContext: "c",
  });
  const who = await attempt(
    other.makeApiClient(k8s.AuthenticationV1Api).createSelfSubjectReview({ body: {} }),
  );
  const denied = await attempt(
    other.makeApiClient(k8s.CoreV1Api).deleteNamespacedSecret({ namespace: "kube-system", name: "x" }),
  );
  const unknown = await raw(cms, { headers: { authorization: "Bearer wrong" } });
  return plain({
    who: who.status?.userInfo?.username ?? who,
    groups: who.status?.userInfo?.groups,
    denied,
    unknown: { status: unknown.status, body: JSON.parse(unknown.text) },
  });
});
row("access-review", "SelfSubjectAccessReview of the admin", async () => {
  const api = config.makeApiClient(k8s.AuthorizationV1Api);
  const done = await api.createSelfSubjectAccessReview({
    body: { spec: { resourceAttributes: { namespace: ns, verb: "create", resource: "configmaps" } } },
  });
  return plain({ kind: done.kind, allowed: done.status.allowed });
});
row("generic", "KubernetesObjectApi finds its way by discovery", async () => {
  const made = await objects.create({ ...vs("n-gen"), metadata: { name: "n-gen", namespace: ns } });
  const read = await objects.read({
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "n-gen", namespace: ns },
  });
  const patched = await objects.patch(
    { ...vs("n-gen"), metadata: { name: "n-gen", namespace: ns }, spec: { hosts: ["p"] } },
    undefined,
    undefined,
    "n",
    undefined,
    k8s.PatchStrategy.MergePatch,
  );
  const gone = await objects.delete({
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "n-gen", namespace: ns },
  });
  return plain({ same: made.metadata.uid === read.metadata.uid, hosts: patched.spec.hosts, gone });
});
row("discovery", "groups and versions, the preferred ones", async () => {
  const groups = (await config.makeApiClient(k8s.ApisApi).getAPIVersions()).groups;
  const wanted = [
    "networking.istio.io",
    "security.istio.io",
    "linkerd.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
  ];
  return plain(
    groups
      .filter((g) => wanted.includes(g.name))
      .map((g) => [g.name, g.preferredVersion.version, g.versions.map((v) => v.version)])
      .sort(),
  );
});
row("aggregated-discovery", "discovery in one document", async () => {
  const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
  const { type, text } = await raw("/apis", { headers: { accept } });
  const body = JSON.parse(text);
  const group = body.items?.find((g) => g.metadata.name === "networking.istio.io");
  const vs1 = group?.versions
    .find((v) => v.version === "v1")
    ?.resources.find((r) => r.resource === "virtualservices");
  return { type, kind: body.kind, resource: vs1 ?? null };
});
row("openapi", "OpenAPI v3: an index, a document a group version", async () => {
  const index = JSON.parse((await raw("/openapi/v3")).text);
  const at = index.paths["apis/networking.istio.io/v1"]?.serverRelativeURL;
  const document = JSON.parse((await raw(at)).text);
  const found = Object.values(document.components.schemas).find((s) =>
    s["x-kubernetes-group-version-kind"]?.some((g) => g.kind === "VirtualService"),
  );
  return {
    index: /^\/openapi\/v3\/apis\/networking.istio.io\/v1\?hash=\w+$/.test(at),
    hosts: found?.properties?.spec?.properties?.hosts?.type,
    list: Object.keys(document.components.schemas).length > 1,
  };
});
row("version", "the server's version is one that clients take", async () => {
  const code = await config.makeApiClient(k8s.VersionApi).getCode();
  return {
    major: code.major,
    minor: /^\d+\+?$/.test(code.minor),
    git: /^v1\.\d+\.\d+/.test(code.gitVersion),
  };
});
row("methods", "methods and paths that are not allowed", async () => {
  const call = async (method, path, body) => {
    const { status, text } = await raw(path, {
      method,
      headers: { "content-type": "application/json" },
      body,
    });
    let message = text;
    try {
      message = JSON.parse(text).message ?? JSON.parse(text).kind;
    } catch {}
    return { status, message };
  };
  return {
    postOne: await call("POST", `${cms}/n-tab`, {}),
    putAll: await call("PUT", cms, {}),
    postAcross: await call("POST", "/api/v1/configmaps", cm("x")),
    noKind: await call("GET", `/api/v1/namespaces/${ns}/nothings`),
    noStatus: await call("GET", `${cms}/n-tab/status`),
    wrongKind: await call("POST", cms, { apiVersion: "v1", kind: "Secret", metadata: { name: "x" } }),
    wrongVersion: await call("POST", cms, { apiVersion: "v2", kind: "ConfigMap", metadata: { name: "x" } }),
  };
});

const only = new RegExp(process.env.ROWS ?? "");
for (const { id, run } of rows.filter((r) => only.test(r.id))) {
  const result = await run().catch((error) => ({ thrown: failure(error) }));
  process.stdout.write(`${JSON.stringify({ row: `client-node/${id}`, result })}\n`);
}
process.exit(0);
