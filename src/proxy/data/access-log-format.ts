/** Envoy's access log command operators, compiled to closures when the configuration arrives. */
import { getHeader } from "../../wire/http/index.ts";
import { flagText, type StreamInfo } from "./stream-info.ts";

const protocols = { 10: "HTTP/1.0", 11: "HTTP/1.1", 20: "HTTP/2" } as const;

export type LineFormatter = (info: StreamInfo, now: number) => string;
/** A value, or null where there is none (`-` in text, null in JSON). */
type Operator = (info: StreamInfo, now: number) => string | number | null;

/** The operators take a request header by one of two names: `A?B`. */
function headerOperator(argument: string, of: "request" | "response"): Operator {
  const [spec = "", limit] = argument.split("):");
  const names = spec.split("?").map((n) => n.trim().toLowerCase());
  const maxLength = limit === undefined ? undefined : Number(limit);
  const read = of === "request" ? requestField : responseField;
  return (info) => {
    for (const name of names) {
      const value = read(info, name);
      if (value !== undefined && value !== "")
        return maxLength === undefined ? value : value.slice(0, maxLength);
    }
    return null;
  };
}

function requestField(info: StreamInfo, name: string): string | undefined {
  switch (name) {
    case ":method":
      return info.method;
    case ":path":
      return info.path;
    case ":authority":
    case "host":
      return info.authority;
    case ":scheme":
      return info.scheme;
  }
  return getHeader(info.headers, name);
}

function responseField(info: StreamInfo, name: string): string | undefined {
  if (name === ":status") return `${info.status}`;
  return getHeader(info.responseHeaders, name);
}

const text = (value: string): string | null => (value === "" ? null : value);
const millis = (value: number): number | null => (value < 0 ? null : Math.floor(value));
const address = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

/** x-forwarded-for names no port. */
const clientPort = (i: StreamInfo): number => (i.clientAddress === "" ? i.connection.remotePort : 0);

/** Operators without argument. */
const simple: Readonly<Record<string, Operator>> = {
  PROTOCOL: (i) => (i.method === "" ? null : protocols[i.version]),
  UPSTREAM_PROTOCOL: (i) => (i.host ? "HTTP/1.1" : null),
  RESPONSE_CODE: (i) => i.status,
  RESPONSE_CODE_DETAILS: (i) => text(i.details),
  RESPONSE_FLAGS: (i) => flagText(i.flags),
  BYTES_RECEIVED: (i) => i.bytesReceived,
  BYTES_SENT: (i) => i.bytesSent,
  DURATION: (i, now) => Math.floor(now - i.start),
  REQUEST_DURATION: (i) => millis(i.requestEnd),
  RESPONSE_DURATION: (i) => millis(i.responseStart),
  RESPONSE_TX_DURATION: (i, now) =>
    i.responseStart < 0 ? null : Math.floor(now - i.start - i.responseStart),
  UPSTREAM_HOST: (i) => (i.host ? i.host.address : null),
  UPSTREAM_CLUSTER: (i) => text(i.clusterName),
  UPSTREAM_CLUSTER_RAW: (i) => text(i.clusterName),
  UPSTREAM_LOCAL_ADDRESS: (i) => text(i.upstreamLocalAddress),
  UPSTREAM_TRANSPORT_FAILURE_REASON: (i) => text(i.upstreamFailure),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (i) => i.attempts,
  UPSTREAM_PEER_URI_SAN: (i) => text(i.upstreamPrincipal),
  DOWNSTREAM_REMOTE_ADDRESS: (i) => address(i.clientAddress || i.connection.remoteAddress, clientPort(i)),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (i) => text(i.clientAddress || i.connection.remoteAddress),
  DOWNSTREAM_REMOTE_PORT: clientPort,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: (i) => address(i.connection.remoteAddress, i.connection.remotePort),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: (i) => text(i.connection.remoteAddress),
  DOWNSTREAM_LOCAL_ADDRESS: (i) => address(i.connection.localAddress, i.connection.localPort),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (i) => text(i.connection.localAddress),
  DOWNSTREAM_LOCAL_PORT: (i) => i.connection.localPort,
  DOWNSTREAM_PEER_URI_SAN: (i) => text(i.connection.principal),
  REQUESTED_SERVER_NAME: (i) => text(i.connection.sni),
  ROUTE_NAME: (i) => text(i.route?.config.name ?? ""),
  VIRTUAL_CLUSTER_NAME: () => null,
  CONNECTION_TERMINATION_DETAILS: () => null,
  ROUTE_OWNER: (i) => text(i.owner ? `${i.owner.object}${i.owner.field ? ` ${i.owner.field}` : ""}` : ""),
  WEFT_REASON: (i) => text(i.reason),
};

/** START_TIME as ISO 8601 with milliseconds, or by a small strftime. */
function startTime(format: string): Operator {
  if (format === "") return (i) => new Date(i.startWall).toISOString();
  return (i) => {
    const iso = new Date(i.startWall).toISOString();
    const parts: Readonly<Record<string, string>> = {
      Y: iso.slice(0, 4),
      m: iso.slice(5, 7),
      d: iso.slice(8, 10),
      H: iso.slice(11, 13),
      M: iso.slice(14, 16),
      S: iso.slice(17, 19),
      F: iso.slice(0, 10),
      T: iso.slice(11, 19),
      "3f": iso.slice(20, 23),
      s: `${Math.floor(i.startWall / 1000)}`,
    };
    return format.replace(/%(3f|[YmdHMSFTs])/g, (_, key: string) => parts[key]!);
  };
}

/** An operator, or a `%` written as `%%`. */
const operatorPattern = /%%|%([A-Z_0-9]+)(?:\(([^)]*)\))?(?::(\d+))?%/g;

/** Names of operators in `format` that are not known: the agent refuses such a configuration. */
export function unknownOperators(format: string): string[] {
  return [...format.matchAll(operatorPattern)]
    .flatMap((m) => m[1] ?? [])
    .filter((name) => operatorOf(name, "") === null);
}

function operatorOf(name: string, argument: string): Operator | null {
  switch (name) {
    case "REQ":
      return headerOperator(argument, "request");
    case "RESP":
      return headerOperator(argument, "response");
    case "START_TIME":
      return startTime(argument);
    case "TRAILER":
    case "DYNAMIC_METADATA":
    case "CLUSTER_METADATA":
    case "FILTER_STATE":
    case "UPSTREAM_METADATA":
      return () => null;
    default:
      return simple[name] ?? null;
  }
}

/** Literals and operators in order. */
function parts(format: string): (string | Operator)[] {
  const out: (string | Operator)[] = [];
  let at = 0;
  for (const m of format.matchAll(operatorPattern)) {
    if (m.index > at) out.push(format.slice(at, m.index));
    const argument = m[3] === undefined ? (m[2] ?? "") : `${m[2] ?? ""}):${m[3]}`;
    if (m[1] === undefined) out.push("%");
    else out.push(operatorOf(m[1], argument) ?? (() => null));
    at = m.index + m[0].length;
  }
  if (at < format.length) out.push(format.slice(at));
  return out;
}

/** Control characters and quotes would let a client forge log lines. */
function escapeText(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  return /[\u0000-\u001f"\\\u007f]/.test(value) ? JSON.stringify(value).slice(1, -1) : value;
}

export function compileFormat(format: string): LineFormatter {
  const list = parts(format);
  return (info, now) => {
    let line = "";
    for (const part of list) {
      if (typeof part === "string") line += part;
      else {
        const value = part(info, now);
        line += value === null ? "-" : typeof value === "number" ? value : escapeText(value);
      }
    }
    return line;
  };
}

/** A field that is one operator keeps its type; others are text. */
export function compileJson(fields: Readonly<Record<string, string>>): LineFormatter {
  const list = Object.entries(fields).map(([key, format]) => {
    const compiled = parts(format);
    const only = compiled.length === 1 && typeof compiled[0] !== "string" ? compiled[0] : null;
    const line = compileFormat(format);
    return { key: JSON.stringify(key), value: only ?? ((info: StreamInfo, now: number) => line(info, now)) };
  });
  return (info, now) => {
    let line = "";
    for (const { key, value } of list)
      line += `${line === "" ? "" : ","}${key}:${JSON.stringify(value(info, now))}`;
    return `{${line}}`;
  };
}
