/** HARDENING 37 and 38: who gets configuration and certificates, and what the debug port says to strangers. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { connect as netConnect } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { create } from "@bufbuild/protobuf";
import { systemClock } from "../../src/base/index.ts";
import { createCsr } from "../../src/identity/x509/index.ts";
import {
  IstioCertificateRequestSchema,
  IstioCertificateService,
} from "../../src/proto/gen/istio/v1/auth/ca_pb.js";
import { issue, issuingCa } from "../../src/testkit/issue.ts";
import { type MeshHarness, startMesh } from "../../src/testkit/mesh-harness.ts";
import { createGrpcChannel, grpcCode } from "../../src/wire/grpc/index.ts";

/** A real mesh starts and stops here: on a starved machine that takes longer than the default of 5 s. */
setDefaultTimeout(60_000);

let mesh: MeshHarness;
let caPem = "";
const id = "spiffe://cluster.local/ns/default/sa/reviews";
const method = IstioCertificateService.method.createCertificate;

beforeAll(async () => {
  mesh = await startMesh();
  await mesh.apply("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: reviews, namespace: default}\n");
  const kinds = await import("../../src/kube/client/index.ts");
  const map = await mesh.dev.client.get<import("../../src/kube/client/index.ts").KubeObject>(
    kinds.refs.configMap,
    "weft-ca-root-cert",
    "weft-system",
  );
  caPem = (map as unknown as { data: Record<string, string> }).data["root-cert.pem"]!;
});
afterAll(() => mesh.stop());

const token = async (audience: string): Promise<string> =>
  (await mesh.dev.client.tokenRequest("default", "reviews", { audience, seconds: 600 })).token;

/** The chain signed, or the status code of the refusal. */
async function sign(
  csr: string,
  options: { token?: string; identity?: { certPem: string; keyPem: string } },
): Promise<number | readonly string[]> {
  const { token: bearer, identity } = options;
  const channel = createGrpcChannel({
    target: mesh.dev.plane.xdsAddress,
    caPem,
    clock: systemClock,
    ...(bearer === undefined ? {} : { token: async () => bearer }),
    ...(identity === undefined ? {} : { identity }),
  });
  try {
    return (await channel.unary(method, create(IstioCertificateRequestSchema, { csr }))).certChain;
  } catch (error) {
    return (error as { code: number }).code;
  } finally {
    channel.close();
  }
}

test("the CA signs the caller's own identity and nothing for strangers", async () => {
  const csr = createCsr(id).csrPem;
  expect(await sign(csr, { token: await token("weft-ca") })).toBeArray();
  expect(await sign(csr, {})).toBe(grpcCode.unauthenticated);
  expect(await sign(csr, { token: await token("other") })).toBe(grpcCode.unauthenticated);
  expect(await sign(csr, { token: `${await token("weft-ca")}x` })).toBe(grpcCode.unauthenticated);
  const admin = createCsr("spiffe://cluster.local/ns/default/sa/admin").csrPem;
  expect(await sign(admin, { token: await token("weft-ca") })).toBeNumber();
});

test("a foreign client certificate is refused in the handshake, even with a good token", async () => {
  const { cert, key } = issue({ ca: issuingCa(), spiffe: id });
  const shown = { token: await token("weft-ca"), identity: { certPem: cert, keyPem: key } };
  expect(await sign(createCsr(id).csrPem, shown)).toBe(grpcCode.unavailable);
});

test("debug pages need a token and nothing is changed there", async () => {
  const at = `http://${mesh.dev.plane.debugAddress}`;
  for (const page of ["syncz", "statusz", "refusalz", "infoz"]) {
    expect((await fetch(`${at}/debug/${page}`)).status).toBe(401);
    const bad = { headers: { authorization: "Bearer x.y.z" } };
    expect((await fetch(`${at}/debug/${page}`, bad)).status).toBe(401);
  }
  expect((await fetch(`${at}/debug/syncz`, { method: "POST" })).status).toBe(405);
  expect((await fetch(`${at}/ready`)).status).toBe(200);
});

test("the debug port answers no page of the web that took its address (DNS rebinding)", async () => {
  const at = `http://${mesh.dev.plane.debugAddress}`;
  const port = mesh.dev.plane.debugAddress.split(":").pop();
  for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1.evil.example", "localhost.evil"])
    for (const page of ["/metrics", "/ready", "/debug/syncz"])
      expect((await fetch(`${at}${page}`, { headers: { host } })).status).toBe(403);
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`])
    expect((await fetch(`${at}/metrics`, { headers: { host } })).status).toBe(200);
});

test("a Host that makes no URL is the client's mistake on every page, not a fault of ours", async () => {
  const workload = await mesh.add({ service: "reviews" });
  const admin = (port: number) => netConnect(port, workload.address);
  const [host = "", debugPort] = mesh.dev.plane.debugAddress.split(":");
  const api = { host: "127.0.0.1", port: Number(new URL(mesh.dev.url).port), rejectUnauthorized: false };
  for (const [name, open] of [
    ["API", () => tlsConnect(api)],
    ["debug", () => netConnect(Number(debugPort), host)],
    ["admin", () => admin(15_000)],
    ["metrics", () => admin(15_020)],
    ["ready", () => admin(15_021)],
  ] as const) {
    const socket = open();
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes;
    });
    socket.write("GET /ready HTTP/1.1\r\nHost: a, b\r\nConnection: close\r\n\r\n");
    await new Promise((resolve) => socket.on("close", resolve));
    expect([name, text.slice(0, 13)]).toEqual([name, "HTTP/1.1 400 "]);
  }
}, 30_000);
