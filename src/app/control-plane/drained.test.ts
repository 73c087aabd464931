import { afterEach, describe, expect, test } from "bun:test";
import { createLogger, seededRng } from "../../base/index.ts";
import { type KubeObject, refs } from "../../kube/client/index.ts";
import { fakeClock } from "../../testkit/fake-clock.ts";
import { createFakeKube, settle } from "../../testkit/fake-kube.ts";
import { typeUrl } from "../../xds/protocol/index.ts";
import type { ProxyStatus, SyncState, TypeStatus } from "../../xds/server/index.ts";
import { endpointsSettled, watchDrains } from "./drained.ts";

const log = createLogger({ sink: () => {} });
const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const fn of cleanup.splice(0)) fn();
});

const type = (url: string, state: SyncState, more: Partial<TypeStatus> = {}): TypeStatus => ({
  typeUrl: url,
  state,
  resources: 1,
  sentAt: 100,
  pushes: 1,
  refusals: 0,
  ...more,
});
const nack = (at: number): Partial<TypeStatus> => ({ nack: { message: "no", names: [], at } });
const proxy = (...types: TypeStatus[]): ProxyStatus => ({
  ...{ id: "x", cluster: "x", userAgent: "weft", address: "", connectedAt: 0, metadata: {} },
  types,
});

describe("whether a proxy has its endpoints", () => {
  const cases: readonly (readonly [string, TypeStatus, boolean])[] = [
    ["acknowledged", type(typeUrl.endpoints, "SYNCED"), true],
    ["nothing sent", type(typeUrl.endpoints, "NOT SENT"), true],
    ["on its way", type(typeUrl.endpoints, "STALE"), false],
    ["refused", type(typeUrl.endpoints, "STALE", nack(101)), true],
    ["refused before, and sent again", type(typeUrl.endpoints, "STALE", nack(99)), false],
    ["a listener that it refuses", type(typeUrl.listener, "STALE", nack(101)), true],
    ["a route that is on its way", type(typeUrl.route, "STALE"), true],
  ];
  for (const [name, status, settled] of cases)
    test(`${name}: ${settled}`, () => expect(endpointsSettled(proxy(status))).toBe(settled));
});

test("a draining instance is told when all have its endpoints, whatever else a proxy refuses", async () => {
  const kube = createFakeKube();
  const clock = fakeClock();
  let endpoints = type(typeUrl.endpoints, "STALE");
  const drains = watchDrains({
    ...{ client: kube.client as never, clock, rng: seededRng(1), log },
    translatedAt: () => clock.wall(),
    proxies: () => [proxy(type(typeUrl.listener, "STALE", nack(200)), endpoints)],
  });
  cleanup.push(() => drains.stop());
  const entry: KubeObject = {
    apiVersion: "networking.istio.io/v1",
    kind: "WorkloadEntry",
    metadata: { name: "a", namespace: "default", annotations: { "weft.dev/draining": "true" } },
    spec: {},
  };
  await settle();
  kube.put(refs.workloadEntry, entry);
  const drained = (): unknown =>
    kube.get(refs.workloadEntry, "default", "a")?.metadata.annotations?.["weft.dev/drained"];
  const pass = async (ms: number): Promise<void> => {
    for (let t = 0; t < ms; t += 25) {
      clock.advance(25);
      await settle(2);
    }
  };
  await pass(1_000);
  expect(drained()).toBeUndefined();
  endpoints = type(typeUrl.endpoints, "SYNCED");
  await pass(50);
  expect(drained()).toBe("true");
});
