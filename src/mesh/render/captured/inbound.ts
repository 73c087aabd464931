/** What connections to a captured workload meet: mutual TLS and plaintext on the very port that was called. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { TrafficDirection } from "../../../proto/gen/envoy/config/core/v3/base_pb.js";
import type {
  FilterChainSchema,
  FilterSchema,
} from "../../../proto/gen/envoy/config/listener/v3/listener_components_pb.js";
import type { MeshConfig, MtlsRule } from "../../model/index.ts";
import { agentSecrets } from "../envoy.ts";
import type { InboundPort } from "../inbound.ts";
import type { ListenerInit } from "../listener.ts";
import { blackHoleCluster, inboundCluster } from "../names.ts";
import { inspectors, tcpProxy } from "../network-filters.ts";
import { downstreamTls, meshAlpn } from "../tls.ts";
import type { ProxyNode } from "../types.ts";
import { ads, weftMetadata } from "../values.ts";
import { capturePorts, everywhere, inboundPassthrough, inspectTimeout } from "./parts.ts";

type ChainInit = MessageInitShape<typeof FilterChainSchema>;
interface MatchInit {
  readonly destinationPort?: number;
  readonly transportProtocol?: "tls" | "raw_buffer";
  readonly applicationProtocols?: string[];
}
type FilterInit = MessageInitShape<typeof FilterSchema>;

/** Offered by peers of the mesh, and by nobody else: their TLS is ours, other TLS is the application's. */
const peerProtocols = ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];
/** Agreed on with such peers. `istio-peer-exchange` would have them send their metadata before the first byte. */
const agreed = [...meshAlpn, "istio"];

interface Place {
  readonly name: string;
  readonly match: MatchInit;
  readonly mtls: MtlsRule;
  /** What is inside mutual TLS, or plaintext. */
  readonly filter: FilterInit;
  /** TLS that is the application's own. */
  readonly foreign: FilterInit;
  readonly metadata: ReturnType<typeof weftMetadata>;
}

export function virtualInbound(
  node: Pick<ProxyNode, "kind"> & { readonly dual: boolean },
  ports: readonly InboundPort[],
  others: MtlsRule,
  config: MeshConfig,
  filterOf: (port: InboundPort) => FilterInit,
): ListenerInit {
  const socket = downstreamTls(
    [config.trustDomain, ...config.trustDomainAliases],
    node.kind === "envoy" ? agentSecrets : ads,
    agreed,
  );
  const { inbound: port } = capturePorts;
  const unknown = tcpProxy(inboundPassthrough, inboundPassthrough, config);
  const places = ports.map((p): Place => {
    const name = inboundCluster(p.port);
    const foreign = tcpProxy(`inbound_${p.port}`, name, config);
    const match = { destinationPort: p.port };
    return { name, match, mtls: p.mtls, filter: filterOf(p), foreign, metadata: weftMetadata(p.origin) };
  });
  const rest: Place = {
    ...{ name: "virtualInbound-catchall", match: {}, mtls: others, filter: unknown, foreign: unknown },
    metadata: weftMetadata(others.origin),
  };
  const blackhole: ChainInit = {
    name: "virtualInbound-blackhole",
    filterChainMatch: { destinationPort: port },
    filters: [tcpProxy(blackHoleCluster, blackHoleCluster, config)],
  };
  return {
    name: "virtualInbound",
    address: everywhere(node.dual, port),
    trafficDirection: TrafficDirection.INBOUND,
    listenerFilters: [inspectors.originalDst, inspectors.tls],
    listenerFiltersTimeout: inspectTimeout,
    continueOnListenerFiltersTimeout: true,
    filterChains: [blackhole, ...[...places, rest].flatMap((p) => chains(p, socket))],
  };
}

/** strict: mutual TLS or nothing. permissive: both, told apart by the first bytes. disable: as it comes. */
function chains(place: Place, socket: ReturnType<typeof downstreamTls>): ChainInit[] {
  const { name, match, mtls, filter, foreign, metadata } = place;
  const plain = (more: MatchInit, filters: FilterInit[], suffix: string): ChainInit => ({
    name: `${name}${suffix}`,
    filterChainMatch: { ...match, ...more },
    filters,
    metadata: mtls.mode === "strict" ? weftMetadata(mtls.origin) : metadata,
  });
  const secure = (more: MatchInit): ChainInit => ({
    name: `${name}-mtls`,
    filterChainMatch: { ...match, transportProtocol: "tls", ...more },
    filters: [filter],
    transportSocket: socket,
    metadata: weftMetadata(mtls.origin),
  });
  if (mtls.mode === "strict") return [secure({}), plain({ transportProtocol: "raw_buffer" }, [], "-refused")];
  const open = [
    plain({ transportProtocol: "raw_buffer" }, [filter], ""),
    plain({ transportProtocol: "tls" }, [foreign], "-tls"),
  ];
  return mtls.mode === "disable" ? open : [secure({ applicationProtocols: peerProtocols }), ...open];
}
