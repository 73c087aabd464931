/** The parts around Envoy that need none: the relay's verdicts, and what will do as a binary. */
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { createLogger } from "../../base/index.ts";
import { fakeClock } from "../../testkit/index.ts";
import { type NodeInfo, typeUrl } from "../../xds/protocol/index.ts";
import { findEnvoy } from "./binary.ts";
import { limits } from "./limits.ts";
import { Relay } from "./relay.ts";

const node: NodeInfo = { id: "n", cluster: "c", userAgent: "envoy", metadata: {} };
const resource = (name: string, version: string) => ({
  name,
  version,
  any: create(AnySchema, { typeUrl: typeUrl.listener, value: new TextEncoder().encode(version) }),
});

function bench() {
  const clock = fakeClock();
  const relay = new Relay({ clock, log: createLogger({ sink: () => {} }) });
  return { clock, relay };
}

const listeners = (relay: Relay): Record<string, string> =>
  Object.fromEntries(
    [...(relay.resources(node, typeUrl.listener) ?? [])].map(([name, r]) => [name, r.version]),
  );

describe("relay", () => {
  test("waits for nobody while Envoy is not there, and keeps what came", async () => {
    const { relay } = bench();
    const { errors } = await relay.apply({
      typeUrl: typeUrl.listener,
      added: [resource("a", "1")],
      removed: [],
    });
    expect(errors).toEqual([]);
    expect(listeners(relay)).toEqual({ a: "1" });
  });

  test("answers with Envoy's refusal, and goes back to the version before", async () => {
    const { relay } = bench();
    relay.setLive(true);
    const first = relay.apply({
      typeUrl: typeUrl.listener,
      added: [resource("a", "1"), resource("b", "1")],
      removed: [],
    });
    relay.onAck(
      node,
      typeUrl.listener,
      new Map([
        ["a", "1"],
        ["b", "1"],
      ]),
    );
    expect((await first).errors).toEqual([]);
    const second = relay.apply({
      typeUrl: typeUrl.listener,
      added: [resource("a", "2"), resource("b", "2"), resource("c", "1")],
      removed: [],
    });
    // One answer for the whole response: what it does not name was taken.
    relay.onNack(node, typeUrl.listener, { names: ["a", "c"], message: "no" }, new Map([["b", "2"]]));
    expect((await second).errors).toEqual([
      { name: "a", message: "no" },
      { name: "c", message: "no" },
    ]);
    expect(listeners(relay)).toEqual({ a: "1", b: "2" });
  });

  test("the verdict on clusters comes late: their endpoints are asked for meanwhile", async () => {
    const { relay } = bench();
    relay.setLive(true);
    const { errors, late } = await relay.apply({
      typeUrl: typeUrl.cluster,
      added: [resource("a", "1")],
      removed: [],
    });
    expect(errors).toEqual([]);
    relay.onNack(node, typeUrl.cluster, { names: ["a"], message: "no" }, new Map());
    expect(await late).toEqual([{ name: "a", message: "no" }]);
  });

  test("an Envoy that says nothing, or dies, holds nothing up", async () => {
    const { clock, relay } = bench();
    relay.setLive(true);
    const silent = relay.apply({ typeUrl: typeUrl.listener, added: [resource("a", "1")], removed: [] });
    clock.advance(limits.verdictMs);
    expect((await silent).errors).toEqual([]);
    const dying = relay.apply({ typeUrl: typeUrl.listener, added: [resource("a", "2")], removed: [] });
    relay.setLive(false);
    expect((await dying).errors).toEqual([]);
  });

  test("endpoints that are on their way are not told as absent, removed ones are", async () => {
    const { relay } = bench();
    await relay.apply({ typeUrl: typeUrl.endpoints, added: [resource("a", "1")], removed: [] });
    const has = (name: string) => relay.resources(node, typeUrl.endpoints)!.has(name);
    expect([has("a"), has("b")]).toEqual([true, true]);
    await relay.apply({ typeUrl: typeUrl.endpoints, added: [], removed: ["a"] });
    expect(has("a")).toBe(false);
    await relay.apply({ typeUrl: typeUrl.cluster, added: [resource("a", "1")], removed: [] });
    expect(has("a")).toBe(true);
  });
});

describe("findEnvoy", () => {
  const says = (text: string): string => {
    const dir = mkdtempSync(join(tmpdir(), "weft-envoy-bin-"));
    const file = join(dir, "envoy");
    writeFileSync(file, `#!/bin/sh\necho '${text}'\n`);
    chmodSync(file, 0o755);
    try {
      return findEnvoy({ env: { PATH: dir } }).version;
    } catch (error) {
      return (error as Error).message;
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  };
  const line = (version: string): string => `envoy  version: 9e558/${version}/Clean/RELEASE/BoringSSL`;

  test("takes the oldest that will do, refuses the one before, others, and none", () => {
    expect(says(line("1.34.0"))).toBe("1.34.0");
    expect(says(line("1.33.9"))).toBe("Envoy 1.33.9 is too old");
    expect(says("hello")).toContain("does not say its version");
    expect(() => findEnvoy({ env: { PATH: "" } })).toThrow("there is no envoy on PATH");
  });
});
