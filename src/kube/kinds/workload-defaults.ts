/** What Kubernetes fills in for the kinds that are stored only, so that clients read back what they expect. */
import type { KubeObject } from "./types.ts";

export type Obj = Record<string, unknown>;
const obj = (value: unknown): Obj => (value ?? {}) as Obj;
const items = (value: unknown): Obj[] => (Array.isArray(value) ? (value as Obj[]) : []);

const volumeModes = ["secret", "configMap", "downwardAPI", "projected"];

/** Each field is set where it is missing; the order of fields does not matter. */
const fill = (value: unknown, defaults: Obj): Obj => {
  const out = { ...obj(value) };
  for (const [key, d] of Object.entries(defaults))
    if (out[key] === undefined || out[key] === null) out[key] = d;
  return out;
};

const probe = (value: unknown): Obj =>
  fill(handler(value), { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
function handler(value: unknown): Obj {
  const out = { ...obj(value) };
  if (out["httpGet"]) out["httpGet"] = fill(out["httpGet"], { path: "/", scheme: "HTTP" });
  return out;
}

function container(value: Obj): Obj {
  const image = String(value["image"] ?? "");
  const name = image.slice(image.lastIndexOf("/") + 1);
  const latest = !image.includes("@") && (!name.includes(":") || name.endsWith(":latest"));
  const out = fill(value, {
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    imagePullPolicy: latest ? "Always" : "IfNotPresent",
    resources: {},
  });
  if (out["ports"]) out["ports"] = items(out["ports"]).map((p) => fill(p, { protocol: "TCP" }));
  for (const name of ["livenessProbe", "readinessProbe", "startupProbe"])
    if (out[name]) out[name] = probe(out[name]);
  if (out["env"]) {
    out["env"] = items(out["env"]).map((e) => {
      const from = obj(e["valueFrom"]);
      return from["fieldRef"]
        ? { ...e, valueFrom: { ...from, fieldRef: fill(from["fieldRef"], { apiVersion: "v1" }) } }
        : e;
    });
  }
  return out;
}

function volume(value: Obj): Obj {
  const out = { ...value };
  for (const name of volumeModes) if (out[name]) out[name] = fill(out[name], { defaultMode: 420 });
  if (out["hostPath"]) out["hostPath"] = fill(out["hostPath"], { type: "" });
  if (Object.keys(out).length === 1) out["emptyDir"] = {};
  return out;
}

export function podSpec(value: unknown): Obj {
  const out = fill(value, {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    securityContext: {},
    schedulerName: "default-scheduler",
  });
  for (const name of ["containers", "initContainers"])
    if (out[name]) out[name] = items(out[name]).map(container);
  if (out["volumes"]) out["volumes"] = items(out["volumes"]).map(volume);
  const account = out["serviceAccountName"] ?? out["serviceAccount"];
  if (account !== undefined) Object.assign(out, { serviceAccountName: account, serviceAccount: account });
  return out;
}

const template = (value: unknown): Obj => ({ ...obj(value), spec: podSpec(obj(value)["spec"]) });

const spec = (o: KubeObject, make: (spec: Obj) => Obj, status?: Obj): KubeObject => ({
  ...o,
  spec: make(obj(o.spec)),
  ...(status && { status: o.status ?? status }),
});

const withTemplate =
  (defaults: Obj) =>
  (s: Obj): Obj => ({
    ...fill(s, defaults),
    template: template(s["template"]),
  });

const rolling = (value: unknown, defaults: Obj): Obj => {
  const out = fill(value, { type: "RollingUpdate" });
  if (out["type"] === "RollingUpdate") out["rollingUpdate"] = fill(out["rollingUpdate"], defaults);
  return out;
};

const job = (s: Obj): Obj => {
  const both = s["completions"] === undefined && s["parallelism"] === undefined;
  return withTemplate({
    ...(both && { completions: 1 }),
    parallelism: 1,
    backoffLimit: 6,
    completionMode: "NonIndexed",
    suspend: false,
    podReplacementPolicy: s["podFailurePolicy"] ? "Failed" : "TerminatingOrFailed",
  })(s);
};

const claimTemplate = (value: Obj): Obj => ({
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  ...value,
  spec: fill(value["spec"], { volumeMode: "Filesystem" }),
  status: value["status"] ?? { phase: "Pending" },
});

function subject(s: Obj): Obj {
  const account = s["kind"] === "ServiceAccount";
  return account ? s : fill(s, { apiGroup: "rbac.authorization.k8s.io" });
}
const binding = (o: KubeObject): KubeObject => ({
  ...o,
  roleRef: fill(o["roleRef"], { apiGroup: "rbac.authorization.k8s.io" }),
  ...(o["subjects"] ? { subjects: items(o["subjects"]).map(subject) } : {}),
});

function networkPolicy(s: Obj): Obj {
  const rules = (name: string) =>
    s[name]
      ? {
          [name]: items(s[name]).map((r) =>
            r["ports"] ? { ...r, ports: items(r["ports"]).map((p) => fill(p, { protocol: "TCP" })) } : r,
          ),
        }
      : {};
  return {
    ...fill(s, { podSelector: {}, policyTypes: s["egress"] ? ["Ingress", "Egress"] : ["Ingress"] }),
    ...rules("ingress"),
    ...rules("egress"),
  };
}

const hpa = (o: KubeObject): KubeObject =>
  spec(
    o,
    (s) =>
      o.apiVersion === "autoscaling/v1"
        ? fill(s, { minReplicas: 1 })
        : fill(s, {
            minReplicas: 1,
            metrics: [
              {
                type: "Resource",
                resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } },
              },
            ],
          }),
    o.apiVersion === "autoscaling/v1"
      ? { currentReplicas: 0, desiredReplicas: 0 }
      : { desiredReplicas: 0, currentMetrics: null },
  );

/** Kind to its defaults. */
export const workloadDefaults: Readonly<Record<string, (object: KubeObject) => KubeObject>> = {
  Pod: (o) =>
    spec(
      o,
      (s) =>
        fill(podSpec(fill(s, { serviceAccountName: "default" })), {
          enableServiceLinks: true,
          preemptionPolicy: "PreemptLowerPriority",
          priority: 0,
        }),
      { phase: "Pending", qosClass: "BestEffort" },
    ),
  PodTemplate: (o) => ({ ...o, template: template(o["template"]) }),
  ReplicationController: (o) =>
    spec(
      o,
      (s) => {
        const out = withTemplate({ replicas: 1 })(s);
        const labels = obj(obj(s["template"])["metadata"])["labels"];
        return fill(out, labels ? { selector: labels } : {});
      },
      { replicas: 0 },
    ),
  ReplicaSet: (o) => spec(o, withTemplate({ replicas: 1 }), { replicas: 0 }),
  Deployment: (o) =>
    spec(
      o,
      (s) =>
        withTemplate({ replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 })({
          ...s,
          strategy: rolling(s["strategy"], { maxUnavailable: "25%", maxSurge: "25%" }),
        }),
      {},
    ),
  StatefulSet: (o) =>
    spec(
      o,
      (s) => ({
        ...withTemplate({
          replicas: 1,
          podManagementPolicy: "OrderedReady",
          revisionHistoryLimit: 10,
          serviceName: "",
          persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
        })({ ...s, updateStrategy: rolling(s["updateStrategy"], { partition: 0 }) }),
        ...(s["volumeClaimTemplates"]
          ? { volumeClaimTemplates: items(s["volumeClaimTemplates"]).map(claimTemplate) }
          : {}),
      }),
      { replicas: 0, availableReplicas: 0 },
    ),
  DaemonSet: (o) =>
    spec(
      o,
      (s) =>
        withTemplate({ revisionHistoryLimit: 10 })({
          ...s,
          updateStrategy: rolling(s["updateStrategy"], { maxUnavailable: 1, maxSurge: 0 }),
        }),
      { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 },
    ),
  Job: (o) => spec(o, job, {}),
  CronJob: (o) =>
    spec(
      o,
      (s) => ({
        ...fill(s, {
          concurrencyPolicy: "Allow",
          suspend: false,
          successfulJobsHistoryLimit: 3,
          failedJobsHistoryLimit: 1,
        }),
        jobTemplate: { ...obj(s["jobTemplate"]), spec: cronJobSpec(obj(s["jobTemplate"])["spec"]) },
      }),
      {},
    ),
  HorizontalPodAutoscaler: hpa,
  PodDisruptionBudget: (o) =>
    spec(o, (s) => s, { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }),
  Node: (o) => ({ ...o, spec: o.spec ?? {}, status: o.status ?? {} }),
  ResourceQuota: (o) => spec(o, (s) => s, {}),
  PersistentVolume: (o) =>
    spec(o, (s) => fill(s, { persistentVolumeReclaimPolicy: "Retain", volumeMode: "Filesystem" }), {
      phase: "Pending",
    }),
  PersistentVolumeClaim: (o) => spec(o, (s) => fill(s, { volumeMode: "Filesystem" }), { phase: "Pending" }),
  Ingress: (o) => spec(o, (s) => s, { loadBalancer: {} }),
  IngressClass: (o) =>
    spec(o, (s) => (s["parameters"] ? { ...s, parameters: fill(s["parameters"], { scope: "Cluster" }) } : s)),
  NetworkPolicy: (o) => spec(o, networkPolicy),
  RoleBinding: binding,
  ClusterRoleBinding: binding,
  Role: (o) => ({ ...o, rules: o["rules"] ?? null }),
  ClusterRole: (o) => ({ ...o, rules: o["rules"] ?? null }),
  StorageClass: (o) =>
    fill(o, { reclaimPolicy: "Delete", volumeBindingMode: "Immediate" }) as unknown as KubeObject,
  PriorityClass: (o) =>
    fill(o, { value: 0, preemptionPolicy: "PreemptLowerPriority" }) as unknown as KubeObject,
};

/** The template of a CronJob is defaulted in its pods only, as Kubernetes does. */
const cronJobSpec = (value: unknown): Obj => ({ ...obj(value), template: template(obj(value)["template"]) });
