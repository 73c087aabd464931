import { describe, expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { DiscoveryResponseSchema } from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import { type EncodedResource, encodeSotwResponse, SotwSubscription, typeUrl } from "./index.ts";

type World = Record<string, string>;

const resource = (name: string, version: string, size = 10): EncodedResource => ({
  name,
  version,
  typeUrl: "t",
  bytes: new Uint8Array(size),
});
const worldOf = (world: World): ReadonlyMap<string, EncodedResource> =>
  new Map(Object.entries(world).map(([name, version]) => [name, resource(name, version)]));

/** A request with names (the nonce: of the last response unless given), or a new state of the world. */
type Step =
  | { ask: readonly string[]; nonce?: string; error?: string; verdict?: string; sends?: string }
  | { world: World; sends?: string; hold?: boolean };

/** `a@1 b@1`: the response holds these; "" is an empty response; undefined: nothing is sent. */
function run(url: string, steps: readonly Step[]): void {
  const subscription = new SotwSubscription(url);
  let world: World = {};
  let nonce = "";
  for (const [index, step] of steps.entries()) {
    const where = `step ${index}`;
    let hold = false;
    if ("ask" in step) {
      const verdict = subscription.request({
        names: step.ask,
        nonce: step.nonce ?? nonce,
        error: step.error,
      });
      if (step.verdict !== undefined) expect(`${where} ${verdict.kind}`).toBe(`${where} ${step.verdict}`);
    } else {
      world = step.world;
      hold = step.hold ?? false;
    }
    const push = subscription.next(worldOf(world), { maxBytes: 1e9, holdRemovals: hold });
    const text = push?.added.map((r) => `${r.name}@${r.version}`).join(" ");
    expect(`${where} ${text}`).toBe(`${where} ${step.sends}`);
    if (push !== undefined) nonce = subscription.sent(push);
  }
}

const ack = (...names: string[]): Step => ({ ask: names, verdict: "ack" });

const whole: Record<string, readonly Step[]> = {
  "nothing goes out before the first request": [{ world: { a: "1" } }],
  "a first request without names wants everything; each response is the whole state": [
    { world: { a: "1", b: "1" } },
    { ask: [], verdict: "subscribe", sends: "a@1 b@1" },
    ack(),
    { world: { a: "2", b: "1" }, sends: "a@2 b@1" },
    ack(),
    { world: { b: "1" }, sends: "b@1" },
    ack(),
    { world: { b: "1" } },
  ],
  "an empty world is an answer, once": [
    { ask: [], sends: "" },
    ack(),
    { world: {} },
    { world: { a: "1" }, sends: "a@1" },
    ack(),
    { world: {}, sends: "" },
  ],
  "names as gRPC clients ask: only those, one that is gone or was never there is missing": [
    { world: { a: "1", b: "1" } },
    { ask: ["a"], sends: "a@1" },
    ack("a"),
    { world: { a: "1", b: "2" } },
    { ask: ["a", "x"], verdict: "subscribe", sends: "a@1" },
    ack("a", "x"),
    { world: { a: "1", b: "2", x: "1" }, sends: "a@1 x@1" },
    ack("a", "x"),
    { world: { b: "2", x: "1" }, sends: "x@1" },
  ],
  "a first name that does not exist is answered at once": [{ ask: ["x"], sends: "" }, ack("x")],
  "fewer names: no answer is due, and what was dropped is sent no more": [
    { world: { a: "1", b: "1" } },
    { ask: ["a", "b"], sends: "a@1 b@1" },
    ack("a", "b"),
    { ask: ["b"], verdict: "subscribe" },
    { world: { a: "2", b: "1" } },
    { ask: ["a", "b"], sends: "a@2 b@1" },
  ],
  "after a name, an empty list wants nothing": [
    { world: { a: "1" } },
    { ask: ["a"], sends: "a@1" },
    ack("a"),
    { ask: [], verdict: "subscribe" },
    { world: { a: "2", b: "1" } },
  ],
  "the explicit wildcard, names beside it, and its end": [
    { world: { a: "1", b: "1" } },
    { ask: ["*"], sends: "a@1 b@1" },
    ack("*"),
    { ask: ["*", "x"], sends: "a@1 b@1" },
    ack("*", "x"),
    { ask: ["a"], verdict: "subscribe", sends: "a@1" },
    ack("a"),
    { world: { a: "2", b: "2" }, sends: "a@2" },
    ack("a"),
    { ask: [], verdict: "subscribe" },
    { world: { a: "3" } },
  ],
  "one response outstanding: changes wait for the ACK and come as one": [
    { world: { a: "1" } },
    { ask: [], sends: "a@1" },
    { world: { a: "2" } },
    { world: { a: "3", b: "1" } },
    { ask: [], verdict: "ack", sends: "a@3 b@1" },
  ],
  "a stale nonce is neither ACK nor NACK": [
    { world: { a: "1" } },
    { ask: [], sends: "a@1" },
    { ask: [], nonce: "77", verdict: "stale" },
    { ask: [], nonce: "77", error: "no", verdict: "stale" },
    { world: { a: "2" } },
    { ask: [], nonce: "1", verdict: "ack", sends: "a@2" },
    { ask: [], nonce: "1", verdict: "stale" },
  ],
  "a NACK is not answered by the same again": [
    { world: { a: "1", b: "1" } },
    { ask: [], sends: "a@1 b@1" },
    { ask: [], error: "a: bad", verdict: "nack" },
    { world: { a: "1", b: "1" } },
    { world: { a: "1", b: "2" }, sends: "a@1 b@2" },
  ],
  "held removals are sent along until they are no longer held": [
    { world: { a: "1", b: "1" } },
    { ask: [], sends: "a@1 b@1" },
    ack(),
    { world: { b: "1", c: "1" }, hold: true, sends: "b@1 c@1 a@1" },
    { ask: [], verdict: "ack", sends: "b@1 c@1" },
  ],
};

const part: Record<string, readonly Step[]> = {
  "a first request without names wants nothing": [{ world: { a: "1" } }, { ask: [] }],
  "only what is new or changed goes out; what is gone is not spoken of": [
    { world: { a: "1", b: "1", c: "1" } },
    { ask: ["a", "b"], sends: "a@1 b@1" },
    ack("a", "b"),
    { world: { a: "2", b: "1" }, sends: "a@2" },
    ack("a", "b"),
    { world: { b: "1" } },
    { world: { a: "2", b: "1" } },
    { world: { a: "3", b: "1" }, sends: "a@3" },
  ],
  "a further name brings its resource, and a name asked for again brings it again": [
    { world: { a: "1", b: "1" } },
    { ask: ["a"], sends: "a@1" },
    ack("a"),
    { ask: ["a", "b"], verdict: "subscribe", sends: "b@1" },
    ack("a", "b"),
    { ask: ["b"], verdict: "subscribe" },
    { ask: ["a", "b"], verdict: "subscribe", sends: "a@1" },
  ],
  "a name that does not exist is sent when it comes": [
    { ask: ["a"] },
    { world: {} },
    { world: { a: "1" }, sends: "a@1" },
  ],
  "names that come with an ACK count": [
    { world: { a: "1", b: "1" } },
    { ask: ["a"], sends: "a@1" },
    { ask: ["a", "b"], verdict: "ack", sends: "b@1" },
  ],
};

describe("SotwSubscription, whole state (LDS, CDS)", () => {
  for (const url of [typeUrl.cluster, typeUrl.listener])
    for (const [name, steps] of Object.entries(whole))
      test(`${url.split(".").at(-1)}: ${name}`, () => run(url, steps));

  test("the whole is never cut, and its version tells its content", () => {
    const s = new SotwSubscription(typeUrl.cluster);
    s.request({ names: [], nonce: "" });
    const world = new Map(["a", "b"].map((n) => [n, resource(n, "1", 60)]));
    const options = { maxBytes: 100, holdRemovals: false };
    const push = s.next(world, options);
    expect(push?.added.length).toBe(2);
    s.sent(push!);
    const before = s.version;
    s.request({ names: [], nonce: "1" });
    world.set("b", resource("b", "2"));
    s.sent(s.next(world, options)!);
    const after = s.version;
    expect(after).not.toBe(before);
    s.request({ names: [], nonce: "2" });
    world.set("b", resource("b", "1"));
    s.sent(s.next(world, options)!);
    expect(s.version).toBe(before);
  });

  test("what was refused is not among the versions", () => {
    const s = new SotwSubscription(typeUrl.cluster);
    s.request({ names: [], nonce: "" });
    s.sent(s.next(worldOf({ a: "1", b: "1" }), { maxBytes: 1e9, holdRemovals: false })!);
    s.request({ names: [], nonce: "1", error: "b: bad" });
    expect([...s.versions.keys()]).toEqual(["a"]);
    expect(s.nack).toEqual({ names: ["b"], message: "b: bad" });
    s.sent(s.next(worldOf({ a: "1", b: "2" }), { maxBytes: 1e9, holdRemovals: false })!);
    s.request({ names: [], nonce: "2" });
    expect(s.nack).toBeUndefined();
    expect([...s.versions.keys()]).toEqual(["a", "b"]);
  });
});

describe("SotwSubscription, in parts (EDS, RDS, SDS)", () => {
  for (const url of [typeUrl.endpoints, typeUrl.route, typeUrl.secret])
    for (const [name, steps] of Object.entries(part))
      test(`${url.split(".").at(-1)}: ${name}`, () => run(url, steps));

  test("a response is cut at the limit of bytes", () => {
    const s = new SotwSubscription(typeUrl.endpoints);
    s.request({ names: ["a", "b", "c"], nonce: "" });
    const world = new Map(["a", "b", "c"].map((n) => [n, resource(n, "1", 50)]));
    const sizes: number[] = [];
    for (let nonce = 1; ; nonce++) {
      const push = s.next(world, { maxBytes: 100, holdRemovals: false });
      if (push === undefined) break;
      sizes.push(push.added.length);
      expect(push.more).toBe(nonce === 1);
      s.sent(push);
      s.request({ names: ["a", "b", "c"], nonce: `${nonce}` });
    }
    expect(sizes).toEqual([2, 1]);
  });
});

test("any history ends with the client having the world (model)", () => {
  const world = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.constantFrom("1", "2", "3"));
  const step = fc.oneof(
    world.map((w) => ({ world: w })),
    fc.record({ ack: fc.boolean() }),
    fc.record({ names: fc.subarray(["a", "b", "c", "*"]) }),
    fc.constant({ reconnect: true }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), world, (steps, last) => {
      let client = new Map<string, string>();
      let server = new SotwSubscription(typeUrl.cluster);
      let now: World = {};
      let nonce = "";
      let names: readonly string[] = ["*"];
      server.request({ names, nonce });
      const pump = (): void => {
        const push = server.next(worldOf(now), { maxBytes: 1e9, holdRemovals: false });
        if (push === undefined) return;
        nonce = server.sent(push);
        client = new Map(push.added.map((r) => [r.name, r.version]));
      };
      for (const s of [...steps, { world: last }, { names: ["*"] }, { ack: true }, { ack: true }]) {
        if ("world" in s) now = s.world;
        else if ("ack" in s) server.request({ names, nonce: s.ack ? nonce : "stale" });
        else if ("names" in s) {
          names = s.names;
          server.request({ names, nonce });
        } else {
          server = new SotwSubscription(typeUrl.cluster);
          nonce = "";
          server.request({ names: names.length === 0 ? ["*"] : names, nonce });
        }
        pump();
      }
      expect(Object.fromEntries(client)).toEqual({ ...last });
    }),
  );
});

test("encodeSotwResponse() is what the generated code reads, for any content", () => {
  const any = fc.record({
    name: fc.string(),
    version: fc.string(),
    bytes: fc.uint8Array({ maxLength: 300 }),
  });
  fc.assert(
    fc.property(fc.array(any), fc.string(), (resources, nonce) => {
      const added = resources.map((r) => ({ ...r, typeUrl: "u" }));
      const bytes = encodeSotwResponse({ typeUrl: "u", nonce, version: "v", added, removed: ["x"] });
      const read = fromBinary(DiscoveryResponseSchema, bytes);
      expect([read.typeUrl, read.nonce, read.versionInfo]).toEqual(["u", nonce, "v"]);
      expect(read.resources.map((r) => [r.typeUrl, Buffer.from(r.value).toString("hex")])).toEqual(
        added.map((r) => [r.typeUrl, Buffer.from(r.bytes).toString("hex")]),
      );
    }),
  );
});
