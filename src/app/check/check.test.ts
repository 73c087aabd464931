import { describe, expect, test } from "bun:test";
import { seededRng } from "../../base/index.ts";
import { KubeError } from "../../kube/client/index.ts";
import type { ProxySync } from "../control-plane/index.ts";
import { clockLook } from "./api.ts";
import { checkFields, lost } from "./fields.ts";
import { checkKinds } from "./kinds.ts";
import { limits } from "./limits.ts";
import { filesLook, portsLook, wildcardPorts } from "./machine.ts";
import { versionOfHolder } from "./plane.ts";
import { bytesText, spanText } from "./types.ts";
import { checkProxies, checkReadiness, checkVersions, type Instance } from "./workloads.ts";

const instance = (name: string, ready = true): Instance => ({
  name,
  address: "127.66.0.1",
  ready,
  port: 9080,
});
const sync = (workload: string, types: ProxySync["types"] = {}, version = "1.0.0"): ProxySync => ({
  ...{ id: workload, workload, namespace: "default", cluster: "x", version, address: "", connectedAt: 0 },
  types,
});

describe("clocks", () => {
  const cases: readonly (readonly [number | undefined, string])[] = [
    [undefined, "skipped"],
    [900, "ok"],
    [-limits.skewWarnMs, "ok"],
    [limits.skewWarnMs + 1, "warning"],
    [-limits.skewErrorMs, "warning"],
    [limits.skewErrorMs + 1, "error"],
    [-limits.skewErrorMs - 1, "error"],
  ];
  for (const [skew, result] of cases)
    test(`${skew} ms: ${result}`, () => expect(clockLook(skew).result).toBe(result as never));

  test("says whose is ahead", () => {
    expect(clockLook(90_000).detail).toBe("the API server's is 90 s ahead");
    expect(clockLook(-7_000).detail).toBe("the API server's is 7 s behind");
  });
});

describe("ports of this machine", () => {
  const row = (address: string, port: string, state: string): string =>
    `   0: ${address}:${port} 00000000:0000 ${state} 00000000:00000000`;
  const table = (...rows: string[]): string => `  sl  local_address rem_address   st\n${rows.join("\n")}\n`;

  test("only listeners on every address are in the way, of both families", () => {
    const four = table(
      row("00000000", "3A99", "0A"),
      row("0100007F", "3AA0", "0A"),
      row("00000000", "3AAC", "01"),
    );
    const six = table(
      row("0".repeat(32), "2378", "0A"),
      row("00000000000000000000000001000000", "3A98", "0A"),
    );
    expect(wildcardPorts([four, six])).toEqual(new Set([15_001, 9_080]));
  });

  test("whoever holds one is named", () => {
    const who = (port: number): string | undefined => (port === 15_001 ? "envoy (pid 7)" : undefined);
    expect(portsLook(new Set([80]), [9_080], who).result).toBe("ok");
    expect(portsLook(new Set([15_001, 9_080]), [9_080], who)).toMatchObject({
      result: "error",
      detail: "taken on every address: 15001 by envoy (pid 7), 9080 by another process",
    });
  });

  test("open files, at the limit and one below", () => {
    const text = (n: string): string =>
      `Limit  Soft Limit  Hard Limit  Units\nMax open files            ${n}   1048576   files\n`;
    expect(filesLook(text(`${limits.filesWarn}`)).result).toBe("ok");
    expect(filesLook(text(`${limits.filesWarn - 1}`)).result).toBe("warning");
    expect(filesLook(text("unlimited")).result).toBe("ok");
    expect(filesLook("").result).toBe("warning");
  });
});

describe("instances", () => {
  test("those that are not ready are named, five at most", () => {
    const many = Array.from({ length: 7 }, (_, i) => instance(`w${i}`, false));
    expect(checkReadiness([instance("a")]).result).toBe("ok");
    expect(checkReadiness(many)).toMatchObject({
      result: "warning",
      detail: "not ready: w0, w1, w2, w3, w4 and 2 more",
    });
  });

  test("a ready instance without a connection, a refusal, a proxy that is behind", () => {
    const two = [instance("a.default"), instance("b.default")];
    expect(checkProxies(two, undefined).map((l) => l.result)).toEqual(["skipped", "skipped"]);
    expect(checkProxies(two, [sync("a"), sync("b")]).map((l) => l.result)).toEqual(["ok", "ok"]);
    expect(checkProxies(two, [sync("a")])[0]).toMatchObject({
      result: "warning",
      detail: "not connected: b.default",
    });
    const refused = sync("a", {
      LDS: { state: "STALE", resources: 1, pushes: 1, refusals: 1, refused: "no such field" },
    });
    expect(checkProxies(two, [refused, sync("b")])[1]).toMatchObject({
      result: "error",
      detail: "a refuses LDS: no such field",
    });
    const behind = sync("a", { EDS: { state: "STALE", resources: 1, pushes: 1, refusals: 0 } });
    expect(checkProxies(two, [behind, sync("b")])[1]).toMatchObject({
      result: "warning",
      detail: "behind: a",
    });
  });

  test("versions", () => {
    expect(versionOfHolder("weft 1.2.3 on host (pid 7)")).toBe("1.2.3");
    expect(versionOfHolder("somebody else")).toBeUndefined();
    const results = (own: string, plane: string | undefined, syncs?: ProxySync[]) =>
      checkVersions(own, plane, syncs).map((l) => l.result);
    expect(results("1.0.0", "1.0.0", [sync("a")])).toEqual(["ok", "ok"]);
    expect(results("1.1.0", "1.0.0", [sync("a", {}, "0.9.0")])).toEqual(["warning", "warning"]);
    expect(results("1.0.0", undefined)).toEqual(["skipped", "skipped"]);
  });
});

describe("kinds", () => {
  const client = (groups: Readonly<Record<string, readonly string[]>>) => ({
    async raw<T>(path: string): Promise<T> {
      const names = groups[path];
      if (names === undefined) throw new KubeError({ status: 404, reason: "NotFound", message: path });
      return { resources: names.map((name) => ({ name })) } as T;
    },
  });
  const istio = ["workloadentries", "virtualservices", "destinationrules", "serviceentries", "sidecars"];
  const whole = {
    "/apis/networking.istio.io/v1": istio,
    "/apis/coordination.k8s.io/v1": ["leases"],
    "/apis/security.istio.io/v1": ["peerauthentications"],
    "/apis/linkerd.io/v1alpha2": ["serviceprofiles"],
  };

  test("all, one of the manifests' kinds missing, one that sidecars need missing", async () => {
    expect((await checkKinds(client(whole))).result).toBe("ok");
    const { "/apis/linkerd.io/v1alpha2": _gone, ...rest } = whole;
    expect(await checkKinds(client(rest))).toMatchObject({
      result: "warning",
      detail: "missing: serviceprofiles.linkerd.io/v1alpha2",
      mend: "`weft install --crds` adds them",
    });
    const bare = { "/apis/coordination.k8s.io/v1": ["leases"] };
    expect((await checkKinds(client(bare))).result).toBe("error");
  });
});

describe("fields", () => {
  const rng = seededRng(1);
  const client = (change: (kind: string, spec: unknown) => unknown) => ({
    async create<T>(_ref: unknown, object: { kind?: string; spec?: unknown }): Promise<T> {
      return { ...object, spec: change(object.kind ?? "", structuredClone(object.spec)) } as T;
    },
  });

  test("what a foreign definition drops or refuses is named by its path", async () => {
    expect((await checkFields(client((_, spec) => spec) as never, rng)).result).toBe("ok");
    const dropping = client((kind, spec) => {
      if (kind === "ServiceProfile")
        delete (spec as { routes: { requestTimeout?: string }[] }).routes[0]!.requestTimeout;
      return spec;
    });
    expect(await checkFields(dropping as never, rng)).toMatchObject({
      result: "warning",
      detail: "ServiceProfile loses spec.routes[0].requestTimeout",
    });
    const refusing = client((kind, spec) => {
      if (kind === "DestinationRule")
        throw new KubeError({ status: 422, reason: "Invalid", message: "no such mode" });
      if (kind === "VirtualService")
        throw new KubeError({ status: 404, reason: "NotFound", message: "not here" });
      return spec;
    });
    expect((await checkFields(refusing as never, rng)).detail).toBe(
      "DestinationRule is refused: no such mode",
    );
  });

  test("lost() compares lists item by item and leaves additions alone", () => {
    expect(lost({ a: [{ b: 1 }, { c: 2 }] }, { a: [{ b: 1, d: 1 }, {}], e: 1 })).toEqual(["spec.a[1].c"]);
    expect(lost({ a: { b: 1 } }, undefined)).toEqual(["spec"]);
    expect(lost({ a: false, b: 0 }, { a: false, b: 0 })).toEqual([]);
  });
});

test("sizes and spans for people", () => {
  expect([0, 999, 1_000, 9_949, 123_456_789, 5e12].map(bytesText)).toEqual([
    "0 B",
    "999 B",
    "1.0 kB",
    "9.9 kB",
    "123 MB",
    "5.0 TB",
  ]);
  expect([-1, 59 * 60_000, 3_600_000, 71 * 3_600_000, 72 * 3_600_000].map(spanText)).toEqual([
    "0 min",
    "59 min",
    "1 h",
    "71 h",
    "3 days",
  ]);
});
