import { describe, expect, test } from "bun:test";
import { applyDefaults, kindOf, kinds, objectSchema, validateObject } from "./index.ts";
import { compileJsonPath } from "./json-path.ts";
import { check, type Findings } from "./schema.ts";
import { shapeSchema } from "./shapes.ts";
import type { KubeObject } from "./types.ts";

describe("the table of kinds", () => {
  test("every kind has a schema in each version it serves, and one row only", async () => {
    const seen = new Set<string>();
    for (const kind of kinds) {
      for (const version of kind.versions) {
        const schema = await objectSchema(kind, version);
        expect([kind.kind, version, schema.properties!["metadata"] !== undefined]).toEqual([
          kind.kind,
          version,
          true,
        ]);
      }
      expect(kind.versions).toContain(kind.storageVersion);
      for (const name of [kind.plural, kind.kind]) {
        expect(seen.has(`${kind.group}/${name}`)).toBe(false);
        seen.add(`${kind.group}/${name}`);
      }
    }
    expect(kinds.length).toBeGreaterThan(75);
  });

  test("shapes: named types, types in place, flattened ones, bounds", () => {
    const probe = shapeSchema("core-v1", "Probe").properties!;
    expect([probe["httpGet"]?.required, probe["periodSeconds"]?.type]).toEqual([["port"], "integer"]);
    const route = shapeSchema("gateway", "HTTPRoute.v1").properties!["spec"]!.properties!;
    const ref = route["rules"]!.items!.properties!["backendRefs"]!.items!.properties!["weight"]!;
    expect(ref).toEqual({ type: "integer", default: 1, minimum: 0, maximum: 1_000_000 });
    expect(shapeSchema("smi", "TrafficSplit.v1alpha3")).toEqual(shapeSchema("smi", "TrafficSplit.v1alpha4"));
    const container = shapeSchema("core-v1", "Container").properties!["ports"]!;
    expect([container.mergeKey, container.listKeys]).toEqual([
      "containerPort",
      ["containerPort", "protocol"],
    ]);
  });

  test.each(["policy.linkerd.io/v1beta3", "gateway.networking.k8s.io/v1"])(
    "%s HTTPRoute: a status code is one of some numbers, and one of them by default",
    async (apiVersion) => {
      const route = (requestRedirect: object): KubeObject => ({
        ...{ apiVersion, kind: "HTTPRoute", metadata: { name: "r", namespace: "default" } },
        spec: {
          parentRefs: [{ name: "web" }],
          rules: [{ filters: [{ type: "RequestRedirect", requestRedirect }] }],
        },
      });
      const causes = async (redirect: object) => (await validateObject(route(redirect))).causes;
      expect(await causes({ hostname: "a.test", statusCode: 301 })).toEqual([]);
      expect(await causes({ hostname: "a.test" })).toEqual([]);
      const [wrong] = await causes({ statusCode: 300 });
      expect(wrong?.field).toBe("spec.rules[0].filters[0].requestRedirect.statusCode");
      expect(wrong?.message).toStartWith('Unsupported value: 300: supported values: "301", "302"');
    },
  );

  test.each([
    [
      "networking.istio.io/v1",
      "ServiceEntry",
      { hosts: ["a"], ports: [{ number: "80" }] },
      "spec.ports[0].number",
    ],
    ["security.istio.io/v1", "AuthorizationPolicy", { action: "MAYBE" }, "spec.action"],
    [
      "telemetry.istio.io/v1",
      "Telemetry",
      { tracing: [{ randomSamplingPercentage: 200 }] },
      "spec.tracing[0].randomSamplingPercentage",
    ],
    ["policy.linkerd.io/v1beta3", "Server", { port: "http" }, "spec"],
    [
      "gateway.networking.k8s.io/v1",
      "HTTPRoute",
      { rules: [{ backendRefs: [{ name: "a", weight: -1 }] }] },
      "spec.rules[0].backendRefs[0].weight",
    ],
    ["split.smi-spec.io/v1alpha2", "TrafficSplit", { service: "a" }, "spec.backends"],
    ["apps/v1", "Deployment", { selector: {} }, "spec.template"],
  ])("%s %s is judged by its schema", async (apiVersion, kind, spec, field) => {
    const { causes } = await validateObject({
      apiVersion,
      kind,
      metadata: { name: "x", namespace: "default" },
      spec,
    });
    expect(causes.map((c) => c.field)).toContain(field);
  });

  test("a Deployment is defaulted as Kubernetes does", () => {
    const made = applyDefaults(kindOf("apps/v1", "Deployment")!, {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "x" },
      spec: {
        selector: {},
        template: { spec: { containers: [{ name: "a", image: "b:1", ports: [{ containerPort: 1 }] }] } },
      },
    });
    expect(made.spec).toMatchObject({
      replicas: 1,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%" } },
      template: {
        spec: {
          dnsPolicy: "ClusterFirst",
          containers: [{ imagePullPolicy: "IfNotPresent", ports: [{ protocol: "TCP" }] }],
        },
      },
    });
  });
});

describe("bounds of a schema, at each and one past it", () => {
  const causes = (schema: object, value: unknown): string[] => {
    const found: Findings = { causes: [], unknown: [] };
    check(schema, value, "f", found);
    return found.causes.map((c) => c.message);
  };
  test.each([
    [{ type: "string", maxLength: 2 }, "ab", "abc"],
    [{ type: "string", minLength: 2 }, "ab", "a"],
    [{ type: "string", pattern: "^a+$" }, "aa", "ab"],
    [{ type: "integer", minimum: 1, exclusiveMinimum: true }, 2, 1],
    [{ type: "number", multipleOf: 0.1 }, 0.3, 0.35],
    [{ type: "array", maxItems: 1 }, [1], [1, 2]],
    [{ type: "array", listType: "set" }, ["a", "b"], ["a", "a"]],
    [{ type: "array", listType: "map", listKeys: ["k"] }, [{ k: 1 }, { k: 2 }], [{ k: 1 }, { k: 1 }]],
    [{ type: "object", maxProperties: 1 }, { a: 1 }, { a: 1, b: 2 }],
    [{ type: "object", oneOf: [{ required: ["a"] }, { required: ["b"] }] }, { a: 1 }, { a: 1, b: 1 }],
    [{ type: "object", not: { required: ["a"] } }, { b: 1 }, { a: 1 }],
    [{ quantity: true }, "500m", "5 apples"],
  ])("%j", (schema, good, bad) => {
    const free = { additionalProperties: { anything: true }, ...schema };
    expect([causes(free, good), causes(free, bad).length]).toEqual([[], 1]);
  });
});

describe("JSONPath of printer columns", () => {
  const o = {
    a: { "b.c": [1, 2] },
    s: {
      conditions: [
        { type: "Ready", status: "True" },
        { type: "X", status: "False" },
      ],
    },
  };
  test.each([
    [".a['b.c'][0]", [1]],
    [".a.b\\.c[-1]", [2]],
    [".a['b.c'][*]", [1, 2]],
    ['.s.conditions[?(@.type=="Ready")].status', ["True"]],
    [".s.conditions[?(@.type!='Ready')].status", ["False"]],
    [".none.at.all", []],
    ["{.a.*}", [[1, 2]]],
  ])("%s", (path, found) => expect(compileJsonPath(path)(o)).toEqual(found));
  test("what it does not know is an error", () => {
    for (const bad of [".a..b", ".a[", "[?(]"]) expect(() => compileJsonPath(bad)).toThrow();
  });
});
