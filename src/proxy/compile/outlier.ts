/** OutlierDetection with Envoy's defaults. */
import type { OutlierDetection } from "../../proto/gen/envoy/config/cluster/v3/outlier_detection_pb.js";
import type { OutlierConfig } from "../config/index.ts";
import type { Findings, Path } from "./path.ts";
import { durationMs, positiveMs } from "./values.ts";

/** Envoy's defaults. */
const intervalMs = 10_000;
const baseEjectionMs = 30_000;
const maxEjectionMs = 300_000;
const maxEjectionPercent = 10;
const consecutive = 5;

export function outlierConfig(message: OutlierDetection, path: Path, findings: Findings): OutlierConfig {
  const percent = (value: number | undefined, silent: number, field: string): number => {
    if (value !== undefined && value > 100) findings.error(path.at(field), `${value} is above 100 percent`);
    return value ?? silent;
  };
  if (message.enforcingSuccessRate === undefined)
    findings.warn(
      path.at("enforcing_success_rate"),
      "Envoy detects by success rate unless this is 0; Weft ejects by consecutive failures only",
    );
  const base = positiveMs(message.baseEjectionTime, baseEjectionMs, path.at("base_ejection_time"), findings);
  return {
    consecutive5xx: message.consecutive5xx ?? consecutive,
    consecutiveGatewayFailure: message.consecutiveGatewayFailure ?? consecutive,
    consecutiveLocalOriginFailure: message.consecutiveLocalOriginFailure ?? consecutive,
    splitExternalLocalOrigin: message.splitExternalLocalOriginErrors,
    intervalMs: positiveMs(message.interval, intervalMs, path.at("interval"), findings),
    baseEjectionMs: base,
    maxEjectionMs: Math.max(base, durationMs(message.maxEjectionTime, maxEjectionMs)),
    maxEjectionPercent: percent(message.maxEjectionPercent, maxEjectionPercent, "max_ejection_percent"),
    enforcing5xx: percent(message.enforcingConsecutive5xx, 100, "enforcing_consecutive_5xx"),
    enforcingGatewayFailure: percent(
      message.enforcingConsecutiveGatewayFailure,
      0,
      "enforcing_consecutive_gateway_failure",
    ),
    enforcingLocalOrigin: percent(
      message.enforcingConsecutiveLocalOriginFailure,
      100,
      "enforcing_consecutive_local_origin_failure",
    ),
  };
}
