/** What the connection manager does to a request's head before routing: target, identity headers, hop-by-hop fields. */
import { timingSafeEqual } from "node:crypto";
import { parseSpiffeId } from "../../identity/spiffe/index.ts";
import {
  getHeader,
  type HeaderList,
  normalizePath,
  removeHeader,
  removeHeaders,
  resolveTarget,
  setHeader,
} from "../../wire/http/index.ts";
import { type RequestHead, stripHopByHop } from "../../wire/http1/index.ts";
import type { Peer } from "../config/index.ts";
import { settleClient } from "./client-address.ts";
import { badAuthority, badPath, type LocalReply, noCredential, version10 } from "./local-reply.ts";
import type { Manager } from "./manager.ts";
import type { StreamInfo } from "./stream-info.ts";

/** Fields that this proxy alone writes, or that end here. */
const proxyOwned: ReadonlySet<string> = new Set([
  "x-envoy-peer-metadata",
  "x-envoy-peer-metadata-id",
  "x-weft-reason",
  "expect",
  "proxy-authorization",
]);

/** Fills `info` from the head; a reply where the request goes no further. `pinned`: authority of the tunnel it came in. */
export function prepareRequest(
  manager: Manager,
  info: StreamInfo,
  head: RequestHead,
  pinned: string,
): LocalReply | null {
  const { headers } = head;
  info.method = head.method;
  info.version = head.version;
  info.headers = headers;
  const refused = resolveAddress(manager, info, head, pinned);
  if (refused) return refused;
  if (manager.config.forwardProxy && pinned === "" && !authorised(manager, headers)) return noCredential;
  stripHopByHop(headers);
  if (head.version === 10 && !manager.config.httpVersion10Accepted && head.method !== "CONNECT")
    return version10;
  annotate(manager, info, headers);
  return null;
}

/** Authority and path. The target's authority wins over Host, and Host is written anew (HARDENING 3.1 row 8). */
function resolveAddress(
  manager: Manager,
  info: StreamInfo,
  head: RequestHead,
  pinned: string,
): LocalReply | null {
  const { target, headers } = head;
  if (target.charCodeAt(0) === 47 && head.method !== "CONNECT") {
    info.path = target;
    info.authority = getHeader(headers, "host") ?? "";
  } else {
    const resolved = resolveTarget(head);
    if (!resolved) return badAuthority;
    info.path = resolved.path;
    info.authority = resolved.authority;
    if (resolved.scheme !== "") info.scheme = resolved.scheme;
    if (resolved.form === "absolute") setHeader(headers, "host", resolved.authority);
  }
  if (pinned !== "") info.authority = pinned;
  info.originalPath = info.path;
  if (manager.path !== null && info.path.charCodeAt(0) === 47) {
    const path = normalizePath(info.path, manager.path);
    if (path === undefined) return badPath;
    info.path = path;
  }
  return null;
}

/** Basic credential of the forward proxy: password, or the whole `user:password`, equal to the configured one. */
function authorised(manager: Manager, headers: HeaderList): boolean {
  const wanted = manager.plane.credential;
  const given = getHeader(headers, "proxy-authorization");
  removeHeader(headers, "proxy-authorization");
  if (wanted === null) return true;
  if (given === undefined || !/^basic /i.test(given)) return false;
  const text = Buffer.from(given.slice(6).trim(), "base64").toString("latin1");
  return same(text, wanted) || same(text.slice(text.indexOf(":") + 1), wanted);
}

function same(a: string, b: string): boolean {
  const left = Buffer.from(a, "latin1");
  const right = Buffer.from(b, "latin1");
  return left.length === right.length && timingSafeEqual(left, right);
}

/** One pass over the fields for those that the proxy owns, then its own additions. */
function annotate(manager: Manager, info: StreamInfo, headers: HeaderList): void {
  let requestId = "";
  let proto = "";
  let drop = false;
  let forwarded = false;
  let envoy = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    if (name.charCodeAt(0) === 120) {
      if (name === "x-request-id") requestId = headers[i + 1]!;
      else if (name === "x-forwarded-proto") proto = headers[i + 1]!;
      else if (name === "x-forwarded-for") forwarded = true;
      else if (name.startsWith("x-envoy-peer-metadata")) {
        if (name === "x-envoy-peer-metadata") info.peer = claimedPeer(manager, info, headers[i + 1]!);
        drop = true;
      } else if (name.startsWith("x-envoy-")) envoy = true;
      else if (name === "x-weft-reason") drop = true;
    } else if (name === "expect" || name === "proxy-authorization") drop = true;
  }
  if (drop) removeHeaders(headers, proxyOwned);
  const { config } = manager;
  const remote = config.useRemoteAddress;
  const edge = (remote || forwarded || envoy) && settleClient(manager, info, headers, { forwarded, envoy });
  // What the next hop is told of the scheme is our word, unless a trusted proxy stands in front.
  if (proto === "") headers.push("x-forwarded-proto", info.scheme);
  else if (remote && config.xffNumTrustedHops === 0) setHeader(headers, "x-forwarded-proto", info.scheme);
  else info.scheme = proto;
  if (config.generateRequestId && (edge || requestId === "")) {
    const id = crypto.randomUUID();
    if (requestId === "") headers.push("x-request-id", id);
    else setHeader(headers, "x-request-id", id);
    requestId = id;
  }
  info.requestId = requestId;
}

/**
 * Who a caller says it is. One without an identity may claim any name, so it is not asked; one with an identity may
 * claim no namespace but its own.
 */
function claimedPeer(manager: Manager, info: StreamInfo, metadata: string): Peer | null {
  const { principal } = info.connection;
  if (principal === "") return null;
  const { telemetry, metrics } = manager.plane;
  const peer = telemetry.decodePeer(metadata);
  if (peer === null || peer.namespace === "") return peer;
  const id = parseSpiffeId(principal);
  if (id.ok && id.id.namespace === peer.namespace) return peer;
  metrics.add(metrics.series("weft_peer_metadata_refused_total", ["listener_name", manager.listener]), 1);
  return null;
}
