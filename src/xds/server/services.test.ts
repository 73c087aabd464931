/** The services over gRPC, with the plainest client: what each answers, by variant and type. */
import { afterEach, describe, expect, test } from "bun:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { createLogger, systemClock } from "../../base/index.ts";
import { ListenerSchema } from "../../proto/gen/envoy/config/listener/v3/listener_pb.js";
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import { createTestSource, make, type TestSource } from "../../testkit/xds-source.ts";
import { createGrpcChannel, createGrpcServer, grpcCode } from "../../wire/grpc/index.ts";
import { aggregated, discoveryServices, typeUrl } from "../protocol/index.ts";
import { createXdsServer } from "./index.ts";

const log = createLogger({ sink: () => {} });
const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const fn of cleanup.splice(0).reverse()) await fn();
});

const node = { id: "n" };

async function serve(source: TestSource) {
  const xds = createXdsServer({ source, authenticate: async () => undefined, clock: systemClock, log });
  const grpc = await createGrpcServer({
    host: "127.0.0.1",
    port: 0,
    methods: xds.methods,
    clock: systemClock,
    log,
  });
  cleanup.push(() => grpc.stop());
  const channel = createGrpcChannel({ target: `127.0.0.1:${grpc.port}`, clock: systemClock });
  cleanup.push(() => channel.close());
  return { xds, channel };
}

/** Messages as they come, one at a time; a closed stream is its status. */
async function open<T>(
  channel: ReturnType<typeof createGrpcChannel>,
  path: string,
  decode: (bytes: Uint8Array) => T,
) {
  const stream = await channel.bidi(path, decode);
  const items: (T | { code: number; message: string })[] = [];
  let wake = (): void => {};
  const put = (item: T | { code: number; message: string }): void => {
    items.push(item);
    wake();
  };
  stream.onMessage = put;
  stream.onClose = put;
  const next = async () => {
    while (items.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return items.shift()!;
  };
  return { stream, next };
}

const sotwBytes = (init: Parameters<typeof create<typeof DiscoveryRequestSchema>>[1]): Uint8Array =>
  toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, init));

function world(): TestSource {
  const source = createTestSource();
  source.put(
    make.cluster("a"),
    make.endpoints("a"),
    make.listener("x", "r"),
    make.listener("y", "r"),
    make.route("r"),
  );
  return source;
}

describe("state of the world over gRPC", () => {
  test("a gRPC client's way: one listener by name, its route, cluster and endpoints, a removal, a NACK", async () => {
    const source = world();
    const { channel, xds } = await serve(source);
    const { stream, next } = await open(channel, aggregated.sotw, (b) =>
      fromBinary(DiscoveryResponseSchema, b),
    );
    const exchange = async (url: string, names: string[]): Promise<DiscoveryResponse> => {
      stream.write(sotwBytes({ node, typeUrl: url, resourceNames: names }));
      const response = (await next()) as DiscoveryResponse;
      stream.write(
        sotwBytes({
          typeUrl: url,
          resourceNames: names,
          versionInfo: response.versionInfo,
          responseNonce: response.nonce,
        }),
      );
      return response;
    };
    const lds = await exchange(typeUrl.listener, ["x"]);
    expect(lds.resources.map((r) => anyUnpack(r, ListenerSchema)?.name)).toEqual(["x"]);
    expect(lds.typeUrl).toBe(typeUrl.listener);
    for (const [url, names] of [
      [typeUrl.route, ["r"]],
      [typeUrl.cluster, ["a"]],
      [typeUrl.endpoints, ["a"]],
    ] as const)
      expect((await exchange(url, [...names])).resources.length).toBe(1);
    source.remove(typeUrl.listener, "x");
    source.changed(typeUrl.listener);
    const gone = (await next()) as DiscoveryResponse;
    expect([gone.typeUrl, gone.resources.length]).toEqual([typeUrl.listener, 0]);
    expect(gone.versionInfo).not.toBe(lds.versionInfo);
    const before = { typeUrl: typeUrl.listener, resourceNames: ["x"], versionInfo: lds.versionInfo };
    stream.write(sotwBytes({ ...before, responseNonce: gone.nonce, errorDetail: { message: "no" } }));
    source.put(make.listener("x", "r"));
    source.changed(typeUrl.listener);
    expect(((await next()) as DiscoveryResponse).resources.length).toBe(1);
    expect(source.nacks).toEqual([{ typeUrl: typeUrl.listener, nack: { names: [], message: "no" } }]);
    expect(xds.status().length).toBe(1);
    stream.cancel();
  });

  for (const service of discoveryServices.filter((s) => s.typeUrl !== undefined)) {
    const url = service.typeUrl!;
    const names: Record<string, string> = {
      [typeUrl.cluster]: "a",
      [typeUrl.endpoints]: "a",
      [typeUrl.listener]: "x",
      [typeUrl.route]: "r",
    };
    const name = names[url];
    if (name === undefined) continue;

    test(`${service.sotw} and ${service.delta} need no type_url, and have no other`, async () => {
      const { channel } = await serve(world());
      const sotw = await open(channel, service.sotw, (b) => fromBinary(DiscoveryResponseSchema, b));
      sotw.stream.write(sotwBytes({ node, resourceNames: [name] }));
      expect(await sotw.next()).toMatchObject({ typeUrl: url, resources: [{ typeUrl: url }] });
      sotw.stream.write(sotwBytes({ typeUrl: "other" }));
      expect(await sotw.next()).toMatchObject({ code: grpcCode.invalidArgument });
      const delta = await open(channel, service.delta, (b) => fromBinary(DeltaDiscoveryResponseSchema, b));
      const ask = create(DeltaDiscoveryRequestSchema, { node, resourceNamesSubscribe: [name] });
      delta.stream.write(toBinary(DeltaDiscoveryRequestSchema, ask));
      expect(await delta.next()).toMatchObject({ typeUrl: url, resources: [{ name }] });
      delta.stream.cancel();
    });
  }

  test("the aggregated service wants a type_url, and a node", async () => {
    const { channel } = await serve(world());
    for (const init of [{ node }, { typeUrl: typeUrl.cluster }]) {
      const { stream, next } = await open(channel, aggregated.sotw, (b) =>
        fromBinary(DiscoveryResponseSchema, b),
      );
      stream.write(sotwBytes(init));
      expect(await next()).toMatchObject({ code: grpcCode.invalidArgument });
    }
  });
});
