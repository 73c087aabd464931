import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseDuration } from "./duration.ts";
import { buildSnapshot, type KubeObject, refreshEndpoints, sourceOf, translate } from "./index.ts";
import { maxRegexLength } from "./limits.ts";

const service: KubeObject & { spec: unknown } = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "reviews", namespace: "default" },
  spec: { selector: { app: "reviews" }, ports: [{ name: "http", port: 9080 }] },
};

function entry(name: string, more: object = {}): KubeObject & { spec: unknown } {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "WorkloadEntry",
    metadata: { name, namespace: "default", labels: { "security.istio.io/tlsMode": "istio" }, ...more },
    spec: { address: `127.66.0.${name.length}`, labels: { app: "reviews", version: "v1" } },
  };
}

function virtualService(http: unknown, hosts: unknown = ["reviews"]): KubeObject & { spec: unknown } {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "vs", namespace: "default" },
    spec: { hosts, http },
  };
}

/** Error fields of the VirtualService among services that exist. */
function errors(http: unknown): readonly string[] {
  const { statuses } = translate(buildSnapshot([service, entry("a"), virtualService(http)]));
  const status = statuses.find((s) => s.ref.kind === "VirtualService");
  return status!.messages.filter((m) => m.severity === "error").map((m) => m.field);
}

const to = (subset?: string, weight?: number): object => ({
  destination: { host: "reviews", ...(subset && { subset }) },
  ...(weight !== undefined && { weight }),
});

describe("the list route", () => {
  const shapes: readonly [string, unknown[], readonly string[]][] = [
    ["a null route between destinations", [to(), { route: null }, to()], []],
    ["what kubectl leaves of it", [to(), {}, to()], []],
    ["an empty list between destinations", [to(), { route: [] }, to()], []],
    ["an empty object between destinations", [to(), { route: {} }, to()], []],
    ["a nested list at the end", [to(), { route: [to()] }], []],
    ["an empty route first", [{ route: null }, to()], ["spec.http[0].route[0]"]],
    ["an empty route last", [to(), { route: null }], ["spec.http[0].route[1]"]],
    ["two in a row", [to(), {}, {}, to()], ["spec.http[0].route[1]"]],
    ["a second one", [to(), {}, to(), {}, to()], ["spec.http[0].route[3]"]],
    ["a weight without a destination", [to(), { weight: 5 }, to()], ["spec.http[0].route[1]"]],
    ["an empty route with a weight", [to(), { route: null, weight: 5 }, to()], ["spec.http[0].route[1]"]],
    ["a nested list before another destination", [to(), { route: [to()] }, to()], ["spec.http[0].route[1]"]],
    ["a nested list alone", [{ route: [to()] }], ["spec.http[0].route[0]"]],
    ["a nested list with a hole", [to(), { route: [to(), {}] }], ["spec.http[0].route[1]"]],
    ["null", [to(), null, to()], ["spec.http[0].route[1]"]],
    ["a word", [to(), "x"], ["spec.http[0].route[1]"]],
    ["nothing", [], ["spec.http[0].route"]],
  ];
  for (const [name, route, want] of shapes)
    test(name, () => {
      const got = errors([{ route }]);
      if (want.length === 0) expect(got).toEqual([]);
      else expect(got).toContain(want[0]!);
    });

  test("the seed's rule goes last, unconditional, whole", () => {
    const http = [
      { match: [{ headers: { u: { exact: "j" } } }], route: [to("v1"), { route: null }, to("v1", 90)] },
      { match: [{ uri: { prefix: "/x" } }], route: [to()] },
    ];
    const { mesh } = translate(buildSnapshot([service, entry("a"), virtualService(http)]));
    const rules = mesh.routes[0]!.rules;
    expect(rules.map((r) => r.origin.field)).toEqual([
      "spec.http[0]",
      "spec.http[1]",
      "spec.http[0].route[2]",
    ]);
    expect(rules[2]!.matches).toEqual([]);
    expect(rules[2]!.action).toMatchObject({
      kind: "forward",
      destinations: [{ subset: "v1", weight: 100 }],
    });
  });
});

describe("weights", () => {
  test("a sum of 0 is refused, alone and together", () => {
    expect(errors([{ route: [to(undefined, 0)] }])).toEqual(["spec.http[0].route[0].weight"]);
    expect(errors([{ route: [to("v1", 0), to("v1", 0)] }])).toEqual(["spec.http[0].route"]);
    expect(errors([{ route: [to("v1"), to("v1")] }])).toEqual(["spec.http[0].route"]);
  });
  test("a sum beyond 32 bits is refused", () => {
    const max = 2 ** 32 - 1;
    expect(errors([{ route: [to("v1", max - 1), to("v1", 1)] }])).toEqual([]);
    expect(errors([{ route: [to("v1", max), to("v1", 1)] }])).toEqual(["spec.http[0].route"]);
    expect(errors([{ route: [to("v1", -1), to("v1", 1)] }])).toEqual(["spec.http[0].route[0].weight"]);
  });
});

test("a regular expression has a length, and one more is too long", () => {
  const rule = (regex: string): unknown => [{ match: [{ uri: { regex } }], route: [to()] }];
  expect(errors(rule("a".repeat(maxRegexLength)))).toEqual([]);
  expect(errors(rule("a".repeat(maxRegexLength + 1)))).toEqual(["spec.http[0].match[0].uri.regex"]);
});

test("durations are Go's, rounded up to milliseconds", () => {
  const ms = (text: string): number | undefined => {
    const d = parseDuration(text);
    return d.ok ? d.ms : undefined;
  };
  expect(["300ms", "1s", "1.5s", "1h30m", "0s", "0", "1us", "0.25ms", "1m0.5s"].map(ms)).toEqual([
    300, 1000, 1500, 5_400_000, 0, 0, 1, 1, 60_500,
  ]);
  expect(["", "5", "s", "1 s", "-1s", "1x", "1s2", "1e3s", "Infinitys"].map(ms)).toEqual(
    Array.from({ length: 9 }, () => undefined),
  );
});

test("an object with nonsense anywhere never throws, is never accepted in silence, and leaves the others", () => {
  const junk = fc.oneof(
    fc.constant(null),
    fc.integer(),
    fc.string(),
    fc.boolean(),
    fc.constant([]),
    fc.constant({}),
    fc.constant([{}]),
    fc.constant([null]),
  );
  const good = virtualService([{ route: [to()] }]);
  const names = ["match", "route", "timeout", "retries", "headers", "rewrite", "redirect", "fault", "name"];
  fc.assert(
    fc.property(fc.constantFrom(...names), junk, (name, value) => {
      const bad = { ...virtualService([{ route: [to()], [name]: value }], ["other"]) };
      const objects = [service, entry("a"), good, { ...bad, metadata: { ...bad.metadata, name: "zz" } }];
      const { mesh } = translate(buildSnapshot(objects));
      expect(mesh.routes.some((r) => r.origin.object === "VirtualService/default/vs")).toBe(true);
    }),
    { numRuns: 300, seed: 1 },
  );
});

test("whole specs of nonsense never throw", () => {
  const kinds: readonly [string, string][] = [
    ["networking.istio.io/v1", "VirtualService"],
    ["networking.istio.io/v1", "DestinationRule"],
    ["networking.istio.io/v1", "WorkloadEntry"],
    ["security.istio.io/v1", "PeerAuthentication"],
    ["linkerd.io/v1alpha2", "ServiceProfile"],
    ["v1", "Service"],
    ["v1", "ConfigMap"],
    ["discovery.k8s.io/v1", "EndpointSlice"],
  ];
  const keys = [
    "hosts",
    "http",
    "host",
    "subsets",
    "trafficPolicy",
    "routes",
    "ports",
    "selector",
    "address",
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.dictionary(fc.constantFrom(...keys), fc.jsonValue({ maxDepth: 4 })),
      fc.jsonValue(),
      ([apiVersion, kind], spec, whole) => {
        for (const value of [spec, whole]) {
          const object = {
            apiVersion,
            kind,
            metadata: { name: "istio" },
            spec: value,
            data: value,
          } as KubeObject;
          const { statuses } = translate(buildSnapshot([service, object]));
          expect(statuses.length).toBeGreaterThan(0);
        }
      },
    ),
    { numRuns: 500, seed: 2 },
  );
});

describe("snapshots", () => {
  test("one object served as two versions counts once, the newer state of two wins", () => {
    const older = { ...entry("a"), metadata: { ...entry("a").metadata, resourceVersion: "9" } };
    const newer = {
      ...entry("a"),
      apiVersion: "networking.istio.io/v1beta1",
      metadata: { ...entry("a").metadata, resourceVersion: "10" },
    };
    for (const objects of [
      [older, newer],
      [newer, older],
    ])
      expect(buildSnapshot(objects).byKind.get("WorkloadEntry")).toEqual([newer]);
  });

  test("a foreign group's kind of the same name is none of ours", () => {
    const foreign = { ...service, apiVersion: "serving.knative.dev/v1" };
    expect(buildSnapshot([foreign]).byKind.size).toBe(0);
  });
});

test("the short way for endpoints gives what a translation gives", () => {
  const rule = virtualService([{ route: [to("v1")] }]);
  const before = translate(buildSnapshot([service, entry("a"), rule])).mesh;
  const draining = entry("a", { annotations: { "weft.dev/draining": "true" } });
  const after = buildSnapshot([service, draining, entry("bb"), rule]);
  const short = refreshEndpoints(before, after);
  expect(short).toEqual(translate(after).mesh);
  expect(short.routes).toBe(before.routes);
  expect(short.services[0]!.ports[0]!.endpoints.map((e) => e.draining)).toEqual([true, false]);
});

test("a port that is the sidecar's own is left out and said", () => {
  const taken = {
    ...service,
    spec: { selector: { app: "reviews" }, ports: [{ name: "http", port: 15001 }] },
  };
  const { mesh, statuses } = translate(buildSnapshot([taken, entry("a")]));
  expect(mesh.services[0]!.ports[0]!.endpoints).toEqual([]);
  const said = statuses.find((s) => s.ref.kind === "Service")!.messages.filter((m) => m.severity !== "note");
  expect(said.map((m) => [m.severity, m.code, m.field])).toEqual([
    ["error", "sidecar-port", "spec.ports[0]"],
  ]);
});

test("positions of the annotation: the field's own, else the nearest around it, else the object's", () => {
  const at = "dir/a.yaml:3:1 spec.http[1]=9:5 spec.http[1].route[0]=11:7";
  expect(sourceOf(at, "spec.http[1].route[0].weight")).toBe("dir/a.yaml:11:7");
  expect(sourceOf(at, "spec.http[1].timeout")).toBe("dir/a.yaml:9:5");
  expect(sourceOf(at, "spec.http[10]")).toBe("dir/a.yaml:3:1");
  expect(sourceOf(undefined, "spec")).toBeUndefined();
});

test("WebSocket upgrades are said not to be in effect, at the match and at the port", () => {
  const objects = [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "reviews", namespace: "default" },
      spec: { selector: { app: "r" }, ports: [{ name: "x", port: 80, appProtocol: "kubernetes.io/ws" }] },
    },
    {
      apiVersion: "networking.istio.io/v1",
      kind: "VirtualService",
      metadata: { name: "r", namespace: "default" },
      spec: {
        hosts: ["reviews"],
        http: [
          {
            match: [{ headers: { Upgrade: { exact: "websocket" } } }],
            route: [{ destination: { host: "reviews" } }],
          },
        ],
      },
    },
  ];
  const said = translate(buildSnapshot(objects)).statuses.flatMap((s) =>
    s.messages.filter((m) => m.message.startsWith("WebSocket")).map((m) => [m.severity, m.field]),
  );
  expect(said).toEqual([
    ["ignored", "spec.ports[0].appProtocol"],
    ["ignored", "spec.http[0].match[0].headers.Upgrade"],
  ]);
});
