import { expect, test } from "bun:test";
import type { NodeInfo } from "../../xds/protocol/index.ts";
import { proxyNodeOf } from "./proxy-node.ts";

const node = (more: Partial<NodeInfo>): NodeInfo => ({
  id: "sidecar~127.66.0.1~a-v1-x.default~default.svc.cluster.local",
  cluster: "a",
  userAgent: "weft",
  metadata: {},
  principal: { namespace: "default", serviceAccount: "a" },
  ...more,
});

test("who a node is: Istio's key for gRPC, or the library's own name; the agent of an Envoy says so", () => {
  const kind = (more: Partial<NodeInfo>): string | undefined => proxyNodeOf(node(more))?.kind;
  expect(kind({})).toBe("weft");
  expect(kind({ metadata: { GENERATOR: "grpc" } })).toBe("grpc");
  for (const userAgent of ["gRPC C-core linux Python", "gRPC Go", "gRPC Node Pure JS", "grpc-java"])
    expect(kind({ userAgent })).toBe("grpc");
  expect(kind({ userAgent: "envoy" })).toBe("weft");
  expect(kind({ userAgent: "envoy", metadata: { WEFT_PROXY: "envoy" } })).toBe("envoy");
  expect(proxyNodeOf(node({ principal: undefined }))).toBeUndefined();
});

test("name and address come from the metadata, else from the id", () => {
  expect(proxyNodeOf(node({}))).toMatchObject({ workload: "a-v1-x", address: "127.66.0.1" });
  const metadata = { NAME: "b", INSTANCE_IPS: "10.0.0.1,10.0.0.2", LABELS: { app: "b", n: 1 } };
  expect(proxyNodeOf(node({ metadata }))).toMatchObject({
    workload: "b",
    address: "10.0.0.1",
    labels: { app: "b" },
  });
});
