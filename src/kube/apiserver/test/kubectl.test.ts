/** kubectl itself against the server. Skipped, visibly, where it is not installed. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Harness, startHarness } from "./harness.ts";

const kubectl = Bun.which("kubectl");
const seed = join(import.meta.dir, "../../../../../shared/seed");
const manifests = ["virtual-service", "destination-rule", "peer-authentication", "service-profile"];

describe.skipIf(!kubectl)("kubectl", () => {
  let api: Harness;
  beforeAll(async () => {
    api = await startHarness({
      admission: ({ object }) =>
        Promise.resolve({
          causes: [],
          warnings: object.kind === "VirtualService" ? ["spec.http[0].route[1]: no destination"] : [],
        }),
    });
  });
  afterAll(() => api[Symbol.asyncDispose]());

  const run = async (...args: string[]) => {
    const child = Bun.spawn([kubectl!, "--cache-dir", join(api.dir, "cache"), ...args], {
      env: { ...process.env, KUBECONFIG: api.server.kubeconfigPath },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { code: await child.exited, out, err };
  };

  test.skipIf(!existsSync(seed))(
    "applies the four manifests byte for byte, twice, with warnings shown",
    async () => {
      for (const name of manifests) {
        const first = await run("apply", "-f", join(seed, `${name}.yaml`));
        expect([first.code, first.out.trim().split(" ").at(-1)]).toEqual([0, "created"]);
        expect(first.err).toBe(
          name === "virtual-service" ? "Warning: spec.http[0].route[1]: no destination\n" : "",
        );
        // kubectl drops nulls from its patches, so it never finds this list unchanged; the server does.
        const before = await run(
          "get",
          "-f",
          join(seed, `${name}.yaml`),
          "-o",
          "jsonpath={.metadata.resourceVersion}",
        );
        const second = await run("apply", "-f", join(seed, `${name}.yaml`));
        const word = name === "virtual-service" ? "configured" : "unchanged";
        expect([second.code, second.out.trim().split(" ").at(-1)]).toEqual([0, word]);
        const after = await run(
          "get",
          "-f",
          join(seed, `${name}.yaml`),
          "-o",
          "jsonpath={.metadata.resourceVersion}",
        );
        expect(after.out).toBe(before.out);
      }
      const got = JSON.parse((await run("get", "vs", "reviews-route", "-o", "json")).out);
      expect(got.spec.http[0].route).toEqual([
        { destination: { host: "reviews", subset: "v2" } },
        {},
        { destination: { host: "reviews", subset: "v1" }, weight: 90 },
      ]);
      expect((await run("get", "pa", "-A")).out).toMatch(
        /NAMESPACE +NAME +MODE +AGE\ndefault +default-mtls +STRICT +\d+s/,
      );
    },
    60_000,
  );

  test("refuses with causes and field paths", async () => {
    const file = join(api.dir, "bad.yaml");
    const write = (weight: string) =>
      writeFileSync(
        file,
        `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: bad}\nspec:\n  hosts: [a]\n  http:\n  - route:\n    - destination: {host: a}\n      ${weight}\n`,
      );
    write("weight: many");
    const typed = await run("apply", "-f", file);
    expect(typed.code).toBe(1);
    expect(typed.err).toContain(
      'The VirtualService "bad" is invalid: spec.http[0].route[0].weight: Invalid value',
    );
    write("weigth: 3");
    expect((await run("apply", "-f", file)).err).toContain(
      'strict decoding error: unknown field "spec.http[0].route[0].weigth"',
    );
  }, 30_000);

  test("creates by its generators, labels, patches, waits, watches, deletes", async () => {
    const steps: readonly [string, string][] = [
      ["create namespace k", "namespace/k created"],
      ["create serviceaccount bob -n k", "serviceaccount/bob created"],
      ["create configmap c --from-literal=a=b -n k", "configmap/c created"],
      ["create secret generic s --from-literal=a=b -n k", "secret/s created"],
      ["create service clusterip web --tcp=80:8080 -n k", "service/web created"],
      ["label service web x=y -n k", "service/web labeled"],
      [
        "wait --for=jsonpath={.spec.type}=ClusterIP service/web -n k --timeout=10s",
        "service/web condition met",
      ],
      ["get service -l x=y -o name -n k", "service/web"],
      ["get configmap c -n k -o jsonpath={.data.a}", "b"],
      ["delete service web -n k", 'service "web" deleted'],
      ["delete namespace k", 'namespace "k" deleted'],
    ];
    for (const [line, want] of steps) {
      const { code, out, err } = await run(...line.split(" "));
      expect([line, code, out.trim(), err]).toEqual([line, 0, want, ""]);
    }
    expect((await run("create", "token", "default", "--audience", "weft-ca")).out.split(".")).toHaveLength(3);
  }, 60_000);

  test("a List, workloads by generators, scale, describe, kinds of one's own, who am I", async () => {
    const file = join(api.dir, "list.json");
    const items = ["list-a", "list-b"].map((name) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name },
    }));
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    const list = await run("apply", "-f", file);
    expect([list.code, list.out]).toEqual([0, "configmap/list-a created\nconfigmap/list-b created\n"]);
    const made = await run("create", "deployment", "gen", "--image=a:1", "--replicas=0");
    expect([made.code, made.err]).toEqual([0, "Warning: Deployment is stored only: nothing here runs it\n"]);
    expect((await run("get", "deploy", "gen", "-o", "jsonpath={.spec.replicas}")).out).toBe("0");
    expect((await run("scale", "deploy/gen", "--replicas=2")).code).toBe(0);
    expect((await run("describe", "deploy", "gen")).out).toContain("2 desired");
    expect((await run("get", "deploy", "gen", "-o", "wide")).out).toContain("CONTAINERS");
    for (const args of [
      "job j --image=a",
      "role r --verb=get --resource=pods",
      "ingress i --rule=a.b/*=s:80",
    ])
      expect((await run("create", ...args.split(" "))).code).toBe(0);
    expect((await run("auth", "can-i", "delete", "pods")).out).toBe("yes\n");
    expect((await run("auth", "whoami")).out).toContain("weft-admin");
    const definition = {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "pies.b.example.com" },
      spec: {
        group: "b.example.com",
        scope: "Namespaced",
        names: { plural: "pies", kind: "Pie" },
        versions: [
          { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } },
        ],
      },
    };
    writeFileSync(file, JSON.stringify(definition));
    expect((await run("apply", "-f", file)).code).toBe(0);
    expect((await run("wait", "--for=condition=Established", "crd/pies.b.example.com")).code).toBe(0);
    writeFileSync(
      file,
      JSON.stringify({ apiVersion: "b.example.com/v1", kind: "Pie", metadata: { name: "x" } }),
    );
    expect((await run("apply", "-f", file)).out).toBe("pie.b.example.com/x created\n");
    expect((await run("delete", "crd", "pies.b.example.com")).code).toBe(0);
  }, 30_000);

  test("get -w prints what changes", async () => {
    const child = Bun.spawn(
      [kubectl!, "--cache-dir", join(api.dir, "cache"), "get", "configmaps", "-w", "-o", "name"],
      {
        env: { ...process.env, KUBECONFIG: api.server.kubeconfigPath },
        stdout: "pipe",
      },
    );
    const reader = child.stdout.getReader();
    let text = "";
    const until = async (want: string) => {
      while (!text.includes(want)) text += new TextDecoder().decode((await reader.read()).value);
    };
    await run("create", "configmap", "before");
    await until("configmap/before");
    await run("create", "configmap", "after");
    await until("configmap/after");
    child.kill();
    await child.exited;
  }, 30_000);

  test("apply --server-side makes, changes and names conflicts; delete -f removes", async () => {
    const file = join(api.dir, "ssa.yaml");
    const write = (value: string) =>
      writeFileSync(
        file,
        `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ssa, namespace: default}\ndata: {a: ${value}}\n`,
      );
    const word = ({ code, out }: { code: number; out: string }) => [code, out.trim()];
    write("one");
    const applied = [0, "configmap/ssa serverside-applied"];
    expect(word(await run("apply", "--server-side", "-f", file))).toEqual(applied);
    write("two");
    expect(word(await run("apply", "--server-side", "-f", file))).toEqual(applied);
    const value = await run("get", "cm", "ssa", "-n", "default", "-o", "jsonpath={.data.a}");
    expect(value.out).toBe("two");
    write("three");
    const other = await run("apply", "--server-side", "--field-manager", "other", "-f", file);
    expect([other.code, other.err.includes("conflict"), other.err.includes(".data.a")]).toEqual([
      1,
      true,
      true,
    ]);
    expect((await run("delete", "-f", file)).code).toBe(0);
    expect((await run("get", "-f", file)).err).toContain('configmaps "ssa" not found');
  }, 30_000);
});
