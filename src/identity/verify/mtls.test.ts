/** HARDENING.md 32-36 with real handshakes: who must not be heard, as a client and as a server. */
import { describe, expect, test } from "bun:test";
import { systemClock } from "../../base/index.ts";
import { type Issued, type IssueOptions, issue, issuingCa } from "../../testkit/issue.ts";
import { tlsMeet } from "../../testkit/tls-meet.ts";
import type { RefusalCode, TlsClientOptions, TlsServerOptions, VerifyPeer } from "../../wire/tls/index.ts";
import { oids } from "../x509/index.ts";
import { type SpiffeRules, spiffeVerifier } from "./index.ts";

const ca = issuingCa();
const foreign = issuingCa();
const a = "spiffe://cluster.local/ns/default/sa/a";
const b = "spiffe://cluster.local/ns/default/sa/b";
const good = { a: issue({ ca, spiffe: a }), b: issue({ ca, spiffe: b }) };
const hour = 3_600_000;
const now = systemClock.wall();

const verifier = (usage: "client" | "server", more: Partial<SpiffeRules> = {}): VerifyPeer =>
  spiffeVerifier({ trustDomains: ["cluster.local"], clock: systemClock, usage, ...more });

function serverOptions(more: Partial<TlsServerOptions> = {}): TlsServerOptions {
  return {
    ...good.a,
    ca: ca.pem,
    alpn: ["http/1.1"],
    requireClientCertificate: true,
    verifyPeer: verifier("client"),
    ...more,
  };
}

function clientOptions(more: Partial<TlsClientOptions> = {}): TlsClientOptions {
  return {
    identity: good.b,
    ca: ca.pem,
    alpn: ["http/1.1"],
    sni: "outbound_.9080_._.reviews.default.svc.cluster.local",
    verifyPeer: verifier("server"),
    ...more,
  };
}

interface Row {
  readonly name: string;
  readonly cert: (role: "client" | "server") => Issued;
  readonly code: RefusalCode;
  readonly detail: RegExp;
}

const leaf = (options: Omit<IssueOptions, "ca">): (() => Issued) => {
  const made = issue({ ca, ...options });
  return () => made;
};

const rows: readonly Row[] = [
  {
    name: "foreign CA",
    cert: () => issue({ ca: foreign, spiffe: b }),
    code: "tls.untrusted",
    detail: /UNABLE_TO|SELF_SIGNED/,
  },
  {
    name: "own root's name, foreign key",
    cert: () => issue({ ca: { ...foreign, subject: ca.subject }, spiffe: b }),
    code: "tls.untrusted",
    detail: /SIGNATURE|UNABLE_TO/,
  },
  {
    name: "expired",
    cert: leaf({ spiffe: b, notBefore: now - 2 * hour, notAfter: now - hour }),
    code: "tls.untrusted",
    detail: /EXPIRED/,
  },
  {
    name: "not yet valid",
    cert: leaf({ spiffe: b, notBefore: now + hour, notAfter: now + 2 * hour }),
    code: "tls.untrusted",
    detail: /NOT_YET_VALID/,
  },
  {
    name: "EKU of the other role",
    cert: (role) => issue({ ca, spiffe: b, eku: [role === "client" ? "server" : "client"] }),
    code: "tls.untrusted",
    detail: /PURPOSE/,
  },
  {
    name: "CA:true",
    cert: leaf({ spiffe: b, isCa: true }),
    code: "tls.identity",
    detail: /is a CA's/,
  },
  {
    name: "may sign certificates",
    cert: leaf({ spiffe: b, keyUsage: 1 | (1 << 5) }),
    code: "tls.identity",
    detail: /may sign|is a CA/,
  },
  {
    name: "no keyUsage",
    cert: leaf({ spiffe: b, keyUsage: 0 }),
    code: "tls.identity",
    detail: /digital signatures/,
  },
  {
    name: "two URI SANs",
    cert: leaf({ spiffe: b, extraUris: [a] }),
    code: "tls.identity",
    detail: /2 URI SANs/,
  },
  {
    name: "NUL in the SAN",
    cert: leaf({ spiffe: `${b}\0.evil` }),
    code: "tls.identity",
    detail: /no SPIFFE id/,
  },
  {
    name: "a SAN that forges another in text form",
    cert: leaf({ spiffe: `spiffe://evil.example/x, URI:${b}` }),
    code: "tls.identity",
    detail: /no SPIFFE id/,
  },
  {
    name: "wrong trust domain",
    cert: leaf({ spiffe: "spiffe://evil.example/ns/default/sa/b" }),
    code: "tls.identity",
    detail: /trust domain .* not trusted/,
  },
  { name: "DNS only", cert: leaf({ dns: ["reviews"] }), code: "tls.identity", detail: /0 URI SANs/ },
  { name: "no SAN", cert: leaf({}), code: "tls.identity", detail: /0 URI SANs/ },
  {
    name: "a trust domain alone",
    cert: leaf({ spiffe: "spiffe://cluster.local" }),
    code: "tls.identity",
    detail: /no workload/,
  },
  {
    name: "RSA 1024",
    cert: leaf({ spiffe: b, key: "rsa1024" }),
    code: "tls.identity",
    detail: /1024 bits/,
  },
];

const refusedRows = /^tls\.(identity|untrusted)$/;

describe("a client's certificate is refused by a server, no byte heard", () => {
  for (const row of rows) {
    test(row.name, async () => {
      const { server } = await tlsMeet(serverOptions(), clientOptions({ identity: row.cert("client") }));
      expect(server.heard).toBe("");
      expect(server.info).toBeUndefined();
      expect(server.events).toEqual(["refused"]);
      // BoringSSL will not even sign with some keys: then the handshake fails before the check.
      if (row.name !== "RSA 1024" || refusedRows.test(server.refusal!.code)) {
        expect(server.refusal!.code).toBe(row.code);
        expect(server.refusal!.detail).toMatch(row.detail);
      }
    });
  }
});

describe("a server's certificate is refused by a client, no byte heard or sent", () => {
  for (const row of rows) {
    test(row.name, async () => {
      const { client, server } = await tlsMeet(serverOptions(row.cert("server")), clientOptions());
      expect(client.heard).toBe("");
      expect(server.heard).toBe("");
      expect(client.events).toEqual(["refused"]);
      if (row.name !== "RSA 1024" || refusedRows.test(client.refusal!.code)) {
        expect(client.refusal!.code).toBe(row.code);
        expect(client.refusal!.detail).toMatch(row.detail);
      }
    });
  }
});

describe("mutual TLS", () => {
  test("the right peers hear each other and know each other's names", async () => {
    const { server, client } = await tlsMeet(serverOptions(), clientOptions());
    expect(server.heard).toBe("hello from client");
    expect(client.heard).toBe("hello from server");
    expect(server.info!.principal).toBe(b);
    expect(client.info!.principal).toBe(a);
    expect(server.info!.sni).toBe("outbound_.9080_._.reviews.default.svc.cluster.local");
    expect(server.info!.alpn).toBe("http/1.1");
    expect(Buffer.compare(server.info!.leaf!, good.b.der)).toBe(0);
    expect(server.events.filter((e) => e === "open" || e === "close")).toEqual(["open", "close"]);
    expect(client.events.filter((e) => e === "open" || e === "close")).toEqual(["open", "close"]);
  });

  test.each(["p384", "rsa2048"] as const)("a %s leaf is good", async (key) => {
    const { server } = await tlsMeet(
      serverOptions(),
      clientOptions({ identity: issue({ ca, spiffe: b, key }) }),
    );
    expect(server.info!.principal).toBe(b);
  });

  test("no certificate", async () => {
    const { identity: _, ...bare } = clientOptions();
    const { server } = await tlsMeet(serverOptions(), bare);
    expect(server.refusal!.code).toBe("tls.no_certificate");
    expect(server.heard).toBe("");
  });

  test("optional certificate: none is nobody, a good one is known, a foreign one is refused", async () => {
    const optional = serverOptions({ requireClientCertificate: false });
    const { identity: _, ...bare } = clientOptions();
    const none = await tlsMeet(optional, bare);
    expect(none.server.info!.principal).toBe("");
    expect(none.server.heard).toBe("hello from client");
    expect((await tlsMeet(optional, clientOptions())).server.info!.principal).toBe(b);
    const bad = await tlsMeet(optional, clientOptions({ identity: issue({ ca: foreign, spiffe: b }) }));
    expect(bad.server.refusal!.code).toBe("tls.untrusted");
    expect(bad.server.heard).toBe("");
    const expired = issue({ ca, spiffe: b, notBefore: now - 2 * hour, notAfter: now - hour });
    const late = await tlsMeet(optional, clientOptions({ identity: expired }));
    expect(late.server.refusal!.code).toBe("tls.untrusted");
    expect(late.server.heard).toBe("");
  });

  test("an SVID used as a CA signs nobody", async () => {
    const svid = issue({ ca, spiffe: a });
    const { createPrivateKey, X509Certificate } = await import("node:crypto");
    const { parseCertificate } = await import("../x509/index.ts");
    const subject = Buffer.from(parseCertificate(new X509Certificate(svid.cert).raw).subject);
    const rogue = issue({ ca: { key: createPrivateKey(svid.key), pem: svid.cert, subject }, spiffe: b });
    const identity = { cert: rogue.cert + svid.cert, key: rogue.key };
    const { server } = await tlsMeet(serverOptions(), clientOptions({ identity }));
    expect(server.refusal!.code).toBe("tls.untrusted");
    expect(server.heard).toBe("");
  });

  test("an identity that is not expected here, both roles", async () => {
    const only = (usage: "client" | "server", exact: string): VerifyPeer =>
      verifier(usage, { allowed: [{ exact }] });
    const s = await tlsMeet(serverOptions({ verifyPeer: only("client", a) }), clientOptions());
    expect(s.server.refusal!.detail).toContain("not among the identities");
    const c = await tlsMeet(serverOptions(), clientOptions({ verifyPeer: only("server", b) }));
    expect(c.client.refusal!.detail).toContain("not among the identities");
    expect(c.server.heard).toBe("");
  });

  test("a check that throws, or says neither yes nor no, is a refusal", async () => {
    const throws = await tlsMeet(
      serverOptions({
        verifyPeer: () => {
          throw new Error("boom");
        },
      }),
      clientOptions(),
    );
    expect(throws.server.refusal!.code).toBe("tls.identity");
    const strange = (() => ({ ok: "yes", principal: a })) as unknown as VerifyPeer;
    expect(
      (await tlsMeet(serverOptions(), clientOptions({ verifyPeer: strange }))).client.refusal!.code,
    ).toBe("tls.identity");
  });

  test("SHA-1 signature", async () => {
    const weak = issue({ ca, spiffe: b, sha1: true });
    const { server } = await tlsMeet(serverOptions(), clientOptions({ identity: weak }));
    expect(server.heard).toBe("");
    expect(server.info).toBeUndefined();
    expect(verifier("client")(weak.der, [])).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/weak/),
    });
  });

  test("EKU: none is good; anyExtendedKeyUsage or other purposes alone are not", async () => {
    const none = issue({ ca, spiffe: b, eku: [] });
    expect((await tlsMeet(serverOptions(), clientOptions({ identity: none }))).server.info?.principal).toBe(
      b,
    );
    const any = issue({ ca, spiffe: b, eku: [oids.anyExtendedKeyUsage] });
    expect((await tlsMeet(serverOptions(), clientOptions({ identity: any }))).server.heard).toBe("");
    expect(verifier("client")(any.der, [])).toEqual({
      ok: false,
      reason: "certificate is not for TLS clients",
    });
    const code = issue({ ca, spiffe: b, eku: ["1.3.6.1.5.5.7.3.3"] });
    expect((await tlsMeet(serverOptions(), clientOptions({ identity: code }))).server.heard).toBe("");
  });
});
