import { describe, expect, test } from "bun:test";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { fromOpenApi, type OpenApiSchema } from "../../kinds/from-openapi.ts";
import type { Schema } from "../../kinds/index.ts";
import { checkStructure, MAX_SCHEMA_DEPTH } from "../../kinds/structure.ts";
import type { Doc } from "../document.ts";
import { showPath, subtract, union } from "../field-set.ts";
import { compare, fieldsOf, mergeApplied, withoutFields } from "../fields.ts";
import { MAX_UPDATE_MANAGERS } from "../limits.ts";
import { entriesOf, trackCreate, trackUpdate } from "../managed-fields.ts";
import { decodeProtobuf } from "../protobuf.ts";

const text: Schema = { type: "string" };
const schema: Schema = {
  type: "object",
  properties: {
    labels: { type: "object", additionalProperties: text },
    set: { type: "array", items: text, listType: "set" },
    whole: { type: "array", items: text },
    ports: {
      type: "array",
      listType: "map",
      listKeys: ["port", "protocol"],
      items: {
        type: "object",
        properties: { port: { type: "integer" }, protocol: { type: "string", default: "TCP" }, name: text },
      },
    },
  },
};
const port = 'k:{"port":80,"protocol":"TCP"}';

describe("sets of fields", () => {
  test("items by their keys, with defaults; sets by value; other lists whole", () => {
    expect(fieldsOf(schema, { ports: [{ port: 80, name: "a" }], set: ["x"], whole: ["y"] }, false)).toEqual({
      "f:ports": { [port]: { ".": {}, "f:port": {}, "f:name": {} } },
      "f:set": { 'v:"x"': {} },
      "f:whole": {},
    });
  });

  test("union and difference keep apart a field and what is below it", () => {
    const both = union({ "f:a": {} }, { "f:a": { "f:b": {} } });
    expect(both).toEqual({ "f:a": { ".": {}, "f:b": {} } });
    expect(subtract(both, { "f:a": {} })).toEqual({ "f:a": { "f:b": {} } });
    expect(subtract(both, { "f:a": {} }, true)).toEqual({});
    expect(subtract(both, { "f:a": { "f:b": {} } })).toEqual({ "f:a": {} });
  });

  test("what changed, what went, and how it is shown", () => {
    const before = { labels: { a: "1", b: "2" }, ports: [{ port: 80 }] };
    const after = { labels: { a: "3" }, ports: [{ port: 80, name: "n" }] };
    expect(compare(schema, before, after)).toEqual({
      changed: { "f:labels": { "f:a": {} }, "f:ports": { [port]: { "f:name": {} } } },
      removed: { "f:labels": { "f:b": {} } },
    });
    expect(showPath(["f:ports", port, "f:name"])).toBe('.ports[port=80,protocol="TCP"].name');
  });

  test("applied lists merge by key and are taken back by key", () => {
    const merged = mergeApplied(schema, { ports: [{ port: 80, name: "a" }] }, { ports: [{ port: 81 }] });
    expect(merged).toEqual({ ports: [{ port: 80, name: "a" }, { port: 81 }] });
    expect(withoutFields(schema, merged, { "f:ports": { [port]: { ".": {} } } })).toEqual({
      ports: [{ port: 81 }],
    });
  });
});

describe("limits, at each and one past it", () => {
  const doc = (n: number): Doc => ({
    apiVersion: "v1",
    kind: "X",
    metadata: { name: "x", labels: Object.fromEntries(Array.from({ length: n }, (_, i) => [`l${i}`, "v"])) },
  });

  test("updaters of one object: the oldest are joined", () => {
    const metadata: Schema = {
      type: "object",
      properties: { metadata: { type: "object", properties: schema.properties! } },
    };
    const time = (i: number) => `2026-01-01T00:00:${String(i).padStart(2, "0")}Z`;
    let now = trackCreate(metadata, doc(1), { manager: "m0", time: time(0) });
    const write = (i: number) => {
      const next = {
        ...doc(i + 1),
        metadata: { ...doc(i + 1).metadata, managedFields: now.metadata.managedFields! },
      };
      now = trackUpdate(metadata, now, next, { manager: `m${i}`, time: time(i) });
    };
    for (let i = 1; i < MAX_UPDATE_MANAGERS; i++) write(i);
    expect(entriesOf(now).map((e) => e.manager)).not.toContain("ancient-changes");
    write(MAX_UPDATE_MANAGERS);
    expect(entriesOf(now)).toHaveLength(MAX_UPDATE_MANAGERS);
    const old = entriesOf(now).find((e) => e.manager === "ancient-changes")!;
    expect(old.fieldsV1).toEqual({ "f:metadata": { "f:labels": { ".": {}, "f:l0": {}, "f:l1": {} } } });
  });

  test("nesting of a user's schema", () => {
    const nested = (depth: number): OpenApiSchema =>
      depth === 0 ? { type: "string" } : { type: "object", properties: { a: nested(depth - 1) } };
    expect(checkStructure(nested(MAX_SCHEMA_DEPTH), "s")).toEqual([]);
    expect(checkStructure(nested(MAX_SCHEMA_DEPTH + 1), "s")).toHaveLength(1);
    expect(fromOpenApi(nested(2))).toMatchObject({
      properties: { a: { properties: { a: { type: "string" } } } },
    });
  });
});

describe("protobuf bodies", () => {
  const inner = (writer: BinaryWriter, field: number, write: (w: BinaryWriter) => void): void => {
    writer.tag(field, WireType.LengthDelimited).fork();
    write(writer);
    writer.join();
  };
  const bytes = (apiVersion: string, kind: string, write: (w: BinaryWriter) => void): Uint8Array => {
    const body = new BinaryWriter();
    write(body);
    const outer = new BinaryWriter();
    inner(outer, 1, (w) => {
      w.tag(1, WireType.LengthDelimited).string(apiVersion);
      w.tag(2, WireType.LengthDelimited).string(kind);
    });
    outer.tag(2, WireType.LengthDelimited).bytes(body.finish());
    return Buffer.concat([Buffer.from("k8s\0"), outer.finish()]);
  };

  test("a lease: times with microseconds; zeros of Go are silence, zeros that mean something stay", () => {
    const lease = bytes("coordination.k8s.io/v1", "Lease", (w) => {
      inner(w, 1, (m) => m.tag(1, WireType.LengthDelimited).string("l"));
      inner(w, 2, (s) => {
        s.tag(1, WireType.LengthDelimited).string("me");
        inner(s, 4, (t) => {
          t.tag(1, WireType.Varint).int64(1_700_000_000n);
          t.tag(2, WireType.Varint).int32(5_000_000);
        });
        s.tag(5, WireType.Varint).int32(0);
      });
    });
    expect(decodeProtobuf(lease)).toEqual({
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "l" },
      spec: { holderIdentity: "me", renewTime: "2023-11-14T22:13:20.005000Z" },
    });
    const scale = bytes("autoscaling/v1", "Scale", (w) =>
      inner(w, 2, (s) => s.tag(1, WireType.Varint).int32(0)),
    );
    expect(decodeProtobuf(scale)).toMatchObject({ spec: { replicas: 0 } });
  });

  test("garbage is a bad request, an unknown kind an unsupported one", () => {
    expect(() => decodeProtobuf(Buffer.from("nope"))).toThrow("magic number");
    const broken = bytes("v1", "Pod", (w) => w.tag(1, WireType.LengthDelimited).uint32(99));
    expect(() => decodeProtobuf(broken)).toThrow("malformed");
    expect(() => decodeProtobuf(bytes("v1", "Nothing", () => undefined))).toThrow("not supported");
  });
});
