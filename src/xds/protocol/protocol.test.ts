import { describe, expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { DeltaDiscoveryResponseSchema } from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import {
  type DeltaRequest,
  DeltaSubscription,
  type EncodedResource,
  encodeDeltaResponse,
  namesIn,
} from "./index.ts";

const request = (o: Partial<DeltaRequest> = {}): DeltaRequest => ({
  subscribe: [],
  unsubscribe: [],
  initialVersions: {},
  nonce: "",
  ...o,
});

const resource = (name: string, version = "1", size = 10): EncodedResource => ({
  name,
  version,
  typeUrl: "t",
  bytes: new Uint8Array(size),
});

type World = Record<string, string>;
const worldOf = (world: World): ReadonlyMap<string, EncodedResource> =>
  new Map(Object.entries(world).map(([name, version]) => [name, resource(name, version)]));

const all = { maxBytes: 1e9, holdRemovals: false };

/** One step of a story: a request, or a new state of the world; then what goes out. */
type Step =
  | { ask: Partial<DeltaRequest>; verdict?: string; sends?: string }
  | { world: World; sends?: string; hold?: boolean };

/** `+a@1 +b@1 -c`; "" is an empty response; undefined: nothing is sent. */
function run(steps: readonly Step[]): void {
  const subscription = new DeltaSubscription();
  let world: World = {};
  for (const [index, step] of steps.entries()) {
    const where = `step ${index}`;
    let hold = false;
    if ("ask" in step) {
      const verdict = subscription.request(request(step.ask));
      if (step.verdict !== undefined) expect(`${where} ${verdict.kind}`).toBe(`${where} ${step.verdict}`);
    } else {
      world = step.world;
      hold = step.hold ?? false;
    }
    const delta = subscription.next(worldOf(world), { ...all, holdRemovals: hold });
    const text =
      delta &&
      [...delta.added.map((r) => `+${r.name}@${r.version}`), ...delta.removed.map((n) => `-${n}`)].join(" ");
    expect(`${where} ${text}`).toBe(`${where} ${step.sends}`);
    if (delta !== undefined) subscription.sent(delta);
  }
}

const ack = (nonce: number): Step => ({ ask: { nonce: `${nonce}` }, verdict: "ack" });

const stories: Record<string, readonly Step[]> = {
  "nothing goes out before the first request": [{ world: { a: "1" } }],
  "legacy wildcard: a first request that names nothing": [
    { world: { a: "1", b: "1" } },
    { ask: {}, verdict: "subscribe", sends: "+a@1 +b@1" },
    ack(1),
    { world: { a: "2", b: "1" }, sends: "+a@2" },
    ack(2),
    { world: { b: "1" }, sends: "-a" },
  ],
  "explicit wildcard with a name beside it": [
    { world: { a: "1", b: "1" } },
    { ask: { subscribe: ["*", "x"] }, sends: "+a@1 +b@1 -x" },
    ack(1),
    { world: { a: "1", b: "1", x: "1" }, sends: "+x@1" },
  ],
  "an empty world is an answer, once": [
    { ask: {}, sends: "" },
    ack(1),
    { world: {} },
    { world: { a: "1" }, sends: "+a@1" },
  ],
  "names only: others are not sent": [
    { world: { a: "1", b: "1" } },
    { ask: { subscribe: ["a"] }, sends: "+a@1" },
    ack(1),
    { world: { a: "1", b: "2" } },
    { ask: { subscribe: ["b"] }, sends: "+b@2" },
  ],
  "a name that does not exist is told gone once, and sent when it comes": [
    { ask: { subscribe: ["a"] }, sends: "-a" },
    ack(1),
    { world: {} },
    { world: { a: "1" }, sends: "+a@1" },
    ack(2),
    { world: {}, sends: "-a" },
    ack(3),
    { world: {} },
  ],
  "asking again for a name obliges an answer": [
    { world: { a: "1" } },
    { ask: { subscribe: ["a"] }, sends: "+a@1" },
    ack(1),
    { ask: { subscribe: ["a"] }, sends: "+a@1" },
  ],
  "an unsubscribed name is sent no more": [
    { world: { a: "1", b: "1" } },
    { ask: { subscribe: ["a", "b"] }, sends: "+a@1 +b@1" },
    ack(1),
    { ask: { unsubscribe: ["a"] } },
    { world: { a: "2", b: "2" }, sends: "+b@2" },
    ack(2),
    { world: { b: "2" } },
  ],
  "unsubscribing a name under a wildcard: it comes again, or is told gone": [
    { world: { a: "1" } },
    { ask: { subscribe: ["*", "a", "x"] }, sends: "+a@1 -x" },
    ack(1),
    { ask: { unsubscribe: ["a"] }, sends: "+a@1" },
    ack(2),
    { ask: { unsubscribe: ["x"] }, sends: "-x" },
    ack(3),
    { world: { a: "2" }, sends: "+a@2" },
  ],
  "unsubscribing the wildcard leaves the names": [
    { world: { a: "1", b: "1" } },
    { ask: { subscribe: ["*", "a"] }, sends: "+a@1 +b@1" },
    ack(1),
    { ask: { unsubscribe: ["*"] } },
    { world: { a: "2", b: "2" }, sends: "+a@2" },
  ],
  "initial_resource_versions: only the difference, and what went meanwhile": [
    { world: { a: "1", b: "2" } },
    { ask: { initialVersions: { a: "1", b: "1", c: "1" } }, sends: "+b@2 -c" },
    ack(1),
    { world: { a: "1", b: "2" } },
  ],
  "initial_resource_versions with names": [
    { world: { a: "1", b: "2" } },
    { ask: { subscribe: ["a", "b"], initialVersions: { a: "1", b: "1" } }, sends: "+b@2" },
  ],
  "initial_resource_versions in a later request count for nothing": [
    { world: { a: "1" } },
    { ask: {}, sends: "+a@1" },
    ack(1),
    { ask: { initialVersions: { a: "9" } } },
    { world: { a: "2" }, sends: "+a@2" },
  ],
  "one response outstanding: changes wait for the ACK and come as one": [
    { world: { a: "1" } },
    { ask: {}, sends: "+a@1" },
    { world: { a: "2" } },
    { world: { a: "3", b: "1" } },
    { ask: { nonce: "1" }, verdict: "ack", sends: "+a@3 +b@1" },
  ],
  "a stale nonce is no ACK, its subscriptions count": [
    { world: { a: "1", b: "1" } },
    { ask: { subscribe: ["a"] }, sends: "+a@1" },
    { ask: { nonce: "77", subscribe: ["b"] }, verdict: "stale" },
    { ask: { nonce: "1" }, verdict: "ack", sends: "+b@1" },
    { ask: { nonce: "1" }, verdict: "stale" },
    { ask: { nonce: "1", error: "late" }, verdict: "stale" },
  ],
  "a NACK is not answered by the same again": [
    { world: { a: "1", b: "1" } },
    { ask: {}, sends: "+a@1 +b@1" },
    { ask: { nonce: "1", error: "a: bad" }, verdict: "nack" },
    { world: { a: "1", b: "1" } },
    { world: { a: "1", b: "2" }, sends: "+b@2" },
    ack(2),
    { world: { a: "2", b: "2" }, sends: "+a@2" },
  ],
  "held removals go out when they are no longer held": [
    { world: { a: "1", b: "1" } },
    { ask: {}, sends: "+a@1 +b@1" },
    ack(1),
    { world: { b: "1", c: "1" }, hold: true, sends: "+c@1" },
    { ask: { nonce: "2" }, verdict: "ack", sends: "-a" },
  ],
};

describe("DeltaSubscription", () => {
  for (const [name, steps] of Object.entries(stories)) test(name, () => run(steps));

  test("held removals stay due, others are not held", () => {
    const s = new DeltaSubscription();
    s.request(request());
    s.sent(s.next(worldOf({ a: "1", b: "1" }), all)!);
    s.request(request({ nonce: "1" }));
    const world = worldOf({ b: "1" });
    expect(s.next(world, { ...all, holdRemovals: true })).toBeUndefined();
    expect(s.holdsRemovals(world)).toBe(true);
    expect(s.next(world, all)?.removed).toEqual(["a"]);
  });

  test("a response is cut at the limit of bytes; one that is larger alone goes alone", () => {
    const s = new DeltaSubscription();
    s.request(request());
    const world = new Map(
      [resource("a", "1", 60), resource("b", "1", 40), resource("c", "1", 1), resource("d", "1", 500)].map(
        (r) => [r.name, r],
      ),
    );
    const parts: string[] = [];
    for (let nonce = 1; ; nonce++) {
      const delta = s.next(world, { maxBytes: 100, holdRemovals: false });
      if (delta === undefined) break;
      parts.push(delta.added.map((r) => r.name).join("") + (delta.more ? "..." : ""));
      s.sent(delta);
      s.request(request({ nonce: `${nonce}` }));
    }
    expect(parts).toEqual(["ab...", "c...", "d"]);
  });

  test("what was refused is not among the versions, until it is sent again and taken", () => {
    const s = new DeltaSubscription();
    s.request(request());
    s.sent(s.next(worldOf({ a: "1", b: "1" }), all)!);
    s.request(request({ nonce: "1", error: "b: bad" }));
    expect([...s.versions.keys()]).toEqual(["a"]);
    s.sent(s.next(worldOf({ a: "2", b: "1" }), all)!);
    s.request(request({ nonce: "2" }));
    expect(s.nack?.names).toEqual(["b"]);
    s.sent(s.next(worldOf({ a: "2", b: "2" }), all)!);
    s.request(request({ nonce: "3" }));
    expect(s.nack).toBeUndefined();
    expect([...s.versions]).toEqual([
      ["a", "2"],
      ["b", "2"],
    ]);
  });

  test("any history ends with the client having the world (model)", () => {
    const name = fc.constantFrom("a", "b", "c");
    const world = fc.dictionary(name, fc.constantFrom("1", "2", "3"));
    const step = fc.oneof(
      world.map((w) => ({ world: w })),
      fc.record({ ack: fc.boolean() }),
      fc.constant({ reconnect: true }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), world, (steps, last) => {
        const client = new Map<string, string>();
        let server = new DeltaSubscription();
        server.request(request());
        let now: World = {};
        let nonce = "";
        const pump = (): void => {
          const delta = server.next(worldOf(now), all);
          if (delta === undefined) return;
          nonce = server.sent(delta);
          for (const r of delta.added) client.set(r.name, r.version);
          for (const n of delta.removed) client.delete(n);
        };
        for (const s of [...steps, { world: last }, { ack: true }, { ack: true }]) {
          if ("world" in s) now = s.world;
          else if ("ack" in s) server.request(request({ nonce: s.ack ? nonce : "stale" }));
          else {
            server = new DeltaSubscription();
            server.request(request({ initialVersions: Object.fromEntries(client) }));
          }
          pump();
        }
        expect(Object.fromEntries(client)).toEqual({ ...last });
      }),
    );
  });
});

describe("namesIn()", () => {
  test.each([
    ["b: bad regex", ["a", "b"], ["b"]],
    [
      "Error adding/updating cluster(s) outbound|80||ab: x, c: y",
      ["outbound|80||a", "outbound|80||ab", "c"],
      ["outbound|80||ab", "c"],
    ],
    ["something", ["a", "b"], ["a", "b"]],
    ["", ["a"], ["a"]],
    ["a and a-b", ["a", "a-b", "b"], ["a", "a-b"]],
  ])("%j among %j", (message, names, found) => expect(namesIn(message, names)).toEqual(found));
});

describe("encodeDeltaResponse()", () => {
  test("is what the generated code reads, for any content", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ name: fc.string(), version: fc.string(), bytes: fc.uint8Array({ maxLength: 300 }) }),
        ),
        fc.array(fc.string()),
        fc.string(),
        (resources, removed, nonce) => {
          const added = resources.map((r) => ({ ...r, typeUrl: "type.googleapis.com/x" }));
          const bytes = encodeDeltaResponse({ typeUrl: "u", nonce, version: "v", added, removed });
          const read = fromBinary(DeltaDiscoveryResponseSchema, bytes);
          expect([read.typeUrl, read.nonce, read.systemVersionInfo, read.removedResources]).toEqual([
            "u",
            nonce,
            "v",
            removed,
          ]);
          expect(
            read.resources.map((r) => [
              r.name,
              r.version,
              r.resource?.typeUrl,
              Buffer.from(r.resource?.value ?? []).toString("hex"),
            ]),
          ).toEqual(added.map((r) => [r.name, r.version, r.typeUrl, Buffer.from(r.bytes).toString("hex")]));
        },
      ),
    );
  });
});
