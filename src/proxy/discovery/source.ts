/** envoy.config.core.v3.ConfigSource -> where to ask. Mistakes go to `findings`. */
import type { HeaderValue } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import {
  type ApiConfigSource,
  ApiConfigSource_ApiType as ApiType,
  type ConfigSource,
} from "../../proto/gen/envoy/config/core/v3/config_source_pb.js";
import type {
  GrpcService_GoogleGrpc as GoogleGrpc,
  GrpcService,
} from "../../proto/gen/envoy/config/core/v3/grpc_service_pb.js";
import { durationMs, type Findings, type Path, textSource } from "../compile/index.ts";
import { fetchMs } from "./limits.ts";
import type { GrpcSource, Source, Target, TimedSource } from "./types.ts";

export type Targets = Readonly<Record<string, Target>>;

/** Undefined: by name alone, or with `findings` saying what is wrong. */
export function sourceOf(
  config: ConfigSource | undefined,
  targets: Targets,
  path: Path,
  findings: Findings,
): Source | undefined {
  const how = config?.configSourceSpecifier;
  switch (how?.case) {
    case "ads":
    case "self":
      // `self` is the server that the resource came from; here that is the aggregated stream.
      return { kind: "ads" };
    case "apiConfigSource":
      return grpcSource(how.value, targets, path.at("api_config_source"), findings);
    case "pathConfigSource": {
      const { path: file, watchedDirectory } = how.value;
      if (file === "") findings.error(path.at("path_config_source").at("path"), "is required");
      return { kind: "file", path: file, ...(watchedDirectory ? { watch: watchedDirectory.path } : {}) };
    }
    case "path":
      return { kind: "file", path: how.value };
    default:
      return undefined;
  }
}

export function timedSource(
  config: ConfigSource | undefined,
  targets: Targets,
  path: Path,
  findings: Findings,
): TimedSource | undefined {
  if (config === undefined) return undefined;
  const source = sourceOf(config, targets, path, findings);
  if (source === undefined && findings.errors.length === 0)
    findings.error(path, "ads, api_config_source or path_config_source is required");
  return source && { source, fetchMs: durationMs(config.initialFetchTimeout, fetchMs) };
}

/** One gRPC service, as Envoy has it for xDS. */
export function grpcSource(
  api: ApiConfigSource,
  targets: Targets,
  path: Path,
  findings: Findings,
): GrpcSource | undefined {
  const [service, second] = api.grpcServices;
  const at = path.at("grpc_services");
  if (second) findings.error(at.at(1), "one service is supported");
  if (!service) {
    findings.error(at, "is required");
    return undefined;
  }
  const target = targetOf(service, targets, at.at(0), findings);
  return (
    target && {
      kind: "grpc",
      delta: api.apiType === ApiType.DELTA_GRPC,
      nodeOnce: api.setNodeOnFirstMessageOnly,
      target,
      metadata: metadataOf(service, at.at(0), findings),
    }
  );
}

function targetOf(
  service: GrpcService,
  targets: Targets,
  path: Path,
  findings: Findings,
): Target | undefined {
  const how = service.targetSpecifier;
  if (how.case === "googleGrpc") return googleTarget(how.value, path.at("google_grpc"), findings);
  if (how.case !== "envoyGrpc") {
    findings.error(path, "envoy_grpc or google_grpc is required");
    return undefined;
  }
  const at = path.at("envoy_grpc");
  const { clusterName, authority } = how.value;
  const target = targets[clusterName];
  if (target === undefined)
    findings.error(at.at("cluster_name"), `${JSON.stringify(clusterName)} is not a static cluster`);
  return target && { ...target, ...(authority === "" ? {} : { authority }) };
}

function googleTarget(google: GoogleGrpc, path: Path, findings: Findings): Target | undefined {
  const { targetUri: name, channelCredentials } = google;
  if (name === "") findings.error(path.at("target_uri"), "is required");
  const how = channelCredentials?.credentialSpecifier;
  if (how?.case !== "sslCredentials") return { name, addresses: [name] };
  const ca = textSource(how.value.rootCerts);
  const cert = textSource(how.value.certChain);
  const key = textSource(how.value.privateKey);
  if ((cert === undefined) !== (key === undefined))
    findings.error(
      path.at("channel_credentials").at("ssl_credentials"),
      "private_key and cert_chain go together",
    );
  const pair = cert && key ? { cert, key } : {};
  return { name, addresses: [name], tls: { ...(ca ? { ca } : {}), ...pair, sni: "", identity: "host" } };
}

function metadataOf(service: GrpcService, path: Path, findings: Findings): [string, string][] {
  const list = service.initialMetadata.map((h: HeaderValue): [string, string] => [
    h.key.toLowerCase(),
    h.value,
  ]);
  const how = service.targetSpecifier;
  if (how.case !== "googleGrpc") return list;
  const at = path.at("google_grpc");
  for (const [i, call] of how.value.callCredentials.entries())
    if (call.credentialSpecifier.case === "accessToken")
      list.push(["authorization", `Bearer ${call.credentialSpecifier.value}`]);
    else findings.error(at.at("call_credentials").at(i), "access_token is the only kind supported");
  const secure = how.value.channelCredentials?.credentialSpecifier.case === "sslCredentials";
  if (how.value.callCredentials.length > 0 && !secure)
    findings.error(at.at("call_credentials"), "are sent over TLS only: give ssl_credentials");
  return list;
}
