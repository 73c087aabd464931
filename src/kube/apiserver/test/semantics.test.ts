import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CM, configMap, type Harness, type Json, startHarness } from "./harness.ts";

const DEPLOY = "/apis/apps/v1/namespaces/default/deployments";
const APPLY = "application/apply-patch+yaml";
const MERGE = "application/merge-patch+json";

let api: Harness;
beforeAll(async () => {
  api = await startHarness();
});
afterAll(() => api[Symbol.asyncDispose]());

const deployment = (name: string, containers: Json = [{ name: "a", image: "a:1" }]): Json => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers } },
  },
});
const images = (doc: Json): string[] => doc.spec.template.spec.containers.map((c: Json) => c.image);

describe("fields and their owners", () => {
  test("every write is tracked; an apply merges keyed lists and takes back only its own", async () => {
    const made = await api.call("POST", `${DEPLOY}?fieldManager=maker`, deployment("own"));
    expect(made.body.metadata.managedFields).toMatchObject([{ manager: "maker", operation: "Update" }]);
    const apply = (containers: Json, force = false) =>
      api.call("PATCH", `${DEPLOY}/own?fieldManager=me&force=${force}`, deployment("own", containers), {
        type: APPLY,
      });
    const both = await apply([
      { name: "a", image: "a:1" },
      { name: "b", image: "b:1" },
    ]);
    expect([both.status, images(both.body)]).toEqual([200, ["a:1", "b:1"]]);
    const clash = await apply([{ name: "a", image: "a:2" }]);
    expect([clash.status, clash.body.details.causes[0].field]).toEqual([
      409,
      '.spec.template.spec.containers[name="a"].image',
    ]);
    const forced = await apply([{ name: "a", image: "a:2" }], true);
    expect([forced.status, images(forced.body)]).toEqual([200, ["a:2"]]);
    const again = await apply([{ name: "a", image: "a:2" }]);
    expect(again.body.metadata.resourceVersion).toBe(forced.body.metadata.resourceVersion);
    const update = await api.call(
      "PATCH",
      `${DEPLOY}/own?fieldManager=other`,
      { spec: { replicas: 5 } },
      { type: MERGE },
    );
    const owner = update.body.metadata.managedFields.find((m: Json) => m.manager === "other");
    expect(owner.fieldsV1).toEqual({ "f:spec": { "f:replicas": {} } });
  });

  test("an apply without a manager is refused", async () => {
    expect((await api.call("PATCH", `${CM}/x`, configMap("x"), { type: APPLY })).status).toBe(422);
  });
});

describe("owners and what they own", () => {
  const owned = (name: string, owner: Json, block = false): Json => ({
    ...configMap(name),
    metadata: {
      name,
      ownerReferences: [
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          name: owner.metadata.name,
          uid: owner.metadata.uid,
          ...(block && { blockOwnerDeletion: true }),
        },
      ],
    },
  });
  /** Until the object is gone, as a watch tells it. */
  const gone = async (name: string): Promise<void> => {
    const watch = await api.watch(`${CM}?watch=1&fieldSelector=metadata.name=${name}`);
    if ((await api.call("GET", `${CM}/${name}`)).status !== 404)
      for (let e = await watch.next(); e.type !== "DELETED"; e = await watch.next());
    await watch.cancel();
  };

  test("go in the background, in the foreground, or stay as orphans", async () => {
    const make = async (name: string) => (await api.call("POST", CM, configMap(name))).body;
    const [back, fore, keep] = [await make("back"), await make("fore"), await make("keep")];
    await api.call("POST", CM, owned("back-1", back));
    await api.call("POST", CM, owned("fore-1", fore, true));
    await api.call("POST", CM, owned("keep-1", keep));
    await api.call("DELETE", `${CM}/back`);
    await gone("back-1");
    const leaving = await api.call("DELETE", `${CM}/fore`, { propagationPolicy: "Foreground" });
    expect(leaving.body.metadata.finalizers).toEqual(["foregroundDeletion"]);
    await gone("fore");
    expect((await api.call("GET", `${CM}/fore-1`)).status).toBe(404);
    await api.call("DELETE", `${CM}/keep`, { propagationPolicy: "Orphan" });
    await gone("keep");
    expect((await api.call("GET", `${CM}/keep-1`)).body.metadata.ownerReferences ?? []).toEqual([]);
  });

  test("an object made for an owner that is gone does not stay", async () => {
    await api.call("POST", CM, owned("late", { metadata: { name: "never", uid: "no-such-uid" } }));
    await gone("late");
  });
});

describe("answers that clients count on", () => {
  test("aggregated discovery names subresources", async () => {
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    const { body } = await api.call("GET", "/apis", undefined, { accept });
    const apps = body.items.find((g: Json) => g.metadata.name === "apps");
    const deploy = apps.versions[0].resources.find((r: Json) => r.resource === "deployments");
    expect(deploy.subresources.map((s: Json) => s.subresource).sort()).toEqual(["scale", "status"]);
  });

  test("pages are filled also where a selector passes few", async () => {
    const ns = "/api/v1/namespaces/pages/configmaps";
    await api.call("POST", "/api/v1/namespaces", { metadata: { name: "pages" } });
    for (let i = 0; i < 9; i++)
      await api.call("POST", ns, { metadata: { name: `p${i}`, labels: { odd: String(i % 2) } } });
    const names = (r: Json): string[] => r.body.items.map((o: Json) => o.metadata.name);
    const first = await api.call("GET", `${ns}?limit=3&labelSelector=odd=1`);
    expect([names(first), first.body.metadata.remainingItemCount]).toEqual([["p1", "p3", "p5"], undefined]);
    const rest = await api.call(
      "GET",
      `${ns}?limit=3&labelSelector=odd=1&continue=${first.body.metadata.continue}`,
    );
    expect([names(rest), rest.body.metadata.continue]).toEqual([["p7"], undefined]);
  });

  test("a list of the future is a time-out, bad combinations are refused", async () => {
    const future = await api.call("GET", `${CM}?resourceVersion=99999999`);
    expect([future.status, future.body.reason]).toEqual([504, "Timeout"]);
    expect((await api.call("GET", `${CM}?resourceVersionMatch=Exact`)).status).toBe(422);
  });

  test("one may ask who one is and what one may do", async () => {
    const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    const can = await api.call("POST", path, {
      spec: { resourceAttributes: { verb: "delete", resource: "secrets" } },
    });
    expect([can.status, can.body.status.allowed]).toEqual([201, true]);
    const who = await api.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {});
    expect(who.body.status.userInfo.username).toBe("weft-admin");
    const sar = await api.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
      spec: {
        user: "system:serviceaccount:default:default",
        resourceAttributes: { verb: "get", resource: "secrets", namespace: "default" },
      },
    });
    expect(sar.body.status.allowed).toBe(false);
  });

  test("an administrator may act as somebody else, and then may only what that one may", async () => {
    const as = (user: string, path: string) =>
      fetch(api.server.url + path, {
        headers: { authorization: `Bearer ${api.server.adminToken}`, "impersonate-user": user },
        tls: { ca: api.server.caPem },
      });
    const secrets = "/api/v1/namespaces/default/secrets";
    expect((await as("somebody", secrets)).status).toBe(403);
    expect((await as("system:serviceaccount:default:default", secrets)).status).toBe(403);
    expect(
      (await as("system:serviceaccount:default:default", "/api/v1/namespaces/default/services")).status,
    ).toBe(200);
  });

  test("kinds that nothing obeys say so; a wrong type is a bad request as of a typed server", async () => {
    const made = await api.call("POST", DEPLOY, deployment("idle"));
    expect(made.warnings[0]).toContain("nothing here runs it");
    const bad = await api.call("POST", DEPLOY, {
      ...deployment("bad"),
      spec: { ...deployment("bad").spec, replicas: "two" },
    });
    expect([bad.status, bad.body.reason]).toEqual([400, "BadRequest"]);
    const scaled = await api.call(
      "PATCH",
      `${DEPLOY}/idle/scale`,
      { spec: { replicas: 4 } },
      { type: MERGE },
    );
    expect([scaled.status, scaled.body.status.selector]).toEqual([200, "app=idle"]);
  });

  test("an autoscaler is shown in both versions", async () => {
    const hpa = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
    const spec = {
      scaleTargetRef: { kind: "Deployment", name: "idle", apiVersion: "apps/v1" },
      maxReplicas: 3,
      targetCPUUtilizationPercentage: 70,
    };
    expect((await api.call("POST", hpa, { metadata: { name: "h" }, spec })).status).toBe(201);
    const v2 = (await api.call("GET", `${hpa.replace("/v1/", "/v2/")}/h`)).body;
    expect(v2.spec.metrics[0].resource.target.averageUtilization).toBe(70);
    expect((await api.call("GET", `${hpa}/h`)).body.spec.targetCPUUtilizationPercentage).toBe(70);
  });
});
