import { describe, expect, test } from "bun:test";
import { maxSpiffeIdLength, maxTrustDomainLength, parseSpiffeId, spiffeId } from "./index.ts";

describe("parseSpiffeId", () => {
  test("an id of the mesh", () => {
    expect(parseSpiffeId("spiffe://cluster.local/ns/default/sa/reviews")).toEqual({
      ok: true,
      id: {
        trustDomain: "cluster.local",
        namespace: "default",
        serviceAccount: "reviews",
        path: "/ns/default/sa/reviews",
        uri: "spiffe://cluster.local/ns/default/sa/reviews",
      },
    });
  });

  test.each(["spiffe://td", "spiffe://td/a", "spiffe://a_b-c.d/A/.x/..y/-_"])("%s is one", (uri) => {
    expect(parseSpiffeId(uri)).toMatchObject({ ok: true, id: { uri, namespace: "", serviceAccount: "" } });
  });

  test.each([
    "",
    "spiffe:/td/a",
    "Spiffe://td/a",
    "SPIFFE://td/a",
    "https://td/a",
    "spiffe://",
    "spiffe:///a",
    "spiffe://TD/a",
    "spiffe://td:80/a",
    "spiffe://u@td/a",
    "spiffe://td%61/a",
    "spiffe://t d/a",
    "spiffe://td/",
    "spiffe://td/a/",
    "spiffe://td//a",
    "spiffe://td/./a",
    "spiffe://td/../a",
    "spiffe://td/a/..",
    "spiffe://td/%62",
    "spiffe://td/a?x=y",
    "spiffe://td/a#f",
    "spiffe://td?x",
    "spiffe://td#x",
    "spiffe://td/a\0",
    "spiffe://td/ns/a/sa/admin\0.evil",
    "spiffe://td\0/a",
    "spiffe://td/a b",
    "spiffe://td/a\n",
    "spiffe://td\n",
    "spiffe://td/ä",
    " spiffe://td/a",
  ])("%j is none", (uri) => {
    expect(parseSpiffeId(uri).ok).toBe(false);
  });

  test("limits: 2048 and 255 bytes, and one more", () => {
    const whole = (n: number): string => `spiffe://td/${"a".repeat(n - 12)}`;
    expect(parseSpiffeId(whole(maxSpiffeIdLength)).ok).toBe(true);
    expect(parseSpiffeId(whole(maxSpiffeIdLength + 1)).ok).toBe(false);
    expect(parseSpiffeId(`spiffe://${"a".repeat(maxTrustDomainLength)}/x`).ok).toBe(true);
    expect(parseSpiffeId(`spiffe://${"a".repeat(maxTrustDomainLength + 1)}/x`).ok).toBe(false);
  });
});

test("spiffeId makes only what can be read back", () => {
  expect(spiffeId("cluster.local", "default", "a")).toBe("spiffe://cluster.local/ns/default/sa/a");
  for (const [ns, sa] of [
    ["", "a"],
    ["a/sa/b", "c"],
    ["..", "a"],
    ["a", "b/x"],
    ["a", "b\0"],
  ] as const)
    expect(() => spiffeId("td", ns, sa)).toThrow(RangeError);
});
