/** What the connection manager does to an answer's head. */
import { getHeader, type HeaderList, hasHeader, removeHeader, setHeader } from "../../wire/http/index.ts";
import { type Framing, type ResponseHead, stripHopByHop } from "../../wire/http1/index.ts";
import type { LocalReply } from "./local-reply.ts";
import type { Manager } from "./manager.ts";
import { mutateHeaders } from "./mutation.ts";
import type { StreamInfo } from "./stream-info.ts";

/** Rewrites the upstream's fields in place; the framing is written by the encoder. */
export function prepareResponse(manager: Manager, info: StreamInfo, head: ResponseHead): void {
  const { headers } = head;
  stripHopByHop(headers);
  let date = false;
  let server = false;
  let weft = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    if (name === "date") date = true;
    else if (name === "server") server = true;
    else if (name === "x-weft-reason" || name.startsWith("x-envoy-peer-metadata")) weft = true;
  }
  if (weft) takeMeshFields(manager, info, headers);
  const { route } = info;
  const own = info.destination?.responseHeaders;
  if (own) mutateHeaders(headers, own.remove, own.add);
  if (route) mutateHeaders(headers, route.config.responseHeadersRemove, route.config.responseHeadersAdd);
  if (route?.virtualHost.config.responseAttemptCount)
    setHeader(headers, "x-envoy-attempt-count", `${info.attempts}`);
  setHeader(headers, "x-envoy-upstream-service-time", info.serviceTime);
  stamp(manager, headers, date, server);
  info.responseHeaders = headers;
}

/**
 * x-weft-reason may be believed only from the mesh: from the application (inbound) and from upstreams without mutual
 * TLS it is dropped; outbound keeps it for the log and does not pass it on.
 */
function takeMeshFields(manager: Manager, info: StreamInfo, headers: HeaderList): void {
  const reason = getHeader(headers, "x-weft-reason");
  if (reason !== undefined && manager.direction === "outbound" && info.upstreamTrusted) info.reason = reason;
  removeHeader(headers, "x-weft-reason");
  // Who the upstream is, its endpoint's configuration says.
  removeHeader(headers, "x-envoy-peer-metadata");
  removeHeader(headers, "x-envoy-peer-metadata-id");
}

/** `server` and `date`. */
export function stamp(manager: Manager, headers: HeaderList, date: boolean, server: boolean): void {
  if (!date) headers.push("date", manager.plane.telemetry.date());
  const { serverHeader, serverName } = manager.config;
  if (serverHeader === "overwrite") {
    if (server) setHeader(headers, "server", serverName);
    else headers.push("server", serverName);
  } else if (serverHeader === "append-if-absent" && !server) {
    headers.push("server", serverName);
  }
}

const none: Framing = { kind: "none" };
const chunked: Framing = { kind: "chunked" };

/** How the answer's body is delimited towards this client. `none` with a body means: until close (HTTP/1.0). */
export function responseFraming(info: StreamInfo, head: ResponseHead): Framing {
  if (head.status === 204 || head.status < 200) return none;
  if (head.contentLength >= 0) return { kind: "length", length: head.contentLength };
  if (info.method === "HEAD" || head.status === 304)
    return head.chunked && info.version === 11 ? chunked : none;
  return info.version === 11 ? chunked : none;
}

/** Fields of a local answer. The deciding object is named to mesh peers only. */
export function replyHeaders(manager: Manager, info: StreamInfo, reply: LocalReply): HeaderList {
  const headers: HeaderList = reply.headers ? [...reply.headers] : [];
  if (reply.body !== "" && !hasHeader(headers, "content-type")) headers.push("content-type", "text/plain");
  const { owner } = info;
  if (owner && info.connection.principal !== "") {
    headers.push("x-weft-reason", `${owner.object}${owner.field ? ` ${owner.field}` : ""}`);
  }
  stamp(manager, headers, false, false);
  return headers;
}
