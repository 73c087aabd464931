import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../base/index.ts";
import { type FakeClock, fakeClock } from "../../../testkit/index.ts";
import { MIN_TOKEN_SECONDS } from "../limits.ts";
import { CM, configMap, type Harness, startHarness, VS, virtualService } from "./harness.ts";

const NS = "/api/v1/namespaces/default";
const REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews";
const changed = async (api: Harness, name: string, hosts: string[]) => {
  const { body } = await api.call("GET", `${VS}/${name}`);
  return { ...body, spec: { ...body.spec, hosts } };
};
const account = (name: string) => ({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name } });

async function withAccount(
  use: (api: Harness, clock: FakeClock, token: (audience: string) => Promise<string>) => Promise<void>,
): Promise<void> {
  const clock = fakeClock({ wall: systemClock.wall() });
  await using api = await startHarness({ clock });
  await api.call("POST", `${NS}/serviceaccounts`, account("bob"));
  const token = async (audience: string): Promise<string> => {
    const spec = { audiences: [audience], expirationSeconds: MIN_TOKEN_SECONDS };
    const made = await api.call("POST", `${NS}/serviceaccounts/bob/token`, { spec });
    expect(made.status).toBe(201);
    return made.body.status.token;
  };
  await use(api, clock, token);
}
const review = async (api: Harness, token: string, audiences: string[]) =>
  (await api.call("POST", REVIEW, { spec: { token, audiences } })).body.status;

describe("credentials", () => {
  test("no token, a wrong one, another scheme: 401; health and version are open", () =>
    withAccount(async (api) => {
      for (const token of [null, "wrong", "a.b.c", ""])
        expect((await api.call("GET", CM, undefined, { token })).status).toBe(401);
      for (const path of ["/healthz", "/livez", "/readyz", "/version"]) {
        expect((await api.call("GET", path, undefined, { token: null })).status).toBe(200);
      }
    }));

  test("files that hold secrets are their owner's alone", async () => {
    await using api = await startHarness();
    const data = join(api.dir, "data");
    expect(statSync(data).mode & 0o777).toBe(0o700);
    for (const f of readdirSync(data, { recursive: true }) as string[]) {
      if (existsSync(join(data, f))) expect([f, statSync(join(data, f)).mode & 0o077]).toEqual([f, 0]);
    }
  });

  test("TokenReview: good for its audience and time, and only while its account lives", () =>
    withAccount(async (api, clock, token) => {
      const good = await token("weft-ca");
      expect(await review(api, good, ["weft-ca"])).toMatchObject({
        authenticated: true,
        user: {
          username: "system:serviceaccount:default:bob",
          groups: expect.arrayContaining(["system:serviceaccounts:default"]),
        },
        audiences: ["weft-ca"],
      });
      expect((await review(api, good, ["other"])).authenticated ?? false).toBe(false);
      expect((await review(api, good, [])).authenticated ?? false).toBe(false);
      expect((await api.call("GET", CM, undefined, { token: good })).status).toBe(401);
      clock.advance(MIN_TOKEN_SECONDS * 1000 + 59_000);
      expect((await review(api, good, ["weft-ca"])).authenticated).toBe(true);
      clock.advance(1_000);
      expect((await review(api, good, ["weft-ca"])).error).toContain("expired");
      const second = await token("weft-ca");
      await api.call("DELETE", `${NS}/serviceaccounts/bob`);
      expect((await review(api, second, ["weft-ca"])).error).toContain("deleted");
      await api.call("POST", `${NS}/serviceaccounts`, account("bob"));
      expect((await review(api, second, ["weft-ca"])).error).toContain("made anew");
    }));

  test("forged tokens: another key, no signature, another algorithm, changed claims", () =>
    withAccount(async (api, _clock, token) => {
      const [header, body, signature] = (await token("weft-ca")).split(".") as [string, string, string];
      const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
      const claims = JSON.parse(Buffer.from(body, "base64url").toString());
      const forged = [
        `${encode({ alg: "none", typ: "JWT" })}.${body}.`,
        `${encode({ alg: "none", typ: "JWT" })}.${body}.${signature}`,
        `${encode({ alg: "HS256", typ: "JWT" })}.${body}.${signature}`,
        `${header}.${encode({ ...claims, exp: claims.exp + 9999 })}.${signature}`,
        `${header}.${body}.${signature.slice(0, -4)}AAAA`,
        `${header}.${body}.${signature}=`,
        "x".repeat(1024 * 1024),
      ];
      for (const t of forged) expect((await review(api, t, ["weft-ca"])).authenticated ?? false).toBe(false);
      expect((await api.call("POST", REVIEW, { spec: {} })).status).toBe(400);
    }));

  test("a token of less than ten minutes is refused with its field", () =>
    withAccount(async (api) => {
      const short = await api.call("POST", `${NS}/serviceaccounts/bob/token`, {
        spec: { expirationSeconds: MIN_TOKEN_SECONDS - 1 },
      });
      expect(short).toMatchObject({
        status: 422,
        body: { details: { causes: [{ field: "spec.expirationSeconds" }] } },
      });
      expect((await api.call("POST", `${NS}/serviceaccounts/none/token`, {})).status).toBe(404);
    }));

  test("a service account may do what a sidecar needs, and no more", () =>
    withAccount(async (api, _clock, make) => {
      const token = await make("https://kubernetes.default.svc");
      await api.call("POST", CM, configMap("weft-ca-root-cert"));
      await api.call("POST", CM, configMap("other"));
      const as = async (method: string, path: string, body?: unknown) =>
        (await api.call(method, path, body, { token })).status;
      const lease = {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name: "l" },
        spec: {},
      };
      expect(await as("GET", `${CM}/weft-ca-root-cert`)).toBe(200);
      expect(await as("POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases", lease)).toBe(201);
      expect(await as("GET", `${NS}/services`)).toBe(200);
      expect(await as("POST", `${NS}/serviceaccounts/bob/token`, {})).toBe(201);
      const refused: [string, string, unknown?][] = [
        ["GET", `${CM}/other`],
        ["GET", CM],
        ["GET", `${NS}/secrets`],
        ["GET", "/api/v1/secrets"],
        ["POST", VS, virtualService("x")],
        ["POST", "/apis/coordination.k8s.io/v1/namespaces/weft-system/leases", lease],
        ["POST", `${NS}/serviceaccounts/default/token`, {}],
        ["POST", REVIEW, { spec: { token } }],
        ["DELETE", "/api/v1/namespaces/default"],
      ];
      for (const [method, path, body] of refused)
        expect([path, await as(method, path, body)]).toEqual([path, 403]);
    }));
});

describe("admission", () => {
  test("causes refuse with 422, warnings go out as headers, and the hook reads what is stored", async () => {
    await using api = await startHarness({
      admission: async ({ operation, object, list }) => {
        const others = await list("VirtualService", "default");
        const hosts = (object.spec as { hosts?: string[] } | undefined)?.hosts ?? [];
        return {
          causes: hosts.includes("bad")
            ? [{ field: "spec.hosts[0]", message: 'Invalid value: "bad"', reason: "FieldValueInvalid" }]
            : [],
          warnings: object.kind === "VirtualService" ? [`${operation}: ${others.length} others`] : [],
        };
      },
    });
    expect(await api.call("POST", VS, virtualService("a", { hosts: ["bad"] }))).toMatchObject({
      status: 422,
      body: { details: { causes: [{ field: "spec.hosts[0]" }] } },
    });
    expect((await api.call("POST", VS, virtualService("a"))).warnings).toEqual(['299 - "create: 0 others"']);
    expect((await api.call("PUT", `${VS}/a`, await changed(api, "a", ["b"]))).warnings).toEqual([
      '299 - "update: 1 others"',
    ]);
    expect((await api.call("PUT", `${VS}/a`, virtualService("a", { hosts: ["bad"] }))).status).toBe(422);
  });
});
