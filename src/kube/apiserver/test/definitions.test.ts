import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Harness, type Json, startHarness } from "./harness.ts";

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const PIES = "/apis/bakery.example.com/v1/namespaces/default/pies";

const version = (name: string, more: Json = {}): Json => ({
  name,
  served: true,
  storage: name === "v1",
  schema: {
    openAPIV3Schema: {
      type: "object",
      properties: {
        spec: {
          type: "object",
          required: ["filling"],
          properties: {
            filling: { type: "string", pattern: "^[a-z]+$" },
            slices: { type: "integer", minimum: 1, default: 8 },
            replicas: { type: "integer" },
            free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
            layers: {
              type: "array",
              "x-kubernetes-list-type": "map",
              "x-kubernetes-list-map-keys": ["name"],
              items: {
                type: "object",
                required: ["name"],
                properties: { name: { type: "string" }, height: { type: "integer" } },
              },
            },
          },
        },
        status: { type: "object", properties: { replicas: { type: "integer" } } },
      },
    },
  },
  subresources: {
    status: {},
    scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
  },
  additionalPrinterColumns: [{ name: "Filling", type: "string", jsonPath: ".spec.filling" }],
  ...more,
});
const definition = (more: Json = {}): Json => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "pies.bakery.example.com" },
  spec: {
    group: "bakery.example.com",
    scope: "Namespaced",
    names: { plural: "pies", kind: "Pie", shortNames: ["pi"] },
    versions: [version("v1beta1"), version("v1")],
    ...more,
  },
});
const pie = (name: string, spec: Json, more: Json = {}): Json => ({
  apiVersion: "bakery.example.com/v1",
  kind: "Pie",
  metadata: { name, ...more },
  spec,
});

let api: Harness;
beforeAll(async () => {
  api = await startHarness();
  expect((await api.call("GET", PIES)).status).toBe(404);
  const made = await api.call("POST", CRDS, definition());
  expect([made.status, made.body.spec.names.listKind]).toEqual([201, "PieList"]);
  expect(made.body.status.conditions.map((c: Json) => [c.type, c.status])).toEqual([
    ["NamesAccepted", "True"],
    ["Established", "True"],
  ]);
});
afterAll(() => api[Symbol.asyncDispose]());

describe("a kind that a user defined", () => {
  test("is in discovery and OpenAPI, the stable version first", async () => {
    expect((await api.call("GET", "/apis/bakery.example.com")).body.preferredVersion.version).toBe("v1");
    const list = (await api.call("GET", "/apis/bakery.example.com/v1")).body.resources;
    expect(list.map((r: Json) => r.name).sort()).toEqual(["pies", "pies/scale", "pies/status"]);
    const open = (await api.call("GET", "/openapi/v3/apis/bakery.example.com/v1")).body;
    expect(JSON.stringify(open.components.schemas)).toContain('"slices"');
  });

  test("defaults, prunes and validates; both versions show one object", async () => {
    const made = await api.call(
      "POST",
      PIES,
      pie("apple", { filling: "apple", more: 1, free: { any: [1] } }),
    );
    expect([made.status, made.body.spec]).toEqual([201, { filling: "apple", slices: 8, free: { any: [1] } }]);
    expect(made.warnings).toEqual(['299 - "unknown field \\"spec.more\\""']);
    const old = await api.call("GET", `${PIES.replace("/v1/", "/v1beta1/")}/apple`);
    expect([old.body.apiVersion, old.body.spec.slices]).toEqual(["bakery.example.com/v1beta1", 8]);
    for (const [spec, field] of [
      [{ filling: "A!" }, "spec.filling"],
      [{}, "spec.filling"],
      [{ filling: "a", slices: 0 }, "spec.slices"],
      [{ filling: null }, "spec.filling"],
      [{ filling: "a", layers: [{ name: "x" }, { name: "x" }] }, "spec.layers[1]"],
    ] as const) {
      const bad = await api.call("POST", PIES, pie("bad", spec));
      expect([bad.status, bad.body.details.causes.map((c: Json) => c.field)]).toEqual([
        422,
        expect.arrayContaining([field]),
      ]);
    }
  });

  test("has its columns, its status apart, and a scale", async () => {
    await api.call("POST", PIES, pie("plum", { filling: "plum" }));
    const table = await api.call("GET", `${PIES}/plum`, undefined, {
      accept: "application/json;as=Table;v=v1;g=meta.k8s.io",
    });
    expect(table.body.columnDefinitions.map((c: Json) => c.name)).toEqual(["Name", "Filling"]);
    expect(table.body.rows[0].cells).toEqual(["plum", "plum"]);
    const type = "application/merge-patch+json";
    const scaled = await api.call("PATCH", `${PIES}/plum/scale`, { spec: { replicas: 3 } }, { type });
    expect([scaled.status, scaled.body.kind, scaled.body.spec]).toEqual([200, "Scale", { replicas: 3 }]);
    await api.call(
      "PATCH",
      `${PIES}/plum/status`,
      { status: { replicas: 2 }, spec: { filling: "no" } },
      { type },
    );
    const now = (await api.call("GET", `${PIES}/plum`)).body;
    expect([now.spec.filling, now.status, now.metadata.generation]).toEqual(["plum", { replicas: 2 }, 2]);
    expect((await api.call("GET", `${PIES}/plum/scale`)).body.status.replicas).toBe(2);
  });

  test("survives a restart; goes with all its objects when its definition goes", async () => {
    await api.restart();
    expect((await api.call("GET", `${PIES}/apple`)).status).toBe(200);
    const name = `${CRDS}/pies.bakery.example.com`;
    expect((await api.call("DELETE", name)).status).toBe(200);
    expect([(await api.call("GET", name)).status, (await api.call("GET", PIES)).status]).toEqual([404, 404]);
    await api.call("POST", CRDS, definition());
    expect((await api.call("GET", PIES)).body.items).toEqual([]);
  });
});

describe("a definition is refused for what is wrong with it", () => {
  test.each([
    ["a name that does not fit", { names: { plural: "cakes", kind: "Pie" } }, "metadata.name"],
    ["two stored versions", { versions: [version("v1"), version("v2", { storage: true })] }, "spec.versions"],
    [
      "no schema",
      { versions: [version("v1", { schema: undefined })] },
      "spec.versions[0].schema.openAPIV3Schema",
    ],
    ["a webhook", { conversion: { strategy: "Webhook" } }, "spec.conversion.strategy"],
    [
      "a field without a type",
      {
        versions: [
          version("v1", { schema: { openAPIV3Schema: { type: "object", properties: { spec: {} } } } }),
        ],
      },
      "spec.versions[0].schema.openAPIV3Schema.properties[spec].type",
    ],
  ])("%s", async (_, more, field) => {
    const answer = await api.call("POST", `${CRDS}?dryRun=All`, definition(more));
    expect([answer.status, answer.body.details?.causes?.map((c: Json) => c.field)]).toEqual([
      422,
      expect.arrayContaining([field]),
    ]);
  });

  test("one for a kind that the server has itself is kept, with a warning, and changes nothing", async () => {
    const made = await api.call("POST", CRDS, {
      ...definition({ group: "networking.istio.io", names: { plural: "sidecars", kind: "Sidecar" } }),
      metadata: { name: "sidecars.networking.istio.io" },
    });
    expect([made.status, made.warnings[0]]).toEqual([201, expect.stringContaining("changes nothing")]);
    expect((await api.call("DELETE", `${CRDS}/sidecars.networking.istio.io`)).status).toBe(200);
    expect((await api.call("GET", "/apis/networking.istio.io/v1/sidecars")).status).toBe(200);
  });
});
