/**
 * Who the client of a request is, and whether the request is internal: Envoy's rules for x-forwarded-for (connection
 * manager, "x-forwarded-for" and "x-envoy-internal"; compared with Envoy 1.40 case by case). Only internal requests
 * may steer the router by x-envoy-* headers; without internal_address_config there are none.
 */
import { type BlockList, isIP } from "node:net";
import {
  getAllHeaders,
  type HeaderList,
  removeHeader,
  removeHeaders,
  setHeader,
} from "../../wire/http/index.ts";
import type { Manager } from "./manager.ts";
import type { StreamInfo } from "./stream-info.ts";

/** Taken from requests that are not internal, as Envoy cleans them. */
const internalOnly: ReadonlySet<string> = new Set([
  "x-envoy-retriable-status-codes",
  "x-envoy-retriable-header-names",
  "x-envoy-retry-on",
  "x-envoy-retry-grpc-on",
  "x-envoy-max-retries",
  "x-envoy-upstream-alt-stat-name",
  "x-envoy-upstream-rq-timeout-ms",
  "x-envoy-upstream-rq-per-try-timeout-ms",
  "x-envoy-upstream-rq-timeout-alt-response",
  "x-envoy-expected-rq-timeout-ms",
  "x-envoy-force-trace",
  "x-envoy-ip-tags",
  "x-envoy-original-url",
  "x-envoy-hedge-on-per-try-timeout",
]);

/** Taken besides from requests that came from outside to this proxy as the first one. */
const edgeOnly: ReadonlySet<string> = new Set([
  ...internalOnly,
  "x-envoy-decorator-operation",
  "x-envoy-downstream-service-cluster",
  "x-envoy-downstream-service-node",
  "x-envoy-original-path",
]);

interface Forwarded {
  /** "" where there is none at that place, or none that is an address. */
  readonly address: string;
  /** It is the only one. */
  readonly single: boolean;
}

const nobody: Forwarded = { address: "", single: false };

/** The address at `skip` places from the right end. */
export function forwardedAddress(list: string | undefined, skip: number): Forwarded {
  if (list === undefined) return nobody;
  const parts = list.split(",");
  const text = parts[parts.length - 1 - skip]?.trim() ?? "";
  return isIP(text) === 0 ? nobody : { address: text, single: parts.length === 1 };
}

function isInternal(addresses: BlockList | null, address: string): boolean {
  return addresses?.check(address, isIP(address) === 6 ? "ipv6" : "ipv4") === true;
}

export interface ClientHeaders {
  /** There is an x-forwarded-for. */
  readonly forwarded: boolean;
  /** There are x-envoy-* fields. */
  readonly envoy: boolean;
}

/** Settles both for a request; true for one from outside that this proxy is the first to see (an edge request). */
export function settleClient(
  manager: Manager,
  info: StreamInfo,
  headers: HeaderList,
  has: ClientHeaders,
): boolean {
  const { config, internalAddresses } = manager;
  const { remoteAddress } = info.connection;
  const hops = config.xffNumTrustedHops;
  const list = has.forwarded ? getAllHeaders(headers, "x-forwarded-for").join(",") : undefined;
  let address: string;
  let internal: boolean;
  if (config.useRemoteAddress) {
    // The address of who connected is trusted; that of a trusted proxy's client is what it wrote.
    const trusted = hops > 0 ? forwardedAddress(list, hops - 1).address : "";
    address = trusted;
    internal = list === undefined && isInternal(internalAddresses, trusted || remoteAddress);
    setHeader(headers, "x-forwarded-for", list ? `${list},${remoteAddress}` : remoteAddress);
  } else {
    const found = forwardedAddress(list, hops);
    ({ address } = found);
    internal = found.single && hops === 0 && isInternal(internalAddresses, address);
  }
  const edge = config.useRemoteAddress && !internal;
  info.clientAddress = address;
  if (has.envoy) {
    removeHeader(headers, "x-envoy-internal");
    if (!internal) removeHeaders(headers, edge ? edgeOnly : internalOnly);
  }
  if (internal) {
    headers.push("x-envoy-internal", "true");
    info.overrides = has.envoy;
  }
  if (edge) setHeader(headers, "x-envoy-external-address", address || remoteAddress);
  return edge;
}
