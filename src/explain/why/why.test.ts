import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { KubeObject } from "../../mesh/translate/index.ts";
import { whyOf } from "./why.ts";

const seed = (name: string): KubeObject => {
  const object = parse(
    readFileSync(join(import.meta.dir, `../../../demo/manifests/${name}.yaml`), "utf8"),
  ) as KubeObject;
  const annotations = { "weft.dev/source": `${name}.yaml:1:1 spec.http[0]=9:5` };
  return { ...object, metadata: { namespace: "default", ...object.metadata, annotations } };
};
const service = (name: string): KubeObject & { spec: unknown } => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "default" },
  spec: { selector: { app: name }, ports: [{ name: "http", port: 9080 }] },
});
const entry = (
  name: string,
  app: string,
  version: string,
  address: string,
): KubeObject & { spec: unknown } => ({
  apiVersion: "networking.istio.io/v1",
  kind: "WorkloadEntry",
  metadata: {
    name,
    namespace: "default",
    labels: { app, version, "weft.dev/managed": "true", "security.istio.io/tlsMode": "istio" },
    annotations: { "weft.dev/ready": "true" },
  },
  spec: { address, ports: { http: 9080 }, labels: { app, version }, serviceAccount: app },
});

const objects = [
  ...["virtual-service", "destination-rule", "peer-authentication", "service-profile"].map(seed),
  ...["reviews", "web-api", "page"].map(service),
  entry("reviews-v1-x", "reviews", "v1", "127.66.0.1"),
  entry("reviews-v2-x", "reviews", "v2", "127.66.0.2"),
  entry("web-api-v1-x", "web-api", "v1", "127.66.0.3"),
  entry("page-v1-x", "page", "v1", "127.66.0.4"),
];
const request = {
  source: "page",
  destination: "reviews",
  namespace: "default",
  method: "GET",
  path: "/",
  headers: [],
};
const ask = (over: Partial<Parameters<typeof whyOf>[1]>) => {
  const result = whyOf(objects, { ...request, ...over }, { defaultMtls: "permissive" });
  if (!result.ok) throw new Error(result.reason);
  return result.why;
};

describe("why", () => {
  test("jason's request: the rule by object, field and line, the subset's endpoint, mutual TLS", () => {
    const { explanation, receptions } = ask({ headers: ["end-user", "jason"] });
    expect(explanation.route?.owner).toEqual({
      object: "VirtualService/default/reviews-route",
      field: "spec.http[0]",
      source: "virtual-service.yaml:9:5",
    });
    const { outcome } = explanation;
    if (outcome.kind !== "route") throw new Error(outcome.kind);
    expect(outcome.clusters[0]!.name).toBe("outbound|9080|v2|reviews.default.svc.cluster.local");
    expect(outcome.clusters[0]!.endpoints).toMatchObject([
      { address: "127.66.0.2:15008", transport: "mutual TLS" },
    ]);
    expect(outcome.clusters[0]!.identities).toEqual(["spiffe://cluster.local/ns/default/sa/reviews"]);
    expect(receptions).toMatchObject([{ workload: "reviews-v2-x", mtls: { mode: "strict" } }]);
  });

  test("everybody else's: why the first rule does not match, and only notes of what decided", () => {
    const { explanation, notes } = ask({});
    expect(explanation.skipped[0]!.reasons.join()).toContain("end-user");
    const { outcome } = explanation;
    expect(outcome.kind === "route" && outcome.clusters[0]!.name).toContain("|v1|");
    expect(notes.some((n) => n.field.startsWith("spec.http[0].route[0]"))).toBe(false);
  });

  test("limits and retries of GET /users apply, those of POST do not", () => {
    const get = ask({ destination: "web-api:9080", path: "/users" }).explanation.outcome;
    expect(get).toMatchObject({
      kind: "route",
      timeoutMs: 1000,
      retry: { applies: true, perTryTimeoutMs: 300 },
    });
    const post = ask({ destination: "web-api:9080", path: "/users", method: "POST" }).explanation.outcome;
    if (post.kind !== "route") throw new Error(post.kind);
    expect(post.timeoutMs).toBe(0);
    expect(post.retry?.retryOn ?? []).not.toContain("5xx");
  });

  test("a caller by workload name and namespace; one that there is not is named with those there are", () => {
    expect(ask({ source: "page-v1-x.default" }).source.address).toBe("127.66.0.4");
    const result = whyOf(objects, { ...request, source: "nobody" }, {});
    expect(result).toMatchObject({ ok: false, near: expect.arrayContaining(["page", "reviews"]) });
  });
});

test("says what the deciding rule and policy do besides, and who carries it out", () => {
  const spec = {
    hosts: ["page"],
    http: [
      {
        fault: { delay: { fixedDelay: "2s", percentage: { value: 12.5 } } },
        rewrite: { uri: "/x" },
        mirror: { host: "web-api" },
        headers: { request: { set: { "x-a": "1" } } },
        timeout: "3s",
        route: [{ destination: { host: "page" } }],
      },
    ],
  };
  const rule = {
    host: "page",
    trafficPolicy: {
      loadBalancer: { consistentHash: { httpHeaderName: "x-user" } },
      retryBudget: { percent: 30 },
    },
  };
  const istio = "networking.istio.io/v1";
  const metadata = { name: "page", namespace: "default" };
  const more = [
    { apiVersion: istio, kind: "VirtualService", metadata, spec },
    { apiVersion: istio, kind: "DestinationRule", metadata, spec: rule },
  ];
  const asked = { ...request, source: "reviews", destination: "page" };
  const result = whyOf([...objects, ...more], asked, { defaultMtls: "permissive" });
  if (!result.ok) throw new Error(result.reason);
  const by = (kind: string) => result.why.effects.filter((e) => e.owner.object.startsWith(kind));
  const words = (kind: string) => by(kind).map((e) => e.what.replace(/ \(by an Envoy.*/, ""));
  expect(words("VirtualService")).toEqual([
    "a delay of 2000 ms for 12.5 % of requests",
    "the path becomes /x",
    "a copy to web-api.default.svc.cluster.local of 100 % of requests",
    "request headers: x-a is set",
  ]);
  expect(words("DestinationRule")).toEqual([
    "endpoints are chosen by ring-hash over header x-user",
    "retries are at most 30 % of the requests",
  ]);
  expect(by("VirtualService")[0]!.owner.field).toBe("spec.http[0]");
});
