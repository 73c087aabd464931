/** access_log of a listener's filters: where the lines go and how they look. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { AccessLog } from "../../proto/gen/envoy/config/accesslog/v3/accesslog_pb.js";
import type { SubstitutionFormatString } from "../../proto/gen/envoy/config/core/v3/substitution_format_string_pb.js";
import type { FileAccessLog } from "../../proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js";
import type { StdoutAccessLog } from "../../proto/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js";
import type { AccessLogConfig } from "../config/index.ts";
import { unknownOperators } from "../data/format/index.ts";
import { unpackAny } from "./any.ts";
import type { Findings, Path } from "./path.ts";
import { textSource } from "./values.ts";

type Format = AccessLogConfig["format"];

/** Envoy's default format string. */
export const defaultAccessLogFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

const operator = /%%|%[A-Z_0-9]+(?:\([^)]*\))?(?::\d+)?%/g;

/** Reports what is no operator of the formatter. */
function checkFormat(text: string, path: Path, findings: Findings): void {
  for (const name of unknownOperators(text)) findings.error(path, `%${name}% is not supported`);
  if (text.replaceAll(operator, "").includes("%"))
    findings.error(path, "has a % that begins no operator; write %% for a %");
}

function text(value: string, path: Path, findings: Findings): Format {
  checkFormat(value, path, findings);
  return { kind: "text", text: value };
}

function json(value: JsonObject, path: Path, findings: Findings): Format {
  const fields: Record<string, string> = {};
  for (const [key, format] of Object.entries(value)) {
    const at = path.at(key);
    if (typeof format !== "string") findings.error(at, "only format strings are supported");
    else {
      checkFormat(format, at, findings);
      fields[key] = format;
    }
  }
  return { kind: "json", fields };
}

function substitution(format: SubstitutionFormatString, path: Path, findings: Findings): Format {
  const how = format.format;
  if (how.case === "jsonFormat") return json(how.value, path.at("json_format"), findings);
  if (how.case === "textFormat") return text(how.value, path.at("text_format"), findings);
  const source = how.case === "textFormatSource" ? textSource(how.value) : undefined;
  if (source?.kind === "inline") return text(source.text, path.at("text_format_source"), findings);
  findings.error(path, "text_format, text_format_source.inline_string or json_format is required");
  return { kind: "text", text: defaultAccessLogFormat };
}

function fileLog(log: FileAccessLog, path: Path, findings: Findings): AccessLogConfig {
  if (log.path === "") findings.error(path.at("path"), "is required");
  const streams: Readonly<Record<string, string>> = { "/dev/stdout": "stdout", "/dev/stderr": "stderr" };
  const how = log.accessLogFormat;
  let format: Format = { kind: "text", text: defaultAccessLogFormat };
  if (how.case === "format") format = text(how.value, path.at("format"), findings);
  else if (how.case === "jsonFormat") format = json(how.value, path.at("json_format"), findings);
  else if (how.case === "typedJsonFormat") format = json(how.value, path.at("typed_json_format"), findings);
  else if (how.case === "logFormat") format = substitution(how.value, path.at("log_format"), findings);
  return { path: streams[log.path] ?? log.path, format };
}

function streamLog(log: StdoutAccessLog, to: string, path: Path, findings: Findings): AccessLogConfig {
  const how = log.accessLogFormat;
  return {
    path: to,
    format:
      how.case === "logFormat"
        ? substitution(how.value, path.at("log_format"), findings)
        : { kind: "text", text: defaultAccessLogFormat },
  };
}

export function accessLogs(logs: readonly AccessLog[], path: Path, findings: Findings): AccessLogConfig[] {
  return logs.flatMap((log, i) => {
    const inner = log.configType.case === "typedConfig" ? unpackAny(log.configType.value) : undefined;
    if (inner === undefined) findings.error(path.at(i), "typed_config is required");
    if (typeof inner !== "object") return [];
    const at = path.at(i).at("typed_config").retype(inner.$typeName);
    switch (inner.$typeName) {
      case "envoy.extensions.access_loggers.file.v3.FileAccessLog":
        return [fileLog(inner as FileAccessLog, at, findings)];
      case "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog":
        return [streamLog(inner as StdoutAccessLog, "stdout", at, findings)];
      case "envoy.extensions.access_loggers.stream.v3.StderrAccessLog":
        return [streamLog(inner as StdoutAccessLog, "stderr", at, findings)];
      default:
        findings.error(at, "is not an access log");
        return [];
    }
  });
}
