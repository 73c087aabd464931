import { describe, expect, test } from "bun:test";
import { generateKeyPairSync, verify, X509Certificate } from "node:crypto";
import fc from "fast-check";
import { issue, issuingCa } from "../../testkit/issue.ts";
import {
  children,
  context,
  maxDerBytes,
  maxDerElements,
  readDer,
  readNamedBits,
  readOid,
  readTime,
  tag,
} from "./der.ts";
import { bits, der, namedBits, octets, oid, sequence, set, small, time } from "./der-write.ts";
import {
  buildCsr,
  canonicalIp,
  createCsr,
  DerError,
  decodePem,
  encodePem,
  generateKey,
  oids,
  parseCertificate,
  parseCertificates,
  parseCsr,
  signerFor,
  spkiOf,
} from "./index.ts";
import { maxPemBlocks } from "./pem.ts";

const hex = (text: string): Buffer => Buffer.from(text.replace(/ /g, ""), "hex");
const ca = issuingCa();
const id = "spiffe://cluster.local/ns/default/sa/a";

describe("DER", () => {
  test.each([
    ["no bytes", ""],
    ["identifier alone", "30"],
    ["content ends early", "30 03 01 01"],
    ["bytes behind", "05 00 00"],
    ["indefinite length", "30 80 00 00"],
    ["long form for a short length", "04 81 01 00"],
    ["zeros in front of the length", "04 82 00 80"],
    ["four length bytes", "04 84 00 00 00 01"],
    ["tag number above 30", "1f 01 00"],
  ])("refuses %s", (_, bytes) => {
    expect(() => readDer(hex(bytes))).toThrow(DerError);
  });

  test("lengths around each change of form", () => {
    for (const n of [0, 1, 127, 128, 255, 256, 65_000])
      expect(readDer(octets(new Uint8Array(n)), tag.octetString).content.length).toBe(n);
  });

  test("limits: bytes and elements, and one more", () => {
    expect(readDer(octets(new Uint8Array(maxDerBytes - 4))).whole.length).toBe(maxDerBytes);
    expect(() => readDer(octets(new Uint8Array(maxDerBytes - 3)))).toThrow("64 KiB");
    const list = (n: number): Buffer => sequence(...Array(n).fill(der(tag.null)));
    expect(children(readDer(list(maxDerElements))).length).toBe(maxDerElements);
    expect(() => children(readDer(list(maxDerElements + 1)))).toThrow("too many");
  });

  test("object identifiers there and back; bad ones refused", () => {
    for (const dotted of ["2.5.29.17", "1.2.840.113549.1.9.14", "2.999.3", "0.9.2342"])
      expect(readOid(readDer(oid(dotted)))).toBe(dotted);
    for (const bad of ["06 00", "06 02 55 80", "06 02 80 01", "06 0a 81 ff ff ff ff ff ff ff ff 7f"])
      expect(() => readOid(readDer(hex(bad)))).toThrow(DerError);
  });

  test("times there and back, on both sides of 2050; bad ones refused", () => {
    for (const ms of [Date.UTC(1999, 11, 31, 23, 59, 59), Date.UTC(2026, 1, 28), Date.UTC(2051, 0, 1)])
      expect(readTime(readDer(time(ms)))).toBe(ms);
    const bad = [
      "260230000000Z",
      "261301000000Z",
      "260101240000Z",
      "260101006000Z",
      "2601010000Z",
      "260101000000+0000",
    ];
    for (const text of bad)
      expect(() => readTime(readDer(der(tag.utcTime, Buffer.from(text))))).toThrow(DerError);
    expect(() => readTime(readDer(der(tag.generalizedTime, Buffer.from("260101000000Z"))))).toThrow(DerError);
  });

  test("named bits there and back", () => {
    for (const value of [0, 1, 0x20, 0x60, 0x1ff])
      expect(readNamedBits(readDer(namedBits(value)))).toBe(value);
    for (const bad of ["03 00", "03 02 08 00", "03 02 01 01", "03 01 01", "03 04 00 00 00 01"])
      expect(() => readNamedBits(readDer(hex(bad)))).toThrow(DerError);
  });
});

describe("certificates", () => {
  test("what is read agrees with node's own reader", () => {
    const made = issue({ ca, spiffe: id, dns: ["a.example"], ips: ["10.0.0.1", "fd00::1"] });
    const cert = parseCertificate(made.der);
    const node = new X509Certificate(made.cert);
    expect(cert.names).toEqual({
      uris: [id],
      dns: ["a.example"],
      ips: ["10.0.0.1", canonicalIp("fd00::1")],
      emails: [],
      others: 0,
    });
    expect(cert.serial).toBe(node.serialNumber.toLowerCase());
    expect(cert.notAfter).toBe(Date.parse(node.validTo));
    expect(cert.notBefore).toBe(Date.parse(node.validFrom));
    expect(cert.publicKey).toMatchObject({ type: "ec", bits: 256 });
    expect(cert.extendedKeyUsage).toEqual([oids.serverAuth, oids.clientAuth]);
    expect([cert.isCa, cert.keyUsage, cert.signatureHash, cert.unknownCritical]).toEqual([
      false,
      1,
      "sha256",
      [],
    ]);
    expect(node.verify(new X509Certificate(ca.pem).publicKey)).toBe(true);
    expect(parseCertificates(ca.pem)[0]!.isCa).toBe(true);
  });

  test("names with NUL, commas and markers stay one name each, byte for byte", () => {
    const evil = ["spiffe://td/a\0.evil", `x, URI:${id}`, "\n"];
    expect(parseCertificate(issue({ ca, extraUris: evil }).der).names.uris).toEqual(evil);
    expect(() => parseCertificate(issue({ ca, extraUris: ["spiffe://td/\xe4"] }).der)).toThrow("ASCII");
  });

  test("RSA sizes and weak signatures are seen", () => {
    expect(parseCertificate(issue({ ca, key: "rsa1024" }).der).publicKey).toMatchObject({
      type: "rsa",
      bits: 1024,
    });
    expect(parseCertificate(issue({ ca, key: "rsa2048" }).der).publicKey.bits).toBe(2048);
    expect(parseCertificate(issue({ ca, key: "p384" }).der).publicKey.bits).toBe(384);
    expect(parseCertificate(issue({ ca, sha1: true }).der).signatureHash).toBeUndefined();
  });

  test("any damage is an error or another certificate, never another exception; any cut is an error", () => {
    const good = issue({ ca, spiffe: id, dns: ["a"] }).der;
    for (let n = 0; n < good.length; n++)
      expect(() => parseCertificate(good.subarray(0, n))).toThrow(DerError);
    const change = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.oneof(change, fc.uint8Array({ maxLength: 200 })), (input) => {
        const bytes = input instanceof Uint8Array ? input : Buffer.from(good);
        if (!(input instanceof Uint8Array)) for (const [at, byte] of input) bytes[at] = byte;
        try {
          const { names } = parseCertificate(bytes);
          for (const uri of names.uris) expect(uri.length).toBeLessThanOrEqual(good.length);
        } catch (error) {
          expect(error).toBeInstanceOf(DerError);
        }
      }),
      { numRuns: 5000 },
    );
  });
});

describe("requests", () => {
  test("a request says its name and is signed by its key; the key stays out of it", () => {
    const { keyPem, csrPem } = createCsr(id);
    const csr = parseCsr(csrPem);
    expect(csr.names.uris).toEqual([id]);
    expect(csr.publicKey).toMatchObject({ type: "ec", bits: 256 });
    expect(keyPem).toContain("PRIVATE KEY");
    expect(csrPem).not.toContain("PRIVATE");
    expect(createCsr(id).keyPem).not.toBe(keyPem);
  });

  test("a foreign signature, a weak one, no request or two are refused", () => {
    const good = buildCsr(generateKey(), [id]);
    const bad = Buffer.from(good);
    bad[good.length - 1]! ^= 1;
    const pem = (bytes: Uint8Array): string => encodePem(bytes, "CERTIFICATE REQUEST");
    expect(() => parseCsr(pem(bad))).toThrow(DerError);
    expect(() => parseCsr(pem(good) + pem(good))).toThrow("exactly one");
    expect(() => parseCsr("")).toThrow("exactly one");
    const info = children(readDer(good))[0]!.whole;
    const other = signerFor(generateKey());
    expect(() => parseCsr(pem(sequence(info, other.algorithm, bits(other.sign(info)))))).toThrow("own key");
    const sha1 = sequence(oid("1.2.840.10045.4.1"));
    expect(() => parseCsr(pem(sequence(info, sha1, bits(other.sign(info)))))).toThrow("weak");
  });

  test("a request without extensions has no names", () => {
    const key = generateKey();
    const signer = signerFor(key);
    const info = sequence(small(0), sequence(), spkiOf(key), der(context(0, true)));
    const pem = encodePem(sequence(info, signer.algorithm, bits(signer.sign(info))), "CERTIFICATE REQUEST");
    expect(parseCsr(pem).names.uris).toEqual([]);
  });

  test("two extension requests are refused", () => {
    const key = generateKey();
    const signer = signerFor(key);
    const one = sequence(oid(oids.extensionRequest), set(sequence()));
    const info = sequence(small(0), sequence(), spkiOf(key), der(context(0, true), one, one));
    const pem = encodePem(sequence(info, signer.algorithm, bits(signer.sign(info))), "CERTIFICATE REQUEST");
    expect(() => parseCsr(pem)).toThrow("two extension requests");
  });
});

test("keys sign with the hash that fits them", () => {
  for (const [key, hash] of [
    [generateKeyPairSync("ec", { namedCurve: "P-384" }), "sha384"],
    [generateKeyPairSync("ec", { namedCurve: "P-256" }), "sha256"],
    [generateKeyPairSync("rsa", { modulusLength: 2048 }), "sha256"],
  ] as const) {
    const bytes = Buffer.from("x");
    expect(verify(hash, bytes, key.publicKey, signerFor(key.privateKey).sign(bytes))).toBe(true);
  }
  expect(() => signerFor(generateKeyPairSync("ed25519").privateKey)).toThrow("P-256, P-384 or RSA");
});

test("PEM there and back, joined blocks, and the limit", () => {
  const bytes = Buffer.from(Array.from({ length: 100 }, (_, i) => i));
  const text = encodePem(bytes, "CERTIFICATE");
  expect(decodePem(text + text, "CERTIFICATE")).toEqual([bytes, bytes]);
  expect(Math.max(...text.split("\n").map((l) => l.length))).toBe(64);
  const tiny = encodePem(Buffer.from([1]), "CERTIFICATE");
  expect(decodePem(tiny.repeat(maxPemBlocks), "CERTIFICATE").length).toBe(maxPemBlocks);
  expect(() => decodePem(tiny.repeat(maxPemBlocks + 1), "CERTIFICATE")).toThrow("too many");
});

test("addresses in one form", () => {
  expect(canonicalIp("::1")).toBe("0:0:0:0:0:0:0:1");
  expect(canonicalIp("::ffff:10.0.0.1")).toBe("0:0:0:0:0:ffff:a00:1");
  expect(canonicalIp("FD00:0::")).toBe("fd00:0:0:0:0:0:0:0");
  for (const bad of ["", "a", "1.2.3", "fe80::1%eth0"]) expect(() => canonicalIp(bad)).toThrow(DerError);
});
