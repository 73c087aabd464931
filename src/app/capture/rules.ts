/** Which connections are redirected to the proxy. What the two back ends (nftables, iptables) write is made of this. */

/** All of them, or the ones listed. */
export type Selection<T> = "*" | readonly T[];

export interface CaptureRules {
  /** Whose own connections are left alone; without either, only `includeCidrs` may be captured. */
  readonly proxyUid?: number;
  readonly proxyGid?: number;
  readonly outboundPort: number;
  /** 0: incoming connections are left alone. */
  readonly inboundPort: number;
  /** 0: names are left alone. */
  readonly dnsPort: number;
  /** Where connections go that are captured; ports of `includeOutboundPorts` are captured besides. */
  readonly includeCidrs: Selection<string>;
  readonly excludeCidrs: readonly string[];
  readonly includeOutboundPorts: readonly number[];
  readonly excludeOutboundPorts: readonly number[];
  readonly includeInboundPorts: Selection<number>;
  readonly excludeInboundPorts: readonly number[];
  /** Users whose connections are left alone; with `includeUids`, only theirs are captured. */
  readonly excludeUids: readonly number[];
  readonly includeUids: Selection<number>;
  readonly excludeInterfaces: readonly string[];
  readonly ipv6: boolean;
  /**
   * Of a namespace that has no way out but a relay: what does not go to `local` and is not captured is redirected
   * there, and what is not TCP is refused at once.
   */
  readonly outside?: { readonly port: number; readonly local: readonly string[] };
}

/** Ports of the sidecar that are called as they are: mesh mutual TLS, metrics, readiness, Istio's Prometheus port. */
export const ownInboundPorts = [15008, 15020, 15021, 15090] as const;
/** Where the proxy comes from when it calls the application on the address that was called; Istio's. */
export const passthroughSources = { v4: "127.0.0.6", v6: "::6" } as const;

export const defaultRules: CaptureRules = {
  proxyUid: 1337,
  proxyGid: 1337,
  outboundPort: 15001,
  inboundPort: 15006,
  dnsPort: 15053,
  includeCidrs: "*",
  excludeCidrs: [],
  includeOutboundPorts: [],
  excludeOutboundPorts: [],
  includeInboundPorts: "*",
  excludeInboundPorts: [],
  excludeUids: [],
  includeUids: "*",
  excludeInterfaces: [],
  ipv6: true,
};

export const isV6 = (cidr: string): boolean => cidr.includes(":");
