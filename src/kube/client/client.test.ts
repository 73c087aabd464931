import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../base/index.ts";
import { fakeClock } from "../../testkit/fake-clock.ts";
import { createTestCa } from "../../testkit/index.ts";
import { parseWarnings } from "./error.ts";
import {
  createKubeClient,
  identityOf,
  isKubeError,
  type KubeClient,
  KubeconfigError,
  KubeError,
  type KubeObject,
  limits,
  loadKubeconfig,
  pathOf,
  refs,
  threeWayPatch,
  type WatchEvent,
} from "./index.ts";
import { LineSplitter } from "./watch.ts";

const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const fn of cleanup.splice(0).reverse()) await fn();
});

interface Seen {
  method: string;
  url: URL;
  headers: Headers;
  body: unknown;
}

function serve(
  answer: (seen: Seen) => Response | Promise<Response>,
  tls?: object,
): { url: string; seen: Seen[] } {
  const seen: Seen[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    ...(tls === undefined ? {} : { tls }),
    async fetch(request) {
      const text = await request.text();
      const one = {
        method: request.method,
        url: new URL(request.url),
        headers: request.headers,
        body: text === "" ? undefined : JSON.parse(text),
      };
      seen.push(one);
      return answer(one);
    },
  });
  cleanup.push(() => server.stop(true));
  return { url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${server.port}`, seen };
}

const clientOf = (server: string, more: object = {}, onWarning?: (m: string) => void): KubeClient =>
  createKubeClient(
    { server, namespace: "default", context: "test", ...more },
    { clock: systemClock, ...(onWarning === undefined ? {} : { onWarning }) },
  );

const object = (name: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "default", resourceVersion: "7" },
});
const list = (items: unknown[], more: object = {}): Response =>
  Response.json({
    kind: "ServiceList",
    apiVersion: "v1",
    metadata: { resourceVersion: "42", ...more },
    items,
  });

describe("createKubeClient()", () => {
  test("paths, verbs, content types and queries are the API's", async () => {
    const { url, seen } = serve(({ body }) => Response.json(body ?? object("a")));
    const c = clientOf(url, { token: () => "secret" });
    await c.get(refs.service, "a", "default");
    await c.create(
      refs.virtualService,
      { ...object("r"), kind: "VirtualService" },
      { dryRun: true, fieldValidation: "Strict" },
    );
    await c.update(refs.service, object("a"), { subresource: "status" });
    await c.patch(refs.service, { namespace: "default", name: "a" }, { metadata: {} });
    await c.patch(refs.service, { namespace: "default", name: "a" }, [], { type: "json" });
    await c.delete(refs.namespace, { name: "x" }, { propagationPolicy: "Background", uid: "u" });
    expect(
      seen.map((s) => `${s.method} ${s.url.pathname}${s.url.search} ${s.headers.get("content-type")}`),
    ).toEqual([
      "GET /api/v1/namespaces/default/services/a null",
      "POST /apis/networking.istio.io/v1/namespaces/default/virtualservices?dryRun=All&fieldManager=weft&fieldValidation=Strict application/json",
      "PUT /api/v1/namespaces/default/services/a/status?fieldManager=weft application/json",
      "PATCH /api/v1/namespaces/default/services/a?fieldManager=weft application/merge-patch+json",
      "PATCH /api/v1/namespaces/default/services/a?fieldManager=weft application/json-patch+json",
      "DELETE /api/v1/namespaces/x application/json",
    ]);
    expect(seen[0]?.headers.get("authorization")).toBe("Bearer secret");
    expect(seen[5]?.body).toMatchObject({ propagationPolicy: "Background", preconditions: { uid: "u" } });
  });

  test("names do not leave their place in the path", () => {
    expect(pathOf(refs.service, { namespace: "a/b", name: "c?d" })).toBe(
      "/api/v1/namespaces/a%2Fb/services/c%3Fd",
    );
    for (const name of ["", ".", ".."]) expect(() => pathOf(refs.service, { name })).toThrow(RangeError);
  });

  test("a Status becomes a KubeError with causes; warnings reach the hook, also those of errors", async () => {
    const { url } = serve(() =>
      Response.json(
        {
          kind: "Status",
          apiVersion: "v1",
          status: "Failure",
          message: "it is invalid",
          reason: "Invalid",
          code: 422,
          details: {
            causes: [{ field: "spec.http[0]", message: "weights sum to 0", reason: "FieldValueInvalid" }],
          },
        },
        { status: 422, headers: { warning: '299 - "subset \\"v1\\" is not defined", 299 - "second"' } },
      ),
    );
    const warnings: string[] = [];
    const error = await clientOf(url, {}, (w) => warnings.push(w))
      .create(refs.service, object("a"))
      .catch((e) => e);
    expect(error).toBeInstanceOf(KubeError);
    expect(error).toMatchObject({
      status: 422,
      reason: "Invalid",
      message: "it is invalid",
      causes: [{ field: "spec.http[0]", message: "weights sum to 0", reason: "FieldValueInvalid" }],
    });
    expect(warnings).toEqual(['subset "v1" is not defined', "second"]);
    expect(parseWarnings(null)).toEqual([]);
  });

  test("no server, no JSON, and a page of a proxy are KubeErrors too", async () => {
    const gone = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    const port = gone.port;
    await gone.stop(true);
    expect(
      await clientOf(`http://127.0.0.1:${port}`)
        .get(refs.service, "a")
        .catch((e) => e.status),
    ).toBe(0);
    const page = serve(() => new Response("<html>", { status: 502 }));
    expect(
      await clientOf(page.url)
        .get(refs.service, "a")
        .catch((e) => [e.status, e.reason]),
    ).toEqual([502, "InternalError"]);
    const ok = serve(() => new Response("<html>"));
    expect(
      await clientOf(ok.url)
        .get(refs.service, "a")
        .catch((e) => e.reason),
    ).toBe("InvalidResponse");
  });

  test("a server that never answers is given up after 30 s", async () => {
    let arrived: () => void = () => {};
    const came = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const { url } = serve(() => {
      arrived();
      return new Promise<Response>(() => {});
    });
    const clock = fakeClock();
    const c = createKubeClient({ server: url, namespace: "default", context: "t" }, { clock });
    const failed = c.get(refs.service, "a").catch((e) => e);
    await came;
    clock.advance(limits.requestTimeoutMs);
    expect((await failed).status).toBe(0);
  });

  test("listAll() follows pages, and starts over where a page expired", async () => {
    let expire = false;
    const { url, seen } = serve(({ url: u }) => {
      const token = u.searchParams.get("continue");
      if (u.searchParams.get("limit") === null) return list([object("all")]);
      if (token === "next" && expire)
        return Response.json(
          { kind: "Status", code: 410, reason: "Expired", message: "old" },
          { status: 410 },
        );
      return token === "next" ? list([object("b")]) : list([object("a")], { continue: "next" });
    });
    const c = clientOf(url);
    expect(
      (await c.listAll(refs.service, { namespace: "default", labelSelector: "a=b" })).items.map(
        (o) => o.metadata.name,
      ),
    ).toEqual(["a", "b"]);
    expect(seen[0]?.url.search).toBe("?labelSelector=a%3Db&limit=500");
    expire = true;
    expect((await c.listAll(refs.service)).items.map((o) => o.metadata.name)).toEqual(["all"]);
  });

  test("apply() creates, then patches differences only, then leaves alone; foreign fields stay", async () => {
    let stored: KubeObject<object> | undefined;
    let version = 1;
    const { url, seen } = serve(({ method, body }) => {
      if (method === "GET")
        return stored === undefined
          ? Response.json({ kind: "Status", code: 404, reason: "NotFound", message: "no" }, { status: 404 })
          : Response.json(stored);
      if (method === "POST") stored = body as KubeObject<object>;
      else {
        const patch = body as { spec?: object; metadata?: { annotations?: object } };
        const annotations = { ...stored!.metadata.annotations, ...patch.metadata?.annotations };
        const spec = Object.fromEntries(
          Object.entries({ ...(stored!.spec as object), ...patch.spec }).filter(([, v]) => v !== null),
        );
        stored = { ...stored!, spec, metadata: { ...stored!.metadata, annotations } };
      }
      stored = { ...stored!, metadata: { ...stored!.metadata, resourceVersion: `${++version}` } };
      return Response.json(stored);
    });
    const c = clientOf(url);
    const wanted = (spec: object): KubeObject => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "a", namespace: "default" },
      spec,
    });
    expect((await c.apply(refs.service, wanted({ a: 1, b: 2 }))).action).toBe("created");
    stored = { ...stored!, spec: { ...stored!.spec, foreign: true } };
    expect((await c.apply(refs.service, wanted({ a: 1, b: 2 }))).action).toBe("unchanged");
    expect((await c.apply(refs.service, wanted({ a: 5 }))).action).toBe("configured");
    expect(stored!.spec).toEqual({ a: 5, foreign: true });
    expect(seen.at(-1)?.body).toMatchObject({ spec: { a: 5, b: null } });
  });

  test("over TLS only a server under the given CA is spoken to; a client certificate is shown", async () => {
    const [ca, foreign] = [await createTestCa(), await createTestCa("foreign")];
    const identity = await ca.leaf({ ips: ["127.0.0.1"] });
    const { url } = serve(() => Response.json(object("a")), { cert: identity.certPem, key: identity.keyPem });
    expect((await clientOf(url, { caPem: ca.caPem }).get(refs.service, "a")).metadata.name).toBe("a");
    const error = await clientOf(url, { caPem: foreign.caPem })
      .get(refs.service, "a")
      .catch((e) => e);
    expect(isKubeError(error, 0)).toBe(true);
    expect(
      isKubeError(
        await clientOf(url)
          .get(refs.service, "a")
          .catch((e) => e),
        0,
      ),
    ).toBe(true);
  });

  test("tokenRequest() and tokenReview(); a token for another audience proves nothing", async () => {
    let audiences = ["weft-ca"];
    const { url, seen } = serve(({ url: u }) =>
      u.pathname.endsWith("/token")
        ? Response.json({ status: { token: "jwt", expirationTimestamp: "2026-01-01T00:10:00Z" } })
        : Response.json({
            status: {
              authenticated: true,
              audiences,
              user: { username: "system:serviceaccount:default:reviews", uid: "u1" },
            },
          }),
    );
    const c = clientOf(url);
    expect(await c.tokenRequest("default", "reviews", { audience: "weft-ca", seconds: 600 })).toEqual({
      token: "jwt",
      expiresAtMs: Date.UTC(2026, 0, 1, 0, 10),
    });
    expect(seen[0]?.url.pathname).toBe("/api/v1/namespaces/default/serviceaccounts/reviews/token");
    expect(await c.tokenReview("jwt", ["weft-ca"])).toEqual({
      authenticated: true,
      username: "system:serviceaccount:default:reviews",
      identity: { namespace: "default", serviceAccount: "reviews", uid: "u1" },
    });
    audiences = ["other"];
    expect((await c.tokenReview("jwt", ["weft-ca"])).authenticated).toBe(false);
    audiences = undefined as never;
    expect((await c.tokenReview("jwt", ["weft-ca"])).authenticated).toBe(false);
  });

  test.each([
    "system:serviceaccount:a",
    "system:serviceaccount:a:b:c",
    "admin",
    "system:serviceaccount:../x:y",
    "",
  ])("%p is no service account", (name) => expect(identityOf(name)).toBeUndefined());
});

describe("watch()", () => {
  const event = (type: string, name: string): string => `${JSON.stringify({ type, object: object(name) })}\n`;

  test("delivers events in any split, skips heartbeats and unknown types, ends with the stream", async () => {
    const text = [
      "\n",
      event("ADDED", "ä"),
      event("LATER", "x"),
      event("DELETED", "b"),
      event("BOOKMARK", "c"),
    ].join("");
    const bytes = new TextEncoder().encode(text);
    for (const size of [1, 7, bytes.length]) {
      const { url, seen } = serve(
        () =>
          new Response(
            new ReadableStream({
              start(controller) {
                for (let at = 0; at < bytes.length; at += size)
                  controller.enqueue(bytes.slice(at, at + size));
                controller.close();
              },
            }),
          ),
      );
      const got: string[] = [];
      await clientOf(url).watch(refs.service, {
        namespace: "default",
        resourceVersion: "7",
        onEvent: (e: WatchEvent) => got.push(`${e.type} ${e.object.metadata.name}`),
      });
      expect(got).toEqual(["ADDED ä", "DELETED b", "BOOKMARK c"]);
      expect(seen[0]?.url.searchParams.get("resourceVersion")).toBe("7");
    }
  });

  test("410 in the stream and 410 as an answer are the same error", async () => {
    const status = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
    for (const answer of [
      () => new Response(`${JSON.stringify({ type: "ERROR", object: status })}\n`),
      () => Response.json(status, { status: 410 }),
    ]) {
      const { url } = serve(answer);
      const error = await clientOf(url)
        .watch(refs.service, { resourceVersion: "1", onEvent: () => {} })
        .catch((e) => e);
      expect(isKubeError(error, 410)).toBe(true);
    }
  });

  test("the caller's signal ends it in peace", async () => {
    const { url } = serve(
      () =>
        new Response(
          new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode(event("ADDED", "a"))) }),
        ),
    );
    const abort = new AbortController();
    let n = 0;
    await clientOf(url).watch(refs.service, {
      resourceVersion: "1",
      signal: abort.signal,
      onEvent: () => {
        n++;
        abort.abort();
      },
    });
    expect(n).toBe(1);
  });

  test("an event over the limit is refused, at the limit it is taken", () => {
    const line = new Uint8Array(limits.maxWatchEventBytes).fill(97);
    expect(new LineSplitter().feed(line)).toEqual([]);
    const splitter = new LineSplitter();
    splitter.feed(line);
    expect(() => splitter.feed(new Uint8Array([97]))).toThrow(KubeError);
  });
});

describe("threeWayPatch()", () => {
  test.each([
    [{}, { a: 1 }, {}, { a: 1 }],
    [{ a: 1 }, {}, { a: 1, b: 2 }, { a: null }],
    [{ a: 1 }, { a: 1 }, { a: 2 }, { a: 1 }],
    [{ a: { x: 1, y: 1 } }, { a: { x: 1 } }, { a: { x: 1, y: 1, z: 1 } }, { a: { y: null } }],
    [{ l: [1, 2] }, { l: [2] }, { l: [1, 2] }, { l: [2] }],
    [{ a: 1 }, { a: 1 }, { a: 1, other: true }, undefined],
    [{ a: 1 }, {}, {}, undefined],
    [undefined, { a: null }, { a: 1 }, { a: null }],
  ])("last %j, wanted %j, current %j", (last, wanted, current, patch) => {
    expect(threeWayPatch(last, wanted, current)).toEqual(patch);
  });
});

describe("loadKubeconfig()", () => {
  const dir = (): string => {
    const path = mkdtempSync(join(tmpdir(), "weft-kube-"));
    cleanup.push(() => rmSync(path, { recursive: true }));
    return path;
  };
  const config = (user: string, cluster = "certificate-authority-data: Q0E="): string => `
apiVersion: v1
kind: Config
current-context: dev
clusters: [{name: c, cluster: {server: "https://127.0.0.1:6443/", ${cluster}}}]
users: [{name: u, user: {${user}}}]
contexts: [{name: dev, context: {cluster: c, user: u, namespace: books}}]
`;

  test("inline data, tokens, namespaces", () => {
    const path = join(dir(), "config");
    writeFileSync(path, config("token: t, client-certificate-data: Q0VSVA==, client-key-data: S0VZ"));
    const c = loadKubeconfig({ path });
    expect(c).toMatchObject({
      server: "https://127.0.0.1:6443",
      caPem: "CA",
      certPem: "CERT",
      keyPem: "KEY",
      namespace: "books",
      context: "dev",
    });
    expect(c.token?.()).toBe("t");
  });

  test("files are relative to the kubeconfig; a token file is read each time", () => {
    const d = dir();
    writeFileSync(join(d, "config"), config("tokenFile: token", "certificate-authority: ca.crt"));
    writeFileSync(join(d, "ca.crt"), "PEM");
    writeFileSync(join(d, "token"), "one\n");
    const c = loadKubeconfig({ env: { KUBECONFIG: join(d, "config") } });
    expect(c.caPem).toBe("PEM");
    expect(c.token?.()).toBe("one");
    writeFileSync(join(d, "token"), "two");
    expect(c.token?.()).toBe("two");
  });

  test("the first file of KUBECONFIG that names something decides", () => {
    const d = dir();
    writeFileSync(join(d, "one"), "current-context: dev\nusers: [{name: u, user: {token: first}}]\n");
    writeFileSync(join(d, "two"), config("token: second"));
    expect(loadKubeconfig({ env: { KUBECONFIG: `${join(d, "one")}:${join(d, "two")}` } }).token?.()).toBe(
      "first",
    );
  });

  test("in a pod: the mounted account", () => {
    const d = dir();
    for (const [name, text] of [
      ["token", "jwt"],
      ["ca.crt", "CA"],
      ["namespace", "books"],
    ] as const)
      writeFileSync(join(d, name), text);
    const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
    const c = loadKubeconfig({ env, serviceAccountDir: d });
    expect(c).toMatchObject({ server: "https://[fd00::1]:443", caPem: "CA", namespace: "books" });
  });

  test.each([
    ["exec", config("exec: {command: aws}"), "exec is not supported"],
    ["no context", "clusters: []", "no current-context"],
    ["unknown context", "current-context: x\ncontexts: [{name: y, context: {}}]", "there are: y"],
    ["no YAML", "a: [", "config"],
    ["a missing file", config("client-key: nowhere.pem"), "cannot read"],
    ["no list", "clusters: 3", "clusters is not a list"],
  ])("%s is said plainly", (_name, text, message) => {
    const path = join(dir(), "config");
    writeFileSync(path, text);
    expect(() => loadKubeconfig({ path })).toThrow(KubeconfigError);
    expect(() => loadKubeconfig({ path })).toThrow(message);
  });
});
