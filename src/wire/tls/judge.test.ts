/** Each layer of the verdict by itself: what Bun reports is varied, one lie at a time. */
import { describe, expect, test } from "bun:test";
import { type HandshakeError, judgeClient, judgeServer } from "./judge.ts";
import type { TlsSocket, VerifyPeer } from "./types.ts";

interface Fake {
  readonly authorized?: boolean;
  readonly raw?: Uint8Array | undefined;
  readonly authorizationError?: Error | null;
}

function socket(fake: Fake = {}): TlsSocket {
  const raw = "raw" in fake ? fake.raw : new Uint8Array([1]);
  return {
    authorized: fake.authorized ?? true,
    alpnProtocol: false,
    getServername: () => undefined,
    getPeerX509Certificate: () => (raw ? { raw } : undefined),
    getAuthorizationError: () => fake.authorizationError ?? null,
  } as unknown as TlsSocket;
}

const error = (code: string): NonNullable<HandshakeError> => Object.assign(new Error(code), { code });
const name = error("ERR_TLS_CERT_ALTNAME_INVALID");
const yes: VerifyPeer = () => ({ ok: true, principal: "p" });
const never: VerifyPeer = () => {
  throw new Error("must not be asked");
};
const refused = (code: string): object => ({ refusal: expect.objectContaining({ code }) });
const accepted = (principal: string): object => ({ info: expect.objectContaining({ principal }) });

describe("a server", () => {
  const rules = { requireClientCertificate: true, asks: true, verifyPeer: yes };
  const strict = { ...rules, verifyPeer: never };

  test("no error, ok and authorized together: only then verifyPeer is asked", () => {
    expect<unknown>(judgeClient(socket(), true, null, rules)).toEqual({
      info: expect.objectContaining({ principal: "p", mutual: true }),
    });
    expect<unknown>(judgeClient(socket(), true, error("DEPTH_ZERO_SELF_SIGNED_CERT"), strict)).toEqual(
      refused("tls.untrusted"),
    );
    expect<unknown>(judgeClient(socket(), true, name, strict)).toEqual(refused("tls.untrusted"));
    expect<unknown>(judgeClient(socket({ authorized: false }), true, null, strict)).toEqual(
      refused("tls.untrusted"),
    );
    expect<unknown>(judgeClient(socket(), false, null, strict)).toEqual(refused("tls.untrusted"));
  });

  test("no certificate: refused where required, nobody where optional", () => {
    for (const raw of [undefined, new Uint8Array(0)]) {
      expect<unknown>(judgeClient(socket({ raw }), true, null, strict)).toEqual(
        refused("tls.no_certificate"),
      );
      const optional = { ...strict, requireClientCertificate: false };
      expect<unknown>(judgeClient(socket({ raw }), true, null, optional)).toEqual(accepted(""));
    }
  });

  test("optional does not soften the check of one that is shown", () => {
    const optional = { ...strict, requireClientCertificate: false };
    expect<unknown>(judgeClient(socket(), true, error("CERT_HAS_EXPIRED"), optional)).toEqual(
      refused("tls.untrusted"),
    );
    expect<unknown>(judgeClient(socket({ authorized: false }), true, null, optional)).toEqual(
      refused("tls.untrusted"),
    );
  });

  test("a failed handshake is a refusal, also where nothing is asked", () => {
    const open = { ...strict, asks: false, requireClientCertificate: false };
    expect<unknown>(judgeClient(socket({ raw: undefined }), true, null, open)).toEqual(accepted(""));
    for (const r of [strict, open]) {
      expect<unknown>(judgeClient(socket(), false, error("EPROTO"), r)).toEqual(refused("tls.handshake"));
      expect<unknown>(judgeClient(socket(), false, error("ECONNRESET"), r)).toEqual(refused("tls.closed"));
    }
    expect<unknown>(judgeClient(socket(), false, null, open)).toEqual(refused("tls.untrusted"));
  });
});

describe("a client", () => {
  const rules = { offers: true, verifyPeer: yes };
  const strict = { ...rules, verifyPeer: never };

  test("a connection is mutual where an own certificate was offered", () => {
    for (const offers of [true, false])
      expect<unknown>(judgeServer(socket(), true, null, { ...rules, offers })).toEqual({
        info: expect.objectContaining({ principal: "p", mutual: offers }),
      });
  });

  test("only a clean chain, or one whose sole fault is the name, reaches verifyPeer", () => {
    expect<unknown>(judgeServer(socket(), true, null, rules)).toEqual(accepted("p"));
    const named = socket({ authorized: false, authorizationError: name });
    expect<unknown>(judgeServer(named, false, name, rules)).toEqual(accepted("p"));
    expect<unknown>(judgeServer(socket(), false, error("CERT_HAS_EXPIRED"), strict)).toEqual(
      refused("tls.untrusted"),
    );
    const second = socket({ authorized: false, authorizationError: error("SELF_SIGNED_CERT_IN_CHAIN") });
    expect<unknown>(judgeServer(second, false, name, strict)).toEqual(refused("tls.untrusted"));
    expect<unknown>(judgeServer(second, true, null, strict)).toEqual(refused("tls.untrusted"));
    expect<unknown>(judgeServer(socket({ authorized: false }), true, null, strict)).toEqual(
      refused("tls.untrusted"),
    );
    expect<unknown>(judgeServer(socket(), false, null, strict)).toEqual(refused("tls.untrusted"));
  });

  test("no certificate is a refusal", () => {
    expect<unknown>(judgeServer(socket({ raw: undefined }), true, null, strict)).toEqual(
      refused("tls.no_certificate"),
    );
  });
});
