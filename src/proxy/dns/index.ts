/** Names for captured workloads. */
import { fromBinary } from "@bufbuild/protobuf";
import { NameTableSchema } from "../../proto/gen/istio/networking/nds/v1/nds_pb.js";
import { createBook, type NameBook } from "./book.ts";
import type { ResolverCounts } from "./resolver.ts";

export { createBook, type NameBook } from "./book.ts";
export { Framer, framed } from "./framing.ts";
export { limits as dnsLimits } from "./limits.ts";
export { Resolver, type ResolverOptions, type Upstream } from "./resolver.ts";
export { type DnsServer, startDnsServer } from "./server.ts";
export { nameServers, parseResolvConf, type ResolvConf } from "./upstream.ts";

/** From what the control plane sent; throws where that cannot be read. */
export function bookFrom(bytes: Uint8Array, namespace: string): NameBook {
  return createBook(fromBinary(NameTableSchema, bytes), namespace);
}

/** Prometheus text, under Istio's names. */
export function dnsMetrics(counts: ResolverCounts): string {
  const rows: readonly (readonly [string, string, number])[] = [
    ["istio_agent_dns_requests_total", "Questions that the sidecar's DNS was asked.", counts.requests],
    ["istio_agent_dns_upstream_requests_total", "Questions passed on to name servers.", counts.forwarded],
    ["istio_agent_dns_upstream_failures_total", "Questions that nobody answered.", counts.failed],
    ["weft_dns_local_answers_total", "Answers from the mesh's own names.", counts.local],
    ["weft_dns_cached_answers_total", "Answers kept from name servers.", counts.cached],
  ];
  return rows
    .map(([name, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} counter\n${name} ${value}\n`)
    .join("");
}
