/** Istio's HTTPFaultInjection, and percentages as it writes them. */
import type { Fault, Share } from "../model/index.ts";
import { wholeShare } from "../model/index.ts";
import type { Field } from "./field.ts";

/** `{value: 12.5}` in percent; undefined where it is not given. */
export function parsePercent(field: Field): Share | undefined {
  field.object().rest(["value"]);
  if (!field.present) return undefined;
  // Protobuf leaves a zero out.
  return Math.round((field.at("value").number(0, 100) ?? 0) * (wholeShare / 100));
}

/** Statuses of gRPC by name, their number the place in the list (gRPC core, statuscodes). */
const grpcStatuses = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

/** Undefined where nothing of it acts. */
export function parseFault(field: Field): Fault | undefined {
  if (!field.object().present) return undefined;
  field.rest(["delay", "abort"]);
  const delay = parseDelay(field.at("delay"));
  const abort = parseAbort(field.at("abort"));
  if (!field.at("delay").present && !field.at("abort").present)
    field.error({ code: "required", message: "one of delay, abort is required" });
  if (delay === undefined && abort === undefined) return undefined;
  field.pending("fault");
  return { ...(delay && { delay }), ...(abort && { abort }), origin: field.report.origin(field.path) };
}

/** Istio's rule: a fault without a percentage concerns nobody. */
function shareOf(field: Field, share: Share | undefined): Share {
  if (share === undefined)
    field.warn({
      code: "percentage-missing",
      message: "has no percentage: it concerns no request",
      fix: "add percentage.value, 100 for every request",
    });
  return share ?? 0;
}

function parseDelay(field: Field): Fault["delay"] {
  if (!field.object().present) return undefined;
  field.rest(["fixedDelay", "percentage", "percent"], {
    exponentialDelay: "exponentialDelay is Istio's reserved word: use fixedDelay",
  });
  const ms = field.at("fixedDelay").durationMs();
  if (!field.at("fixedDelay").present)
    field.at("fixedDelay").error({ code: "required", message: "is required" });
  const old = field.at("percent").integer(0, 100);
  const share = shareOf(
    field,
    parsePercent(field.at("percentage")) ?? (old === undefined ? old : old * 10_000),
  );
  return ms === undefined || share === 0 ? undefined : { ms, share };
}

function parseAbort(field: Field): Fault["abort"] {
  if (!field.object().present) return undefined;
  field.rest(["httpStatus", "grpcStatus", "percentage"], {
    http2Error: "http2Error is Istio's reserved word: use httpStatus or grpcStatus",
  });
  const http = field.at("httpStatus").integer(200, 599);
  const word = field.at("grpcStatus");
  if (field.at("httpStatus").present === word.present)
    field.error({ code: "one-of", message: "exactly one of httpStatus, grpcStatus is required" });
  const share = shareOf(field, parsePercent(field.at("percentage")));
  const grpc = word.present ? grpcNumber(word) : undefined;
  const status = http ?? grpc;
  return status === undefined || share === 0 ? undefined : { status, grpc: grpc !== undefined, share };
}

function grpcNumber(field: Field): number | undefined {
  const text = field.text() ?? "";
  const number = /^\d{1,2}$/.test(text) ? Number(text) : grpcStatuses.indexOf(text);
  if (number >= 0 && number < grpcStatuses.length) return number;
  field.expected(`a status of gRPC such as UNAVAILABLE`);
  return undefined;
}
