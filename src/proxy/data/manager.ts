/** A HTTP connection manager compiled: what its connections share. */

import { BlockList } from "node:net";
import type { PathOptions } from "../../wire/http/index.ts";
import { defaultHttp1Limits, type Http1Limits } from "../../wire/http1/index.ts";
import type { HttpManagerConfig, ListenerConfig, Owner } from "../config/index.ts";
import type { AccessLogger } from "./access-log.ts";
import { pipelinedHoldBytes } from "./limits.ts";
import type { Plane } from "./plane.ts";

export interface Manager {
  readonly plane: Plane;
  readonly config: HttpManagerConfig;
  readonly direction: ListenerConfig["direction"];
  readonly listener: string;
  readonly owner: Owner | undefined;
  readonly limits: Http1Limits;
  /** internal_address_config; null: nobody is internal. */
  readonly internalAddresses: BlockList | null;
  /** Null: paths are forwarded as they came. */
  readonly path: PathOptions | null;
  readonly accessLogs: readonly AccessLogger[];
  readonly slots: { readonly requests: number; readonly active: number; readonly protocolErrors: number };
  readonly classes: number[];
  /** Whether requests are being drained: answers close their connections. */
  draining: boolean;
}

function blockList(ranges: HttpManagerConfig["internalAddresses"]): BlockList | null {
  if (ranges.length === 0) return null;
  const list = new BlockList();
  for (const { address, prefixLength } of ranges)
    list.addSubnet(address, prefixLength, address.includes(":") ? "ipv6" : "ipv4");
  return list;
}

export function createManager(
  plane: Plane,
  config: HttpManagerConfig,
  place: {
    readonly direction: ListenerConfig["direction"];
    readonly listener: string;
    readonly owner?: Owner | undefined;
  },
): Manager {
  const labels = ["envoy_http_conn_manager_prefix", config.statPrefix];
  const slot = (name: Parameters<typeof plane.metrics.series>[0], more: readonly string[] = []): number =>
    plane.metrics.series(name, [...more, ...labels]);
  return {
    plane,
    config,
    direction: place.direction,
    listener: place.listener,
    owner: place.owner,
    limits: {
      ...defaultHttp1Limits,
      // What is held when reading stops, and the one read that brought it there.
      maxPipelinedBytes: defaultHttp1Limits.maxPipelinedBytes + pipelinedHoldBytes,
      maxHeaderBytes: config.maxHeaderBytes || defaultHttp1Limits.maxHeaderBytes,
      maxHeaderCount: config.maxHeaderCount || defaultHttp1Limits.maxHeaderCount,
    },
    internalAddresses: blockList(config.internalAddresses),
    path:
      config.normalizePath || config.mergeSlashes
        ? { normalize: config.normalizePath, mergeSlashes: config.mergeSlashes, escapedSlashes: "keep" }
        : null,
    accessLogs: config.accessLogs.map((log) => plane.accessLogger(log)),
    slots: {
      requests: slot("envoy_http_downstream_rq_total"),
      active: slot("envoy_http_downstream_rq_active"),
      protocolErrors: slot("envoy_http_downstream_cx_protocol_error"),
    },
    classes: [1, 2, 3, 4, 5].map((c) =>
      slot("envoy_http_downstream_rq_xx", ["envoy_response_code_class", `${c}`]),
    ),
    draining: false,
  };
}
