/** Small messages to plain values: durations, addresses, metadata, data sources. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { Address, SocketAddress } from "../../proto/gen/envoy/config/core/v3/address_pb.js";
import type { DataSource, Metadata } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import type { Owner } from "../config/index.ts";
import type { Findings, Path } from "./path.ts";

/** Milliseconds; a positive duration under one is one, so that it never turns into "no limit". */
export function durationMs(duration: Duration | undefined, silent: number): number {
  if (!duration) return silent;
  const ms = Number(duration.seconds) * 1000 + duration.nanos / 1e6;
  return ms > 0 ? Math.max(1, Math.round(ms)) : 0;
}

/** A duration that Envoy requires to be above zero. */
export function positiveMs(
  duration: Duration | undefined,
  silent: number,
  path: Path,
  findings: Findings,
): number {
  const ms = durationMs(duration, silent);
  if (ms <= 0) findings.error(path, "must be above 0s");
  return ms;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** filter_metadata[name]; empty where there is none. */
export function metadataOf(metadata: Metadata | undefined, name: string): JsonObject {
  return (metadata?.filterMetadata[name] as JsonObject | undefined) ?? {};
}

/** Metadata `weft`: the object whose rule this is. */
export function ownerOf(metadata: Metadata | undefined): Owner | undefined {
  const weft = metadataOf(metadata, "weft");
  const { owner, field, source } = weft;
  if (typeof owner !== "string" || owner === "") return undefined;
  return {
    object: owner,
    ...(typeof field === "string" && field !== "" ? { field } : {}),
    ...(typeof source === "string" && source !== "" ? { source } : {}),
  };
}

/** Spread into a type whose `owner` is optional. */
export function withOwner(metadata: Metadata | undefined): { owner?: Owner } {
  const owner = ownerOf(metadata);
  return owner ? { owner } : {};
}

/** A string member of a JSON object; empty where it is absent or something else. */
export function stringAt(object: JsonObject, key: string): string {
  const value = object[key];
  return typeof value === "string" ? value : "";
}

/** An object member; undefined where it is absent or something else. */
export function objectAt(object: JsonObject, key: string): JsonObject | undefined {
  const value = object[key];
  return isObject(value) ? value : undefined;
}

/** The services of a cluster for metrics: Weft's metadata, else the first of Istio's. */
export function serviceOf(
  metadata: Metadata | undefined,
): { host: string; name: string; namespace: string } | undefined {
  const own = objectAt(metadataOf(metadata, "weft"), "service");
  const list = metadataOf(metadata, "istio")["services"];
  const first = Array.isArray(list) ? list[0] : undefined;
  const service = own ?? (isObject(first) ? first : undefined);
  if (!service) return undefined;
  return {
    host: stringAt(service, "host"),
    name: stringAt(service, "name"),
    namespace: stringAt(service, "namespace"),
  };
}

const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)$/;
const ipv6 = /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/;

export function isIpAddress(host: string): boolean {
  if (ipv4.test(host)) return true;
  return ipv6.test(host) && URL.canParse(`http://[${host}]/`);
}

/** IP address and port; reports what is not. Port 0 only where `anyPort`. */
export function socketAddress(
  address: Address | undefined,
  path: Path,
  findings: Findings,
  anyPort = false,
): { host: string; port: number } {
  if (address?.address.case !== "socketAddress") {
    findings.error(path, "a socket_address is required");
    return { host: "", port: 0 };
  }
  const socket: SocketAddress = address.address.value;
  const at = path.at("socket_address");
  const host = socket.address;
  if (!isIpAddress(host))
    findings.error(
      at.at("address"),
      `${JSON.stringify(host)} is not an IP address; names are not resolved here`,
    );
  const port = socket.portSpecifier.case === "portValue" ? socket.portSpecifier.value : 0;
  if (port > 65_535 || (port === 0 && !anyPort))
    findings.error(at.at("port_value"), `${port} is not a port: 1 to 65535`);
  return { host, port };
}

/** `1.2.3.4:80`, `[::1]:80`. */
export function hostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Where a PEM text comes from; the agent reads files. */
export type TextSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "inline"; readonly text: string };

/** Undefined where it is absent. */
export function textSource(source: DataSource | undefined): TextSource | undefined {
  switch (source?.specifier.case) {
    case "filename":
      return { kind: "file", path: source.specifier.value };
    case "inlineString":
      return { kind: "inline", text: source.specifier.value };
    case "inlineBytes":
      return { kind: "inline", text: new TextDecoder().decode(source.specifier.value) };
    default:
      return undefined;
  }
}
