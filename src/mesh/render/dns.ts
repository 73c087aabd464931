/** Names outside the mesh: one cache, said the same in the filter and in the cluster (Envoy insists). */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Cluster_DnsLookupFamily } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";
import type { DnsCacheConfigSchema } from "../../proto/gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.js";

export const dnsCache: MessageInitShape<typeof DnsCacheConfigSchema> = {
  name: "weft_outside",
  dnsLookupFamily: Cluster_DnsLookupFamily.V4_PREFERRED,
};
