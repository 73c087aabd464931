/** HorizontalPodAutoscaler in its two versions: v1 knows one metric, the use of CPUs. */
import type { Doc } from "./doc.ts";

type Json = Record<string, unknown>;
interface Metric {
  readonly type: string;
  readonly resource?: {
    readonly name: string;
    readonly target?: { readonly averageUtilization?: number };
    readonly current?: { readonly averageUtilization?: number };
  };
}
const isCpu = (m: Metric): boolean => m.type === "Resource" && m.resource?.name === "cpu";

/** Shows an autoscaler in another version. What v1 cannot say is kept from it. */
export function convertAutoscaler(doc: Doc, apiVersion: string): Doc {
  const spec = (doc["spec"] ?? {}) as Json;
  const status = (doc["status"] ?? {}) as Json;
  const [newSpec, newStatus] = apiVersion === "autoscaling/v1" ? older(spec, status) : newer(spec, status);
  return { ...doc, apiVersion, spec: newSpec, ...(doc["status"] !== undefined && { status: newStatus }) };
}

function older(spec: Json, status: Json): [Json, Json] {
  const { metrics, behavior: _b, ...rest } = spec;
  const goal = ((metrics ?? []) as readonly Metric[]).find(isCpu)?.resource?.target?.averageUtilization;
  const { currentMetrics, conditions: _c, ...seen } = status;
  const now = ((currentMetrics ?? []) as readonly Metric[]).find(isCpu)?.resource?.current
    ?.averageUtilization;
  return [
    { ...rest, ...(goal !== undefined && { targetCPUUtilizationPercentage: goal }) },
    { currentReplicas: 0, ...seen, ...(now !== undefined && { currentCPUUtilizationPercentage: now }) },
  ];
}

function newer(spec: Json, status: Json): [Json, Json] {
  const { targetCPUUtilizationPercentage: goal = 80, ...rest } = spec;
  const { currentCPUUtilizationPercentage: now, ...seen } = status;
  const metric = (kind: string, averageUtilization: unknown): Json => ({
    type: "Resource",
    resource: {
      name: "cpu",
      [kind]: { ...(kind === "target" && { type: "Utilization" }), averageUtilization },
    },
  });
  return [
    { ...rest, metrics: [metric("target", goal)] },
    { ...seen, currentMetrics: now === undefined ? null : [metric("current", now)] },
  ];
}
