import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { MAX_BODY_BYTES } from "../limits.ts";
import { CM, configMap, type Harness, startHarness, VS, virtualService } from "./harness.ts";

let api: Harness;
beforeAll(async () => {
  api = await startHarness();
});
afterAll(() => api[Symbol.asyncDispose]());

const svc = (name: string, spec: unknown) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name },
  spec,
});
const SVC = "/api/v1/namespaces/default/services";

describe("create, read, update, delete", () => {
  test("a created object has identity, and reads back the same", async () => {
    const made = await api.call("POST", CM, configMap("one", { a: "b" }));
    expect(made.status).toBe(201);
    expect(made.body.metadata).toMatchObject({ name: "one", namespace: "default" });
    expect(made.body.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect((await api.call("GET", `${CM}/one`)).body).toEqual(made.body);
  });

  test("409 AlreadyExists, 404 NotFound, 409 Conflict, each as a Status with details", async () => {
    await api.call("POST", CM, configMap("two"));
    expect(await api.call("POST", CM, configMap("two"))).toMatchObject({
      status: 409,
      body: { kind: "Status", reason: "AlreadyExists", details: { name: "two", kind: "configmaps" } },
    });
    expect(await api.call("GET", `${CM}/none`)).toMatchObject({
      status: 404,
      body: { reason: "NotFound", message: 'configmaps "none" not found' },
    });
    expect((await api.call("PUT", `${CM}/none`, configMap("none"))).status).toBe(404);
    expect((await api.call("POST", "/api/v1/namespaces/nowhere/configmaps", configMap("x"))).status).toBe(
      404,
    );
    const old = (await api.call("GET", `${CM}/two`)).body;
    expect((await api.call("PUT", `${CM}/two`, { ...old, data: { n: "1" } })).status).toBe(200);
    expect(await api.call("PUT", `${CM}/two`, { ...old, data: { n: "2" } })).toMatchObject({
      status: 409,
      body: { reason: "Conflict" },
    });
  });

  test("of many conditional updates exactly one wins; unconditional patches all land", async () => {
    const { body } = await api.call("POST", CM, configMap("race"));
    const puts = await Promise.all(
      [...Array(8).keys()].map((i) => api.call("PUT", `${CM}/race`, { ...body, data: { i: `${i}` } })),
    );
    expect(puts.map((p) => p.status).sort()).toEqual([200, 409, 409, 409, 409, 409, 409, 409]);
    const type = "application/merge-patch+json";
    const patches = await Promise.all(
      [...Array(8).keys()].map((i) =>
        api.call("PATCH", `${CM}/race`, { data: { [`k${i}`]: "v" } }, { type }),
      ),
    );
    expect(patches.every((p) => p.status === 200)).toBe(true);
    expect(Object.keys((await api.call("GET", `${CM}/race`)).body.data)).toHaveLength(9);
  });

  test("generateName makes different names; a write that changes nothing makes no revision", async () => {
    const generated = { apiVersion: "v1", kind: "ConfigMap", metadata: { generateName: "gen-" } };
    const names = await Promise.all(
      [1, 2, 3].map(async () => (await api.call("POST", CM, generated)).body.metadata.name),
    );
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/^gen-[a-z0-9]{5}$/);
    const { body } = await api.call("GET", `${CM}/${names[0]}`);
    expect((await api.call("PUT", `${CM}/${names[0]}`, body)).body.metadata.resourceVersion).toBe(
      body.metadata.resourceVersion,
    );
  });

  test("dryRun=All answers as if, and stores nothing", async () => {
    expect((await api.call("POST", `${CM}?dryRun=All`, configMap("dry"))).status).toBe(201);
    expect((await api.call("GET", `${CM}/dry`)).status).toBe(404);
    await api.call("POST", CM, configMap("wet"));
    expect((await api.call("DELETE", `${CM}/wet?dryRun=All`)).status).toBe(200);
    expect((await api.call("DELETE", `${CM}/wet`, { preconditions: { uid: "other" } })).status).toBe(409);
    expect(await api.call("DELETE", `${CM}/wet`)).toMatchObject({
      status: 200,
      body: { status: "Success", details: { name: "wet" } },
    });
  });

  test("finalizers hold an object until the last one is taken away", async () => {
    await api.call("POST", CM, {
      ...configMap("held"),
      metadata: { name: "held", finalizers: ["example.com/hold"] },
    });
    expect((await api.call("DELETE", `${CM}/held`)).body.metadata.deletionTimestamp).toBeDefined();
    expect((await api.call("GET", `${CM}/held`)).status).toBe(200);
    await api.call(
      "PATCH",
      `${CM}/held`,
      { metadata: { finalizers: null } },
      { type: "application/merge-patch+json" },
    );
    expect((await api.call("GET", `${CM}/held`)).status).toBe(404);
  });

  test("a namespace brings its service account and takes its contents with it", async () => {
    await api.call("POST", "/api/v1/namespaces", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "tmp" },
    });
    expect((await api.call("GET", "/api/v1/namespaces/tmp/serviceaccounts/default")).status).toBe(200);
    await api.call(
      "POST",
      "/api/v1/namespaces/tmp/services",
      svc("web", { ports: [{ port: 80 }], clusterIP: "10.96.7.7" }),
    );
    expect((await api.call("DELETE", "/api/v1/namespaces/tmp")).status).toBe(200);
    expect((await api.call("GET", "/api/v1/namespaces/tmp")).status).toBe(404);
    expect((await api.call("GET", "/api/v1/namespaces/tmp/services/web")).status).toBe(404);
    // Its address is free again.
    expect(
      (await api.call("POST", SVC, svc("heir", { ports: [{ port: 80 }], clusterIP: "10.96.7.7" }))).status,
    ).toBe(201);
  });
});

describe("kinds", () => {
  test("one stored VirtualService is served in all versions", async () => {
    const v1beta1 = { ...virtualService("versions"), apiVersion: "networking.istio.io/v1beta1" };
    expect((await api.call("POST", VS.replace("/v1/", "/v1beta1/"), v1beta1)).status).toBe(201);
    for (const version of ["v1", "v1beta1", "v1alpha3"]) {
      const { body } = await api.call("GET", `${VS.replace("/v1/", `/${version}/`)}/versions`);
      expect(body.apiVersion).toBe(`networking.istio.io/${version}`);
      expect(body.spec).toEqual(v1beta1.spec);
    }
  });

  test("events are told in both dialects", async () => {
    const event = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: "e" },
      involvedObject: { kind: "Service", name: "x" },
      message: "hello",
      reason: "R",
    };
    expect((await api.call("POST", "/api/v1/namespaces/default/events", event)).status).toBe(201);
    const { body } = await api.call("GET", "/apis/events.k8s.io/v1/namespaces/default/events/e");
    expect(body).toMatchObject({ apiVersion: "events.k8s.io/v1", note: "hello", regarding: { name: "x" } });
  });

  test("services get defaults and addresses of their own; headless ones none", async () => {
    const made = (await api.call("POST", SVC, svc("web", { ports: [{ port: 80 }] }))).body.spec;
    expect(made).toMatchObject({
      type: "ClusterIP",
      sessionAffinity: "None",
      ports: [{ port: 80, targetPort: 80, protocol: "TCP" }],
    });
    expect(made.clusterIP).toMatch(/^10\.96\./);
    expect(
      (await api.call("POST", SVC, svc("none", { clusterIP: "None", ports: [{ port: 80 }] }))).body.spec
        .clusterIP,
    ).toBe("None");
    const taken = await api.call(
      "POST",
      SVC,
      svc("thief", { ports: [{ port: 80 }], clusterIP: made.clusterIP }),
    );
    expect(taken).toMatchObject({
      status: 422,
      body: { reason: "Invalid", details: { causes: [{ field: "spec.clusterIPs" }] } },
    });
    expect(
      (await api.call("POST", SVC, svc("far", { ports: [{ port: 80 }], clusterIP: "192.168.0.1" }))).status,
    ).toBe(422);
    const changed = await api.call("PUT", `${SVC}/web`, svc("web", { ports: [{ port: 81 }] }));
    expect(changed.body.spec).toMatchObject({ clusterIP: made.clusterIP, ports: [{ port: 81 }] });
  });

  test("stringData of a secret lands in data", async () => {
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, stringData: { k: "välue" } };
    const { body } = await api.call("POST", "/api/v1/namespaces/default/secrets", secret);
    expect(body.stringData).toBeUndefined();
    expect(Buffer.from(body.data.k, "base64").toString()).toBe("välue");
    expect(body.type).toBe("Opaque");
  });

  test("spec and status do not touch each other; generation counts the spec", async () => {
    const made = (await api.call("POST", VS, { ...virtualService("gen"), status: { conditions: [] } })).body;
    expect([made.metadata.generation, made.status]).toEqual([1, undefined]);
    const conditions = [{ type: "Reconciled", status: "True" }];
    const status = (
      await api.call("PUT", `${VS}/gen/status`, {
        ...made,
        spec: { hosts: ["other"] },
        status: { conditions },
      })
    ).body;
    expect([status.metadata.generation, status.spec.hosts, status.status.conditions]).toEqual([
      1,
      ["reviews"],
      conditions,
    ]);
    const unsaid = await api.call("PUT", `${VS}/gen`, virtualService("gen", { hosts: ["details"] }));
    expect([unsaid.status, unsaid.body.details.causes[0].field]).toEqual([422, "metadata.resourceVersion"]);
    const { resourceVersion } = (await api.call("GET", `${VS}/gen`)).body.metadata;
    const next = virtualService("gen", { hosts: ["details"] });
    const said = { ...next, metadata: { ...next.metadata, resourceVersion } };
    const spec = (await api.call("PUT", `${VS}/gen`, said)).body;
    expect([spec.metadata.generation, spec.spec.hosts, spec.status.conditions]).toEqual([
      2,
      ["details"],
      conditions,
    ]);
    const label = await api.call(
      "PATCH",
      `${VS}/gen`,
      { metadata: { labels: { a: "b" } } },
      { type: "application/merge-patch+json" },
    );
    expect(label.body.metadata.generation).toBe(2);
  });
});

describe("bad input is refused with its path", () => {
  const refused: readonly [string, unknown, string][] = [
    [
      "a wrong type",
      virtualService("x", { http: [{ route: [{ destination: { host: "a" }, weight: "9" }] }] }),
      "spec.http[0].route[0].weight",
    ],
    [
      "two alternatives",
      virtualService("x", {
        http: [{ match: [{ uri: { exact: "a", prefix: "b" } }], route: [{ destination: { host: "a" } }] }],
      }),
      "spec.http[0].match[0].uri",
    ],
    [
      "no destination",
      virtualService("x", { http: [{ route: [{ weight: 3 }] }] }),
      "spec.http[0].route[0].destination",
    ],
    ["a name in capitals", virtualService("BIG"), "metadata.name"],
    [
      "a bad label",
      { ...virtualService("x"), metadata: { name: "x", labels: { a: "b c" } } },
      "metadata.labels",
    ],
  ];
  for (const [what, object, field] of refused) {
    test(what, async () => {
      const { status, body } = await api.call("POST", VS, object);
      expect([status, body.reason, body.details.causes[0].field]).toEqual([422, "Invalid", field]);
      expect(body.message).toContain(field);
    });
  }

  test("unknown and doubled fields: Strict refuses, Warn says so and drops them, Ignore is silent", async () => {
    const text = JSON.stringify(virtualService("fields")).replace(
      '"spec":{',
      '"spec":{"hots":1,"hosts":["x"],',
    );
    const strict = await api.call("POST", `${VS}?fieldValidation=Strict`, text);
    expect(strict).toMatchObject({
      status: 400,
      body: {
        reason: "BadRequest",
        message:
          'VirtualService in version "v1" cannot be handled as a VirtualService: strict decoding error: duplicate field "spec.hosts", unknown field "spec.hots"',
      },
    });
    const warned = await api.call("POST", `${VS}?fieldValidation=Warn`, text);
    expect(warned.status).toBe(201);
    expect(warned.warnings).toEqual([
      '299 - "duplicate field \\"spec.hosts\\""',
      '299 - "unknown field \\"spec.hots\\""',
    ]);
    expect(warned.body.spec.hots).toBeUndefined();
    await api.call("DELETE", `${VS}/fields`);
    expect(await api.call("POST", `${VS}?fieldValidation=Ignore`, text)).toMatchObject({
      status: 201,
      warnings: [],
    });
  });

  test("paths that could escape, bodies too large or too deep, media types unknown", async () => {
    expect((await api.call("GET", `${CM}/..%2f..%2fsecrets`)).status).toBe(400);
    expect((await api.call("GET", "/api/v1/nonsense")).status).toBe(404);
    expect((await api.call("POST", CM, `{"data":"${"x".repeat(MAX_BODY_BYTES)}"}`)).status).toBe(413);
    expect((await api.call("POST", CM, `${"[".repeat(200)}${"]".repeat(200)}`)).status).toBe(400);
    expect((await api.call("POST", CM, "x", { type: "application/octet-stream" })).status).toBe(415);
    expect((await api.call("POST", CM, "{")).status).toBe(400);
    expect((await api.call("POST", CM, virtualService("x"))).status).toBe(400);
    const bomb = [
      "a: &a [x,x,x,x,x,x,x,x,x]",
      ..."bcdefgh".split("").map((c, i) => `${c}: &${c} [${`*${"abcdefgh"[i]},`.repeat(9)}]`),
    ].join("\n");
    expect(
      (await api.call("PATCH", `${CM}/bomb?fieldManager=t`, bomb, { type: "application/apply-patch+yaml" }))
        .status,
    ).toBe(400);
  });
});

describe("patches", () => {
  test("JSON patch: add, test, move; a failing operation changes nothing", async () => {
    const type = "application/json-patch+json";
    await api.call("POST", CM, configMap("jp", { a: "1" }));
    const ok = await api.call(
      "PATCH",
      `${CM}/jp`,
      [
        { op: "test", path: "/data/a", value: "1" },
        { op: "move", from: "/data/a", path: "/data/b" },
      ],
      { type },
    );
    expect(ok.body.data).toEqual({ b: "1" });
    const bad = await api.call(
      "PATCH",
      `${CM}/jp`,
      [
        { op: "add", path: "/data/c", value: "1" },
        { op: "test", path: "/data/b", value: "9" },
      ],
      { type },
    );
    expect(bad.status).toBe(422);
    expect((await api.call("GET", `${CM}/jp`)).body.data).toEqual({ b: "1" });
    const bomb = [...Array(40)].map((_, i) => ({ op: "copy", from: "/data", path: `/data/x${i}` }));
    expect((await api.call("PATCH", `${CM}/jp`, bomb, { type })).status).toBe(413);
  });

  test("strategic merge: ports by their number, deletions by directive; refused for custom kinds", async () => {
    const type = "application/strategic-merge-patch+json";
    await api.call(
      "POST",
      SVC,
      svc("smp", {
        ports: [
          { name: "a", port: 1 },
          { name: "b", port: 2 },
        ],
      }),
    );
    const ports = [
      { port: 2, name: "bee" },
      { port: 1, $patch: "delete" },
      { port: 3, name: "c" },
    ];
    const { body } = await api.call("PATCH", `${SVC}/smp`, { spec: { ports } }, { type });
    expect(body.spec.ports.map((p: { port: number; name: string }) => [p.port, p.name])).toEqual([
      [2, "bee"],
      [3, "c"],
    ]);
    await api.call("POST", VS, virtualService("smp"));
    expect((await api.call("PATCH", `${VS}/smp`, {}, { type })).status).toBe(415);
  });

  test("server-side apply: makes, changes, drops what is no longer said, and names conflicts", async () => {
    const apply = (manager: string, data: unknown, more = "") =>
      api.call("PATCH", `${CM}/ssa?fieldManager=${manager}${more}`, JSON.stringify(configMap("ssa", data)), {
        type: "application/apply-patch+yaml",
      });
    expect((await apply("a", { x: "1", y: "1" })).status).toBe(201);
    expect((await apply("b", { z: "1" })).body.data).toEqual({ x: "1", y: "1", z: "1" });
    expect((await apply("a", { x: "2" })).body.data).toEqual({ x: "2", z: "1" });
    const clash = await apply("b", { x: "3" });
    expect(clash).toMatchObject({
      status: 409,
      body: { details: { causes: [{ reason: "FieldManagerConflict", field: ".data.x" }] } },
    });
    expect((await apply("b", { x: "3" }, "&force=true")).body.data).toEqual({ x: "3" });
  });
});

describe("lists", () => {
  test("labels and fields select; limit and continue walk one revision", async () => {
    const base = "/api/v1/namespaces/weft-system/configmaps";
    for (const n of [1, 2, 3]) {
      const body = {
        ...configMap(`l${n}`),
        metadata: { name: `l${n}`, labels: { n: `${n}`, odd: String(n % 2) } },
      };
      await api.call("POST", base, body);
    }
    const names = async (query: string) =>
      (await api.call("GET", `${base}?${query}`)).body.items.map(
        (i: { metadata: { name: string } }) => i.metadata.name,
      );
    expect(await names("labelSelector=odd%3D1")).toEqual(["l1", "l3"]);
    expect(await names(`labelSelector=${encodeURIComponent("n in (1,2),n!=1,!gone")}`)).toEqual(["l2"]);
    expect(await names("fieldSelector=metadata.name%3Dl3")).toEqual(["l3"]);
    expect((await api.call("GET", `${base}?labelSelector=${encodeURIComponent("a in (")}`)).status).toBe(400);
    expect((await api.call("GET", `${base}?labelSelector=${"a%3Db,".repeat(200)}a`)).status).toBe(400);
    const first = (await api.call("GET", `${base}?limit=2`)).body;
    expect([first.items.length, first.metadata.remainingItemCount]).toEqual([2, 1]);
    await api.call("DELETE", `${base}/l3`);
    const rest = (await api.call("GET", `${base}?limit=2&continue=${first.metadata.continue}`)).body;
    expect(rest.items.map((i: { metadata: { name: string } }) => i.metadata.name)).toEqual(["l3"]);
    expect((await api.call("GET", `${base}?continue=junk`)).status).toBe(400);
  });
});
