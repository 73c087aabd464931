import { describe, expect, test } from "bun:test";
import { seededRng } from "../../base/index.ts";
import { fakeClock } from "../../testkit/index.ts";
import {
  type Answer,
  encodeName,
  encodeQuery,
  encodeResponse,
  rcode,
  readQuery,
  readResponse,
  rrType,
} from "../../wire/dns/index.ts";
import { formatIp } from "../../wire/ip/index.ts";
import { createBook } from "./book.ts";
import { limits } from "./limits.ts";
import { reversed } from "./local.ts";
import { Resolver, type Upstream } from "./resolver.ts";
import { parseResolvConf } from "./upstream.ts";

const info = (ips: string[], more: object = {}) => ({
  ...{
    ips,
    registry: "Kubernetes",
    shortname: "",
    namespace: "default",
    altHosts: [],
    ports: [],
    endpoints: [],
  },
  ...more,
});
const domain = "default.svc.cluster.local";
const table = {
  clusterDomain: "cluster.local",
  table: {
    [`reviews.${domain}`]: info(["240.240.0.1", "fd77:240::1"], {
      shortname: "reviews",
      ports: [{ name: "http", number: 9080 }],
    }),
    "ratings.shop.svc.cluster.local": info(["10.96.0.9"], { shortname: "ratings", namespace: "shop" }),
    [`db.${domain}`]: info(["10.66.0.4", "10.66.0.5"], {
      shortname: "db",
      ports: [{ name: "tcp", number: 5432 }],
      endpoints: [`db-0.db.${domain}`, `db-1.db.${domain}`],
    }),
    [`db-0.db.${domain}`]: info(["10.66.0.4"], { shortname: "db-0.db" }),
    [`db-1.db.${domain}`]: info(["10.66.0.5"], { shortname: "db-1.db" }),
    [`empty.${domain}`]: info([], { shortname: "empty" }),
    "*.wild.example": info(["240.240.7.7"], { registry: "External", namespace: "default" }),
  } as never,
};

interface Told {
  readonly code: number;
  readonly truncated: boolean;
  readonly addresses: string[];
  readonly bytes: Uint8Array;
}

function rig(upstream?: Upstream, ipv6 = true) {
  const clock = fakeClock();
  const resolver = new Resolver({ ...(upstream && { upstream }), ipv6, clock, rng: seededRng(1) });
  resolver.book = createBook(table as never, "default");
  const ask = async (
    name: string,
    type: number = rrType.A,
    more: object = {},
    over: "udp" | "tcp" = "udp",
  ): Promise<Told> => {
    const raw = Buffer.concat([encodeName(name)!, Uint8Array.of(type >> 8, type & 255, 0, 1)]);
    const query = { id: 77, recursionDesired: true, checkingDisabled: false, question: { raw }, ...more };
    const bytes = (await resolver.answer(encodeQuery(query), over))!;
    const read = readResponse(bytes)!;
    expect(read.id).toBe(77);
    return { code: read.rcode, truncated: read.truncated, addresses: addressesIn(bytes), bytes };
  };
  return { clock, resolver, ask };
}

/** What A and AAAA records of the answer section say. */
function addressesIn(bytes: Uint8Array): string[] {
  const read = readResponse(bytes)!;
  const count = (bytes[6]! << 8) | bytes[7]!;
  const found: string[] = [];
  for (const at of read.ttls.slice(0, count)) {
    const type = (bytes[at - 4]! << 8) | bytes[at - 3]!;
    const length = (bytes[at + 4]! << 8) | bytes[at + 5]!;
    if (type === rrType.A || type === rrType.AAAA)
      found.push(formatIp(bytes.subarray(at + 6, at + 6 + length)));
  }
  return found;
}

/** Answers each name with its address, and counts. */
function world(ttl = 60) {
  const asked: string[] = [];
  const upstream: Upstream = {
    async exchange(bytes) {
      const got = readQuery(bytes);
      if (got === undefined || !("query" in got)) throw new Error("unreadable");
      const { question, id } = got.query;
      asked.push(question.name);
      const answers: Answer[] =
        question.name === "outside.example"
          ? [{ kind: "address", name: question.name, ttl, address: Uint8Array.of(192, 0, 2, 1) }]
          : question.name === "huge.example"
            ? Array.from({ length: 100 }, (_, i) => ({
                ...({
                  kind: "address",
                  name: question.name,
                  ttl,
                  address: Uint8Array.of(192, 0, 2, i),
                } as const),
              }))
            : [];
      return encodeResponse(
        {
          ...{ id, recursionDesired: true, authoritative: false, question, answers, edns: false },
          rcode: answers.length > 0 ? rcode.ok : rcode.nxDomain,
          authority: [{ kind: "soa", name: "example", ttl: 3600, server: "a", mailbox: "b", minimum: 3600 }],
          additional: [],
        },
        65_535,
      );
    },
  };
  return { asked, upstream };
}

describe("names of the mesh", () => {
  const forms = ["reviews", "reviews.default", "reviews.default.svc", `reviews.${domain}`];

  test("are known by every form, over both families", async () => {
    const { ask } = rig();
    for (const name of forms) {
      expect((await ask(name)).addresses).toEqual(["240.240.0.1"]);
      expect((await ask(name, rrType.AAAA)).addresses).toEqual(["fd77:240::1"]);
    }
    expect((await ask("ratings.shop")).addresses).toEqual(["10.96.0.9"]);
    expect((await ask("a.b.wild.example")).addresses).toEqual(["240.240.7.7"]);
    expect((await ask("localhost")).addresses).toEqual(["127.0.0.1"]);
  });

  test("of another namespace need it", async () => {
    const { ask } = rig();
    expect((await ask("ratings")).code).toBe(rcode.servFail);
  });

  test("without IPv6 have no address of it, and are there all the same", async () => {
    const { ask } = rig(undefined, false);
    expect(await ask("reviews", rrType.AAAA)).toMatchObject({ code: rcode.ok, addresses: [] });
  });

  test("that are there but not of that type, and those that are not there", async () => {
    const { ask } = rig();
    for (const [name, type, code] of [
      ["reviews", 16, rcode.ok],
      ["ratings.shop", rrType.AAAA, rcode.ok],
      [`empty.${domain}`, rrType.A, rcode.ok],
      ["default.svc.cluster.local", rrType.A, rcode.ok],
      ["svc.cluster.local", rrType.A, rcode.ok],
      [`nobody.${domain}`, rrType.A, rcode.nxDomain],
      [`reviews.${domain}.${domain}`, rrType.A, rcode.nxDomain],
      [`_https._tcp.reviews.${domain}`, rrType.SRV, rcode.nxDomain],
      [`_http._udp.reviews.${domain}`, rrType.SRV, rcode.nxDomain],
      [`_http._tcp.reviews.${domain}`, rrType.A, rcode.ok],
    ] as const) {
      const got = await ask(name, type);
      expect([name, got.code, got.addresses]).toEqual([name, code, []]);
      expect(readResponse(got.bytes)!.ttl).toBe(limits.endpointTtl);
    }
  });

  test("headless services give their endpoints, each with a name", async () => {
    const { ask } = rig();
    expect((await ask("db")).addresses.sort()).toEqual(["10.66.0.4", "10.66.0.5"]);
    expect((await ask(`db-1.db.${domain}`)).addresses).toEqual(["10.66.0.5"]);
    const first = new Set<string>();
    for (let i = 0; i < 20; i++) first.add((await ask("db")).addresses[0]!);
    expect(first.size).toBe(2);
  });

  test("ports have records, and addresses names", async () => {
    const { ask } = rig();
    const one = Buffer.from((await ask(`_http._tcp.reviews.${domain}`, rrType.SRV)).bytes).toString("latin1");
    expect(one).toContain("\u0000\u0000\u0000\u0064\u0023\u0078\u0007reviews\u0007default");
    const each = (await ask(`_tcp._tcp.db.${domain}`, rrType.SRV)).bytes;
    expect((each[6]! << 8) | each[7]!).toBe(2);
    expect(Buffer.from(each).toString("latin1")).toContain("\u0004db-0\u0002db");
    const text = async (name: string) => Buffer.from((await ask(name, rrType.PTR)).bytes).toString("latin1");
    expect(await text("1.0.240.240.in-addr.arpa")).toContain("\u0007reviews");
    expect(await text("5.0.66.10.in-addr.arpa")).toContain("\u0004db-1");
    expect((await ask("9.9.240.240.in-addr.arpa", rrType.PTR)).code).toBe(rcode.nxDomain);
    expect((await ask("1.0.0.10.in-addr.arpa", rrType.PTR)).code).toBe(rcode.servFail);
    const nibbles = [..."fd770240000000000000000000000001"].reverse().join(".");
    expect(reversed(`${nibbles}.ip6.arpa`)).toBe("fd77:240::1");
    expect(await text(`${nibbles}.ip6.arpa`)).toContain("\u0007reviews");
    for (const odd of ["1.2.3.in-addr.arpa", "256.1.1.1.in-addr.arpa", "a.ip6.arpa"])
      expect(reversed(odd)).toBeUndefined();
  });
});

describe("names of others", () => {
  test("are asked for once and kept as long as they hold", async () => {
    const { asked, upstream } = world();
    const { ask, clock, resolver } = rig(upstream);
    const both = await Promise.all([ask("outside.example"), ask("Outside.example")]);
    for (const got of both) expect(got.addresses).toEqual(["192.0.2.1"]);
    clock.advance(59_000);
    expect(readResponse((await ask("outside.example")).bytes)!.ttl).toBe(1);
    expect(asked).toEqual(["outside.example"]);
    clock.advance(1_000);
    await ask("outside.example");
    expect(asked.length).toBe(2);
    expect(resolver.counts).toMatchObject({ requests: 4, forwarded: 2, cached: 1, failed: 0 });
  });

  test("that do not exist are kept too, but not for long", async () => {
    const { asked, upstream } = world();
    const { ask, clock } = rig(upstream);
    expect((await ask("gone.example")).code).toBe(rcode.nxDomain);
    clock.advance(limits.maxNegativeTtl * 1000 - 1);
    expect((await ask("gone.example")).code).toBe(rcode.nxDomain);
    expect(asked.length).toBe(1);
    clock.advance(1);
    await ask("gone.example");
    expect(asked.length).toBe(2);
  });

  test("hold no longer than the limit, however long they say", async () => {
    const { asked, upstream } = world(86_400);
    const { ask, clock } = rig(upstream);
    await ask("outside.example");
    clock.advance(limits.maxTtl * 1000 - 1);
    await ask("outside.example");
    expect(asked.length).toBe(1);
    clock.advance(1);
    await ask("outside.example");
    expect(asked.length).toBe(2);
  });

  test("are kept up to the limit of the table", async () => {
    const { resolver } = rig();
    const { upstream } = world();
    const answer = await new Resolver({ upstream, ipv6: true, clock: fakeClock(), rng: seededRng(2) }).answer(
      encodeQuery({
        ...{ id: 1, recursionDesired: true, checkingDisabled: false },
        question: { raw: Buffer.concat([encodeName("outside.example")!, Uint8Array.of(0, 1, 0, 1)]) },
      }),
      "udp",
    )!;
    for (let i = 0; i < limits.cacheEntries; i++) resolver.cache.put(`k${i}`, answer as Uint8Array);
    expect(resolver.cache.size).toBe(limits.cacheEntries);
    resolver.cache.get("k0", 1);
    resolver.cache.put("one more", answer as Uint8Array);
    expect(resolver.cache.size).toBe(limits.cacheEntries);
    expect(resolver.cache.get("k0", 1)).toBeDefined();
    expect(resolver.cache.get("k1", 1)).toBeUndefined();
  });

  test("too long for UDP are cut short there, and whole over TCP", async () => {
    const { upstream } = world();
    const { ask } = rig(upstream);
    expect(await ask("huge.example")).toMatchObject({ truncated: true, addresses: [] });
    expect((await ask("huge.example", rrType.A, {}, "tcp")).addresses.length).toBe(100);
    const room = { edns: { size: 65_535, version: 0, dnssecOk: false } };
    expect((await ask("huge.example", rrType.A, room)).truncated).toBe(true);
  });

  test("answered by nobody, or for something else, are a failure", async () => {
    expect((await rig().ask("outside.example")).code).toBe(rcode.servFail);
    const silent = rig({ exchange: () => Promise.reject(new Error("no route")) });
    expect((await silent.ask("outside.example")).code).toBe(rcode.servFail);
    expect(silent.resolver.counts.failed).toBe(1);
    const { upstream } = world();
    for (const spoil of [0, 14]) {
      const forged = rig({
        exchange: async (q) => {
          const bytes = new Uint8Array(await upstream.exchange(q));
          bytes[spoil] = bytes[spoil]! ^ 1;
          return bytes;
        },
      });
      expect((await forged.ask("outside.example")).code).toBe(rcode.servFail);
    }
  });

  test("under way are bounded", async () => {
    const held = Promise.withResolvers<Uint8Array>();
    const { ask } = rig({ exchange: () => held.promise });
    const first = Array.from({ length: limits.upstreamQueries }, (_, i) => ask(`n${i}.example`));
    expect((await ask("one-more.example")).code).toBe(rcode.servFail);
    held.reject(new Error("over"));
    for (const got of await Promise.all(first)) expect(got.code).toBe(rcode.servFail);
  });

  test("are not asked for who wants no recursion, nor under another version of EDNS", async () => {
    const { asked, upstream } = world();
    const { ask } = rig(upstream);
    expect((await ask("outside.example", rrType.A, { recursionDesired: false })).code).toBe(rcode.refused);
    expect(asked).toEqual([]);
  });
});

test("resolv.conf is read as glibc does", () => {
  expect(
    parseResolvConf(
      "# x\nnameserver 10.0.0.1\nnameserver bad\nnameserver ::1\nsearch a. b\ndomain c\noptions ndots:2 rotate\n" +
        "nameserver 10.0.0.2\nnameserver 10.0.0.3\n",
    ),
  ).toEqual({ servers: ["10.0.0.1", "::1", "10.0.0.2"], search: ["c"], options: ["ndots:2", "rotate"] });
});
