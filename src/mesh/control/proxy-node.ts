/** Who asks for configuration, in the renderer's terms: identity from the credential, the rest from its metadata. */
import type { NodeInfo } from "../../xds/protocol/index.ts";
import { envoyContract, type ProxyNode } from "../render/index.ts";

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

function labelsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((e): e is [string, string] => typeof e[1] === "string"),
  );
}

function listOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.filter((v): v is string => typeof v === "string");
  return text(value)?.split(",") ?? [];
}

/** Node ids are Istio's: `sidecar~<address>~<workload>.<namespace>~<domain>`. */
function fromId(id: string): { address?: string | undefined; workload?: string | undefined } {
  const [, address, name] = id.split("~");
  return { address, workload: name?.split(".")[0] };
}

/** Istio's key for gRPC without a proxy; a client that forgot to say so is known by the name that its library has. */
function kindOf({ metadata, userAgent }: NodeInfo): ProxyNode["kind"] {
  if (metadata["GENERATOR"] === "grpc" || /^grpc\b/i.test(userAgent)) return "grpc";
  return metadata[envoyContract.metadataKey] === envoyContract.metadataValue ? "envoy" : "weft";
}

/**
 * Keys as Istio's (NAME or WORKLOAD_NAME, LABELS, INSTANCE_IPS, FEATURES). Undefined without a principal: what a node
 * says of its own namespace counts for nothing.
 */
export function proxyNodeOf(node: NodeInfo): ProxyNode | undefined {
  if (node.principal === undefined) return undefined;
  const { metadata } = node;
  const id = fromId(node.id);
  return {
    id: node.id,
    kind: kindOf(node),
    namespace: node.principal.namespace,
    serviceAccount: node.principal.serviceAccount,
    workload: text(metadata["NAME"]) ?? text(metadata["WORKLOAD_NAME"]) ?? id.workload ?? "",
    address: listOf(metadata["INSTANCE_IPS"])[0] ?? text(metadata["ADDRESS"]) ?? id.address ?? "127.0.0.1",
    labels: labelsOf(metadata["LABELS"]),
    ...(metadata["INTERCEPTION_MODE"] === "REDIRECT" && {
      captured: { dual: listOf(metadata["INSTANCE_IPS"]).some((ip) => ip.includes(":")) },
    }),
    features: listOf(metadata["FEATURES"]),
  };
}
