import { describe, expect, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { createLogger } from "../../base/index.ts";
import { DeltaDiscoveryResponseSchema } from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import { fakeClock } from "../../testkit/fake-clock.ts";
import { createTestSource, make, type TestSource } from "../../testkit/xds-source.ts";
import { grpcCode } from "../../wire/grpc/index.ts";
import { ChangeBook, type DeltaRequest, shortTypeName, typeUrl } from "../protocol/index.ts";
import { limits } from "./limits.ts";
import { PushSlots } from "./push-slots.ts";
import { AdsStream } from "./stream.ts";
import { delta } from "./variants.ts";

const log = createLogger({ sink: () => {} });

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function rig(o: { slots?: PushSlots; userAgent?: string; source?: TestSource; reads?: () => boolean } = {}) {
  const clock = fakeClock();
  const source = o.source ?? createTestSource();
  const out: { text: string; type: string; nonce: string }[] = [];
  const ended: { code: number; message: string }[] = [];
  const stream = new AdsStream({
    variant: delta,
    node: { id: "n", cluster: "c", userAgent: o.userAgent ?? "weft", metadata: {} },
    source,
    clock,
    log,
    book: new ChangeBook(),
    slots: o.slots ?? new PushSlots(limits.pushesInFlight),
    transport: {
      peer: { address: "1.2.3.4:5", encrypted: true },
      write(bytes) {
        const r = fromBinary(DeltaDiscoveryResponseSchema, bytes);
        const added = r.resources.map((x) => x.name).join(",");
        const removed = r.removedResources.map((x) => `-${x}`).join("");
        out.push({ text: `${shortTypeName(r.typeUrl)}+${added}${removed}`, type: r.typeUrl, nonce: r.nonce });
        return o.reads?.() ?? true;
      },
      end: (error) => {
        ended.push(error ?? { code: 0, message: "" });
        stream.close();
      },
    },
  });
  const ask = async (url: string, r: Partial<DeltaRequest> = {}): Promise<void> => {
    stream.request(url, { subscribe: [], unsubscribe: [], initialVersions: {}, nonce: "", ...r });
    await tick();
  };
  return {
    clock,
    source,
    stream,
    ended,
    ask,
    sent: () => out.splice(0).map((r) => r.text),
    /** ACKs the newest response of a type. */
    ack: (url: string, error?: string) =>
      ask(url, { nonce: out.findLast((r) => r.type === url)?.nonce ?? "", error }),
    pending: out,
  };
}

async function subscribed(r: ReturnType<typeof rig>): Promise<void> {
  r.source.put(make.cluster("a"), make.endpoints("a"), make.listener("l", "r"), make.route("r"));
  await r.ask(typeUrl.cluster);
  await r.ask(typeUrl.listener);
  await r.ask(typeUrl.endpoints, { subscribe: ["a"] });
  await r.ask(typeUrl.route, { subscribe: ["r"] });
}

/** ACKs until nothing is outstanding; returns what was sent. */
async function drain(r: ReturnType<typeof rig>): Promise<string[]> {
  const story: string[] = [];
  await tick();
  while (r.pending.length > 0) {
    const batch = r.pending.splice(0);
    story.push(...batch.map((b) => b.text));
    for (const { type, nonce } of batch) await r.ask(type, { nonce });
  }
  return story;
}

describe("AdsStream", () => {
  test("a later type waits for the ACK of an earlier one, whatever the order of asking", async () => {
    const r = rig();
    r.source.put(make.cluster("a"), make.listener("l", "r"));
    r.stream.request(typeUrl.listener, { subscribe: [], unsubscribe: [], initialVersions: {}, nonce: "" });
    await r.ask(typeUrl.cluster);
    expect(r.pending.map((p) => p.text)).toEqual(["CDS+a"]);
    await r.ack(typeUrl.cluster);
    expect(r.sent()).toEqual(["CDS+a", "LDS+l"]);
  });

  test("removals of clusters and endpoints come after routes, whichever of add, remove, rename happens", async () => {
    const r = rig();
    await subscribed(r);
    await drain(r);
    r.source.put(make.cluster("b"), make.endpoints("b"), make.route("r"));
    r.source.remove(typeUrl.cluster, "a");
    r.source.remove(typeUrl.endpoints, "a");
    r.source.changed();
    await r.ask(typeUrl.endpoints, { subscribe: ["b"] });
    expect(await drain(r)).toEqual(["CDS+b", "EDS+b", "RDS+r", "CDS+-a", "EDS+-a"]);
  });

  test("many changes in one turn are one response with the latest", async () => {
    const r = rig();
    await subscribed(r);
    await drain(r);
    for (let i = 0; i < 100; i++) {
      r.source.put(make.route("r"));
      r.source.changed();
    }
    expect(await drain(r)).toEqual(["RDS+r"]);
  });

  test("an ACK that never comes holds the others up for 10 s, no longer", async () => {
    const r = rig();
    r.source.put(make.cluster("a"), make.listener("l", "r"));
    await r.ask(typeUrl.cluster);
    await r.ask(typeUrl.listener);
    expect(r.sent()).toEqual(["CDS+a"]);
    r.clock.advance(limits.ackWaitMs - 1);
    await tick();
    expect(r.sent()).toEqual([]);
    r.clock.advance(1);
    await tick();
    expect(r.sent()).toEqual(["LDS+l"]);
  });

  test("a client that does not read loses its stream after 30 s, and holds nothing", async () => {
    let reads = false;
    const r = rig({ reads: () => reads });
    await subscribed(r);
    expect(r.sent()).toEqual(["CDS+a"]);
    r.source.put(make.cluster("b"));
    r.source.changed();
    await tick();
    expect(r.sent()).toEqual([]);
    r.clock.advance(limits.sendTimeoutMs - 1);
    expect(r.ended).toEqual([]);
    reads = true;
    r.stream.drained();
    r.clock.advance(limits.sendTimeoutMs);
    expect(r.ended).toEqual([]);
    const stuck = rig({ reads: () => false });
    await subscribed(stuck);
    stuck.clock.advance(limits.sendTimeoutMs);
    expect(stuck.ended).toEqual([{ code: grpcCode.deadlineExceeded, message: "the client does not read" }]);
    expect(stuck.clock.pending).toBe(0);
  });

  test("big pushes wait for a place, small ones do not; a place is given back on ACK, close, and after 5 s", async () => {
    const slots = new PushSlots(1);
    const big = createTestSource();
    big.put(make.cluster("big", limits.smallPushBytes));
    const small = createTestSource();
    small.put(make.cluster("small"));
    const [one, two, three] = [
      rig({ slots, source: big }),
      rig({ slots, source: big }),
      rig({ slots, source: small }),
    ];
    for (const r of [one, two, three]) await r.ask(typeUrl.cluster);
    expect([one.sent().length, two.sent().length, three.sent().length]).toEqual([1, 0, 1]);
    expect(slots.queued).toBe(1);
    one.clock.advance(limits.pushSlotMs);
    await tick();
    expect(two.sent()).toEqual(["CDS+big"]);
    const four = rig({ slots, source: big });
    await four.ask(typeUrl.cluster);
    expect(four.sent()).toEqual([]);
    two.stream.close();
    await tick();
    expect(four.sent()).toEqual(["CDS+big"]);
    const five = rig({ slots, source: big });
    await five.ask(typeUrl.cluster);
    five.stream.close();
    expect(slots.queued).toBe(0);
  });

  test("Envoy gets the endpoints of a changed cluster again, Weft does not", async () => {
    for (const [userAgent, expected] of [
      ["envoy", ["CDS+a", "EDS+a"]],
      ["weft", ["CDS+a"]],
    ] as const) {
      const r = rig({ userAgent });
      await subscribed(r);
      await drain(r);
      r.source.put(make.cluster("a"));
      r.source.changed();
      expect(await drain(r)).toEqual([...expected]);
    }
  });

  test("a source that does not know yet sends nothing, and a reconnect withdraws nothing", async () => {
    const source = createTestSource();
    let known = false;
    const r = rig({
      source: { ...source, resources: (n, u) => (known ? source.resources(n, u) : undefined) },
    });
    source.put(make.cluster("a"));
    await r.ask(typeUrl.cluster, { initialVersions: { a: "0", old: "0" } });
    expect(r.sent()).toEqual([]);
    known = true;
    source.changed();
    await tick();
    expect(r.pending.map((p) => p.text)).toEqual(["CDS+a"]);
    await r.ack(typeUrl.cluster);
    expect(r.pending.map((p) => p.text)).toEqual(["CDS+a"]);
    r.clock.advance(limits.settleMs);
    await tick();
    expect(r.sent()).toEqual(["CDS+a", "CDS+-old"]);
  });

  test("removals wait until a client that reconnects has asked for what may still name them", async () => {
    const r = rig();
    r.source.put(make.listener("l", "r"), make.route("r"));
    await r.ask(typeUrl.cluster, { initialVersions: { old: "1" } });
    await r.ask(typeUrl.endpoints, { subscribe: ["old"], initialVersions: { old: "1" } });
    await r.ask(typeUrl.listener);
    expect(r.pending.map((p) => p.text)).toEqual(["LDS+l"]);
    await r.ack(typeUrl.listener);
    await r.ask(typeUrl.route, { subscribe: ["r"] });
    expect(r.sent()).toEqual(["LDS+l", "RDS+r"]);
    await r.ask(typeUrl.route, { nonce: "1" });
    expect(r.sent()).toEqual(["CDS+-old"]);
  });

  test("types and names are limited", async () => {
    const r = rig();
    for (let i = 0; i < limits.maxTypes; i++) await r.ask(`type${i}`);
    expect(r.ended).toEqual([]);
    await r.ask("one too many");
    expect(r.ended[0]?.code).toBe(grpcCode.resourceExhausted);
    const n = rig();
    const names = Array.from({ length: limits.maxNames }, (_, i) => `n${i}`);
    await n.ask(typeUrl.endpoints, { subscribe: names });
    expect(n.ended).toEqual([]);
    await n.ask(typeUrl.endpoints, { subscribe: ["more"] });
    expect(n.ended[0]?.code).toBe(grpcCode.resourceExhausted);
  });

  test("status tells NOT SENT, STALE, SYNCED and the refusal", async () => {
    const r = rig();
    const state = () => r.stream.status().types.map((t) => t.state);
    await r.ask(typeUrl.endpoints, { subscribe: [] });
    const empty = rig({ source: { ...createTestSource(), resources: () => undefined } });
    await empty.ask(typeUrl.cluster);
    expect(empty.stream.status().types[0]?.state).toBe("NOT SENT");
    expect(state()).toEqual(["STALE"]);
    r.clock.advance(5);
    await r.ack(typeUrl.endpoints);
    expect(state()).toEqual(["SYNCED"]);
    expect(r.stream.status().types[0]?.ackedAt).toBe(r.clock.wall());
    r.source.put(make.endpoints("x"));
    r.source.changed();
    await tick();
    await r.ack(typeUrl.endpoints, "x: no");
    expect(r.stream.status().types[0]).toMatchObject({
      state: "STALE",
      nack: { names: ["x"], message: "x: no", at: r.clock.wall() },
    });
  });
});
