/** Value of x-envoy-peer-metadata: base64 of a google.protobuf.Struct with Istio's keys, encoded without a library. */
import type { Peer } from "../config/index.ts";

type Value = string | { readonly [key: string]: Value };

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  while (rest > 127) {
    out.push((rest & 127) | 128);
    rest >>>= 7;
  }
  out.push(rest);
  return out;
}

/** A length-delimited field. */
function delimited(field: number, bytes: Uint8Array | readonly number[]): number[] {
  return [(field << 3) | 2, ...varint(bytes.length), ...bytes];
}

const utf8 = new TextEncoder();

/** google.protobuf.Value: string_value = 3, struct_value = 5. */
function encodeValue(value: Value): number[] {
  return typeof value === "string" ? delimited(3, utf8.encode(value)) : delimited(5, encodeStruct(value));
}

/** google.protobuf.Struct: map<string, Value> fields = 1, a map entry being key = 1, value = 2. */
function encodeStruct(fields: { readonly [key: string]: Value }): number[] {
  return Object.entries(fields).flatMap(([key, value]) =>
    delimited(1, [...delimited(1, utf8.encode(key)), ...delimited(2, encodeValue(value))]),
  );
}

/** Empty where the workload has no name: a proxy that stands alone tells nobody who it is. */
export function peerMetadata(peer: Peer): string {
  if (peer.workload === "") return "";
  const labels: Record<string, string> = {
    app: peer.app,
    version: peer.version,
    "service.istio.io/canonical-name": peer.service,
    "service.istio.io/canonical-revision": peer.revision,
  };
  const struct = encodeStruct({
    NAME: peer.workload,
    NAMESPACE: peer.namespace,
    WORKLOAD_NAME: peer.workload,
    CLUSTER_ID: peer.cluster,
    LABELS: Object.fromEntries(Object.entries(labels).filter(([, v]) => v !== "")),
  });
  return Buffer.from(struct).toString("base64");
}
