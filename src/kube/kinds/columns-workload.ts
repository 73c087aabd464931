/** What `kubectl get` shows of workloads. */
import { type ColumnDefinition, column, list, pairs } from "./columns.ts";
import type { KubeObject } from "./types.ts";

type Obj = Readonly<Record<string, unknown>>;
export const at = (value: unknown, path: string): unknown =>
  path.split(".").reduce<unknown>((v, key) => (v as Obj | null | undefined)?.[key], value);
export const num = (value: unknown): number => (typeof value === "number" ? value : 0);
export const text = (path: string, none?: string) => (o: KubeObject) =>
  (at(o, path) as string | undefined) ?? none;
const integer = { type: "integer" } as const;
export const wide = { wide: true } as const;

/** `matchLabels` and expressions in the words of a label selector. */
export function selectorText(selector: unknown, none = "<none>"): string {
  const s = (selector ?? {}) as {
    matchLabels?: Readonly<Record<string, string>>;
    matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[];
  };
  const words = Object.entries(s.matchLabels ?? {}).map(([k, v]) => `${k}=${v}`);
  for (const e of s.matchExpressions ?? []) {
    const values = `(${[...(e.values ?? [])].sort().join(",")})`;
    if (e.operator === "Exists") words.push(e.key);
    else if (e.operator === "DoesNotExist") words.push(`!${e.key}`);
    else words.push(`${e.key} ${e.operator === "In" ? "in" : "notin"} ${values}`);
  }
  return words.length > 0 ? words.join(",") : none;
}

interface Container {
  readonly name: string;
  readonly image?: string;
}
const containersAt = (path: string): readonly ColumnDefinition[] => {
  const of = (o: KubeObject) => (at(o, path) ?? []) as readonly Container[];
  return [
    column(
      "Containers",
      "Names of the containers.",
      (o) =>
        of(o)
          .map((c) => c.name)
          .join(","),
      wide,
    ),
    column(
      "Images",
      "Images of the containers.",
      (o) =>
        of(o)
          .map((c) => c.image ?? "")
          .join(","),
      wide,
    ),
  ];
};
const templated = containersAt("spec.template.spec.containers");
const selector = column(
  "Selector",
  "Which pods belong to it.",
  (o) => selectorText(at(o, "spec.selector")),
  wide,
);
const numberAt = (name: string, path: string, description: string): ColumnDefinition =>
  column(name, description, (o) => num(at(o, path)), integer);
const ready = (total: string) =>
  column("Ready", "Ready of wanted.", (o) => `${num(at(o, "status.readyReplicas"))}/${num(at(o, total))}`);

interface ContainerStatus {
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly state?: {
    readonly waiting?: { readonly reason?: string };
    readonly terminated?: { readonly reason?: string; readonly signal?: number; readonly exitCode?: number };
  };
}
const statuses = (o: KubeObject, field = "containerStatuses") =>
  (at(o, `status.${field}`) ?? []) as readonly ContainerStatus[];

function podStatus(o: KubeObject): string {
  let reason = (at(o, "status.reason") ?? at(o, "status.phase") ?? "Unknown") as string;
  for (const [i, s] of statuses(o, "initContainerStatuses").entries()) {
    const done = s.state?.terminated;
    if (done?.exitCode === 0) continue;
    const why = done
      ? done.reason || `ExitCode:${done.exitCode}`
      : s.state?.waiting?.reason && s.state.waiting.reason !== "PodInitializing"
        ? s.state.waiting.reason
        : undefined;
    const total = ((at(o, "spec.initContainers") ?? []) as unknown[]).length;
    reason = why ? `Init:${why}` : `Init:${i}/${total}`;
    return o.metadata.deletionTimestamp ? "Terminating" : reason;
  }
  for (const s of [...statuses(o)].reverse()) {
    if (s.state?.waiting?.reason) reason = s.state.waiting.reason;
    else if (s.state?.terminated) {
      const { reason: why, signal, exitCode } = s.state.terminated;
      reason = why || (signal ? `Signal:${signal}` : `ExitCode:${exitCode}`);
    }
  }
  return o.metadata.deletionTimestamp ? "Terminating" : reason;
}

const pod: readonly ColumnDefinition[] = [
  column("Ready", "Ready containers of all.", (o) => {
    const total = ((at(o, "spec.containers") ?? []) as unknown[]).length;
    return `${statuses(o).filter((s) => s.ready).length}/${total}`;
  }),
  column("Status", "Phase, or why it is not running.", podStatus),
  column("Restarts", "Restarts of its containers.", (o) =>
    String(statuses(o).reduce((sum, s) => sum + num(s.restartCount), 0)),
  ),
  column("IP", "Address of the pod.", text("status.podIP", "<none>"), wide),
  column("Node", "Where it runs.", text("spec.nodeName", "<none>"), wide),
  column("Nominated Node", "Where it will run.", text("status.nominatedNodeName", "<none>"), wide),
  column(
    "Readiness Gates",
    "Conditions beside its containers.",
    (o) => {
      const gates = (at(o, "spec.readinessGates") ?? []) as readonly { conditionType: string }[];
      const conditions = (at(o, "status.conditions") ?? []) as readonly { type: string; status: string }[];
      const met = gates.filter((g) =>
        conditions.some((c) => c.type === g.conditionType && c.status === "True"),
      );
      return gates.length === 0 ? "<none>" : `${met.length}/${gates.length}`;
    },
    wide,
  ),
];

function jobStatus(o: KubeObject): string {
  const conditions = (at(o, "status.conditions") ?? []) as readonly { type: string; status: string }[];
  const is = (type: string): boolean => conditions.some((c) => c.type === type && c.status === "True");
  if (is("Complete")) return "Complete";
  if (is("Failed")) return "Failed";
  if (o.metadata.deletionTimestamp) return "Terminating";
  if (is("Suspended")) return "Suspended";
  return is("FailureTarget") ? "FailureTarget" : is("SuccessCriteriaMet") ? "SuccessCriteriaMet" : "Running";
}

function duration(o: KubeObject): string {
  const start = Date.parse((at(o, "status.startTime") as string | undefined) ?? "");
  const end = Date.parse((at(o, "status.completionTime") as string | undefined) ?? "");
  return Number.isNaN(start) || Number.isNaN(end) ? "" : `${Math.round((end - start) / 1000)}s`;
}

const replicated: readonly ColumnDefinition[] = [
  numberAt("Desired", "spec.replicas", "Pods wanted."),
  numberAt("Current", "status.replicas", "Pods that are."),
  numberAt("Ready", "status.readyReplicas", "Pods that are ready."),
];

export const workloadColumns: Readonly<Record<string, readonly ColumnDefinition[]>> = {
  Pod: pod,
  PodTemplate: [
    ...containersAt("template.spec.containers").map(({ wide: _, ...c }) => c),
    column("Pod Labels", "Labels of the pods.", (o) =>
      pairs(at(o, "template.metadata.labels") as Record<string, string> | undefined),
    ),
  ],
  ReplicationController: [
    ...replicated,
    ...templated,
    column("Selector", "Which pods belong to it.", (o) => pairs(at(o, "spec.selector") as never), wide),
  ],
  ReplicaSet: [...replicated, ...templated, selector],
  Deployment: [
    ready("spec.replicas"),
    numberAt("Up-to-date", "status.updatedReplicas", "Pods of the newest template."),
    numberAt("Available", "status.availableReplicas", "Pods that are available."),
    ...templated,
    selector,
  ],
  StatefulSet: [ready("spec.replicas"), ...templated],
  DaemonSet: [
    numberAt("Desired", "status.desiredNumberScheduled", "Nodes that should run it."),
    numberAt("Current", "status.currentNumberScheduled", "Nodes that have it."),
    numberAt("Ready", "status.numberReady", "Nodes where it is ready."),
    numberAt("Up-to-date", "status.updatedNumberScheduled", "Nodes with the newest template."),
    numberAt("Available", "status.numberAvailable", "Nodes where it is available."),
    column("Node Selector", "Which nodes run it.", (o) =>
      pairs(at(o, "spec.template.spec.nodeSelector") as never),
    ),
    ...templated,
    selector,
  ],
  Job: [
    column("Status", "How far it is.", jobStatus),
    column("Completions", "Successes of those wanted.", (o) => {
      const wanted = at(o, "spec.completions");
      const done = num(at(o, "status.succeeded"));
      if (typeof wanted === "number") return `${done}/${wanted}`;
      const parallel = num(at(o, "spec.parallelism"));
      return parallel > 1 ? `${done}/1 of ${parallel}` : `${done}/1`;
    }),
    column("Duration", "How long it took.", duration),
    ...templated,
    selector,
  ],
  CronJob: [
    column("Schedule", "When it runs.", text("spec.schedule")),
    column("Timezone", "Where the schedule's time is.", text("spec.timeZone", "<none>")),
    column("Suspend", "Whether it waits.", (o) => (at(o, "spec.suspend") === true ? "True" : "False")),
    column("Active", "Jobs that run.", (o) => ((at(o, "status.active") ?? []) as unknown[]).length, integer),
    column(
      "Last Schedule",
      "When it ran last.",
      (o) => at(o, "status.lastScheduleTime") as string | undefined,
      {
        type: "date",
        none: "<none>",
      },
    ),
    ...containersAt("spec.jobTemplate.spec.template.spec.containers"),
    column(
      "Selector",
      "Which pods belong to it.",
      (o) => selectorText(at(o, "spec.jobTemplate.spec.selector")),
      wide,
    ),
  ],
  ControllerRevision: [
    column("Controller", "Whose revision it is.", (o) => {
      const owner = o.metadata.ownerReferences?.find((r) => r.controller);
      if (!owner) return "<none>";
      const group = owner.apiVersion.includes("/") ? `.${owner.apiVersion.split("/")[0]}` : "";
      return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
    }),
    column("Revision", "Its number.", (o) => num(o["revision"]), integer),
  ],
  HorizontalPodAutoscaler: [
    column(
      "Reference",
      "What it scales.",
      (o) => `${at(o, "spec.scaleTargetRef.kind")}/${at(o, "spec.scaleTargetRef.name")}`,
    ),
    column("Targets", "Metrics and what they should be.", hpaTargets),
    column("MinPods", "Least replicas.", (o) => String(at(o, "spec.minReplicas") ?? "<unset>")),
    column("MaxPods", "Most replicas.", (o) => num(at(o, "spec.maxReplicas")), integer),
    column("Replicas", "Replicas now.", (o) => num(at(o, "status.currentReplicas")), integer),
  ],
  PodDisruptionBudget: [
    column("Min Available", "Pods that must stay.", (o) => String(at(o, "spec.minAvailable") ?? "N/A")),
    column("Max Unavailable", "Pods that may go.", (o) => String(at(o, "spec.maxUnavailable") ?? "N/A")),
    column(
      "Allowed Disruptions",
      "Pods that may go now.",
      (o) => num(at(o, "status.disruptionsAllowed")),
      integer,
    ),
  ],
};

function hpaTargets(o: KubeObject): string {
  const v1 = at(o, "spec.targetCPUUtilizationPercentage");
  const metrics = (at(o, "spec.metrics") ?? []) as readonly {
    type: string;
    resource?: { name: string; target: { averageUtilization?: number; averageValue?: string } };
  }[];
  if (v1 !== undefined) return `cpu: <unknown>/${v1}%`;
  const shown = metrics.slice(0, 2).map((m) => {
    const { name, target } = m.resource ?? { name: m.type.toLowerCase(), target: {} };
    const goal =
      target.averageUtilization !== undefined ? `${target.averageUtilization}%` : target.averageValue;
    return `${name}: <unknown>/${goal ?? "<auto>"}`;
  });
  return list(shown).replaceAll(",", ", ") + (metrics.length > 2 ? ` + ${metrics.length - 2} more...` : "");
}
