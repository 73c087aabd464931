/** The one place where a failure becomes an answer: status, body, response flag and details as Envoy has them. */
import type { Http1Error } from "../../wire/http1/index.ts";
import { flag } from "./stream-info.ts";

export interface LocalReply {
  readonly status: number;
  readonly body: string;
  /** Bits of stream-info's `flag`. */
  readonly flags: number;
  /** %RESPONSE_CODE_DETAILS%. */
  readonly details: string;
  /** More header fields, flat. */
  readonly headers?: readonly string[];
  /** The connection cannot be used on. */
  readonly close?: boolean;
}

const reply = (
  status: number,
  body: string,
  flags: number,
  details: string,
  more: Partial<LocalReply> = {},
): LocalReply => ({
  status,
  body,
  flags,
  details,
  ...more,
});

export const noRoute = reply(404, "", flag.noRoute, "route_not_found");
export const noVirtualHost = reply(404, "", flag.noRoute, "route_not_found");
export const noCluster = reply(503, "", flag.noCluster, "cluster_not_found");
export const noHealthyUpstream = reply(
  503,
  "no healthy upstream",
  flag.noHealthyUpstream,
  "no_healthy_upstream",
);
export const routeTimeout = reply(504, "upstream request timeout", flag.upstreamTimeout, "response_timeout");
export const perTryTimeout = reply(
  504,
  "upstream request timeout",
  flag.upstreamTimeout,
  "upstream_per_try_timeout",
);
export const streamIdle = reply(408, "stream timeout", flag.streamIdleTimeout, "stream_idle_timeout", {
  close: true,
});
export const streamIdleUpstream = reply(
  504,
  "stream timeout",
  flag.streamIdleTimeout,
  "stream_idle_timeout",
  {
    close: true,
  },
);
export const headersTimeout = reply(408, "", 0, "request_header_timeout", { close: true });
export const requestTimeout = reply(408, "", 0, "request_overall_timeout", { close: true });
export const badPath = reply(400, "", flag.downstreamProtocolError, "path_normalization_failed");
export const badAuthority = reply(400, "", flag.downstreamProtocolError, "invalid_authority", {
  close: true,
});
export const dnsFailure = reply(503, "DNS resolution failure", flag.dnsFailure, "dns_resolution_failure");
export const forbiddenConnect = reply(404, "", flag.noRoute, "connect_not_allowed", { close: true });
export const loopDetected = reply(508, "proxy loop detected", 0, "weft_proxy_loop", { close: true });
export const version10 = reply(426, "", flag.downstreamProtocolError, "low_version", { close: true });
export const shuttingDown = reply(503, "draining", 0, "weft_draining", { close: true });
export const noCredential = reply(407, "proxy authentication required", 0, "weft_proxy_credential", {
  headers: ["proxy-authenticate", 'Basic realm="weft"'],
});

/** Bad bytes of a client. Envoy's details are `http1.codec_error`; the parser's code says more. */
export function protocolError(error: Http1Error): LocalReply {
  return reply(error.status, "", flag.downstreamProtocolError, error.code, { close: true });
}

/** Reason words of Envoy's reset body, and flags. */
const resets = {
  "connect-failure": {
    text: "remote connection failure",
    flags: flag.upstreamConnectionFailure,
    id: "remote_connection_failure",
  },
  "connect-timeout": {
    text: "connection timeout",
    flags: flag.upstreamConnectionFailure,
    id: "connection_timeout",
  },
  overflow: { text: "overflow", flags: flag.upstreamOverflow, id: "overflow" },
  reset: {
    text: "connection termination",
    flags: flag.upstreamConnectionTermination,
    id: "connection_termination",
  },
  "reset-unsent": {
    text: "connection termination",
    flags: flag.upstreamConnectionTermination,
    id: "connection_termination",
  },
  "protocol-error": { text: "protocol error", flags: flag.upstreamProtocolError, id: "protocol_error" },
} as const;

export type ResetKind = keyof typeof resets;

/** The upstream gave no answer. `detail` is the transport's own word, kept in the details as Envoy does. */
export function upstreamReset(
  kind: ResetKind,
  detail: string,
  more: { readonly dynamic?: boolean } = {},
): LocalReply {
  const { text, flags, id } = resets[kind];
  const connecting = kind === "connect-failure" || kind === "connect-timeout";
  if (more.dynamic && connecting && /ENOTFOUND|EAI_|DNS/i.test(detail)) return dnsFailure;
  const cause = connecting && detail !== "" ? `|${detail.replace(/[^\w.:-]+/g, "_")}` : "";
  const transport = connecting && detail.startsWith("tls.") ? `, transport failure reason: ${detail}` : "";
  // A protocol error is an answer, though a broken one: 502.
  const status = kind === "protocol-error" ? 502 : 503;
  return reply(
    status,
    `upstream connect error or disconnect/reset before headers. reset reason: ${text}${transport}`,
    flags,
    `upstream_reset_before_response_started{${id}${cause}}`,
    kind === "overflow" ? { headers: ["x-envoy-overloaded", "true"] } : {},
  );
}
