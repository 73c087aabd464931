import { describe, expect, test } from "bun:test";
import { buildSnapshot, type KubeObject } from "../translate/index.ts";
import { analyze, describe as tell } from "./index.ts";

type Manifest = KubeObject & { readonly spec: unknown };

function manifest(kind: string, apiVersion: string, name: string, spec: unknown): Manifest {
  return { apiVersion, kind, metadata: { name, namespace: "default" }, spec };
}

const service = manifest("Service", "v1", "reviews", {
  selector: { app: "reviews" },
  ports: [{ name: "http", port: 9080 }],
});
const workload = manifest("WorkloadEntry", "networking.istio.io/v1", "reviews-v1", {
  address: "127.66.0.2",
  labels: { app: "reviews", version: "v1" },
});
const route = (http: unknown): Manifest =>
  manifest("VirtualService", "networking.istio.io/v1", "r", { hosts: ["reviews"], http });

describe("admission", () => {
  test("wrong in itself: refused with causes", () => {
    const { causes } = analyze(
      route([{ timeout: "x", route: [{ destination: { host: "reviews" }, weight: 0 }] }]),
    );
    expect(causes.map((c) => [c.field, c.reason])).toEqual([
      ["spec.http[0].route[0].weight", "FieldValueInvalid"],
      ["spec.http[0].timeout", "FieldValueInvalid"],
    ]);
  });

  test("a missing field is said to be required", () => {
    const { causes } = analyze(manifest("VirtualService", "networking.istio.io/v1", "r", { http: [] }));
    expect(causes).toEqual([
      { reason: "FieldValueRequired", field: "spec.hosts", message: "at least one host is required" },
    ]);
  });

  test("wrong by reference: accepted with a warning that names the field", () => {
    const object = route([{ timeout: "1s", route: [{ destination: { host: "nobody" } }] }]);
    const { causes, warnings } = analyze(object, buildSnapshot([service]));
    expect(causes).toEqual([]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toStartWith("spec.http[0].route[0].destination.host: there is no service nobody");
  });

  test("notes are no warnings", () => {
    const { warnings, messages } = analyze(
      route([{ route: [{ destination: { host: "reviews" } }] }]),
      buildSnapshot([service]),
    );
    expect(warnings).toEqual([]);
    expect(messages.map((m) => m.code)).toEqual(["no-timeout"]);
  });

  test("an update replaces the stored object and does not conflict with itself", () => {
    const old = route([{ timeout: "1s", route: [{ destination: { host: "reviews" } }] }]);
    const { warnings } = analyze(
      route([{ timeout: "2s", route: [{ destination: { host: "reviews" } }] }]),
      buildSnapshot([service, old]),
    );
    expect(warnings).toEqual([]);
  });

  test("others' mistakes are not this object's", () => {
    const bad = manifest("DestinationRule", "networking.istio.io/v1", "bad", { host: "" });
    const { causes } = analyze(
      route([{ timeout: "1s", route: [{ destination: { host: "reviews" } }] }]),
      buildSnapshot([service, bad]),
    );
    expect(causes).toEqual([]);
  });

  test("kinds that the mesh does not read pass", () => {
    expect(analyze(manifest("Deployment", "apps/v1", "x", { replicas: "many" }))).toEqual({
      causes: [],
      warnings: [],
      messages: [],
    });
  });
});

test("describe tells what acts, what differs, what is ignored, for the files asked about", () => {
  const object = route([
    {
      headers: { request: { remove: ["connection"] } },
      timeout: "1s",
      route: [{ destination: { host: "reviews", subset: "v1" }, weight: 90 }],
    },
  ]);
  const files = new Map([["VirtualService/default/r", "r.yaml"]]);
  const told = tell(buildSnapshot([service, workload, object]), files);
  expect(told).toHaveLength(1);
  const [one] = told;
  expect(one!.file).toBe("r.yaml");
  expect(one!.acts).toEqual([
    "all other requests to reviews.default.svc.cluster.local go to reviews.default.svc.cluster.local subset v1, 1000 ms in all",
  ]);
  expect(one!.differs.map((m) => m.code).sort()).toEqual(["lone-weight", "undefined-subset"]);
  expect(one!.ignored.map((m) => m.field)).toEqual(["spec.http[0].headers.request.remove[0]"]);
  expect(one!.errors).toEqual([]);
});

test("before any workload exists: a policy says what it does, and what waits for a service says so once", () => {
  const strict = manifest("PeerAuthentication", "security.istio.io/v1", "p", { mtls: { mode: "STRICT" } });
  const to = { route: [{ destination: { host: "reviews" } }] };
  const told = tell(buildSnapshot([strict, route([{ ...to, match: [{ uri: { prefix: "/a" } }] }, to])]));
  const of = (kind: string) => told.find((d) => d.ref.kind === kind)!;
  expect(of("PeerAuthentication").acts).toEqual([
    "plaintext to workloads of namespace default is refused: STRICT",
  ]);
  expect(of("VirtualService").waits).toEqual(["service reviews.default.svc.cluster.local"]);
  expect(of("VirtualService").errors).toEqual([]);
  expect(of("VirtualService").notes.map((m) => m.code)).toEqual(["no-timeout", "no-timeout"]);
});

test("a rate is told in words", () => {
  const limit = manifest("RateLimit", "weft.dev/v1alpha1", "r", {
    host: "reviews",
    limits: [{ requests: 5, per: "1s", burst: 9, match: [{ uri: { prefix: "/a" } }] }],
  });
  const [told] = tell(buildSnapshot([service, limit]), new Map([["RateLimit/default/r", "r.yaml"]]));
  expect(told!.acts).toEqual([
    "each instance of reviews.default.svc.cluster.local takes 5 requests with path prefix /a in 1000 ms, 9 at once",
  ]);
});
