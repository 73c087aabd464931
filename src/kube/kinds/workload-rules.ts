/** Rules of workloads that a schema cannot say: selectors and templates, containers, what may not change. */
import type { Kind } from "./kind.ts";
import { isDnsLabel } from "./names.ts";
import type { Cause } from "./schema.ts";
import type { KubeObject } from "./types.ts";

type Obj = Readonly<Record<string, unknown>>;
const obj = (value: unknown): Obj => (value ?? {}) as Obj;
const cause = (field: string, message: string, reason: string): Cause => ({ field, message, reason });
const required = (field: string): Cause => cause(field, "Required value", "FieldValueRequired");
const invalid = (field: string, value: unknown, why: string): Cause =>
  cause(field, `Invalid value: ${JSON.stringify(value)}: ${why}`, "FieldValueInvalid");
const unsupported = (field: string, value: unknown, of: readonly string[]): Cause =>
  cause(
    field,
    `Unsupported value: ${JSON.stringify(value)}: supported values: ${of.map((v) => `"${v}"`).join(", ")}`,
    "FieldValueNotSupported",
  );

const controllers: ReadonlySet<string> = new Set(["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"]);

/** Causes why a workload cannot be stored. */
export function checkWorkload(kind: Kind, object: KubeObject, old?: KubeObject): Cause[] {
  const spec = obj(object.spec);
  if (kind.group === "" && kind.kind === "Pod") return checkPod(spec, "spec");
  if (kind.group === "apps" && controllers.has(kind.kind)) return checkController(spec, old && obj(old.spec));
  if (kind.group === "batch" && kind.kind === "Job") return checkJob(spec, "spec");
  if (kind.group === "batch" && kind.kind === "CronJob") {
    const template = obj(obj(spec["jobTemplate"])["spec"]);
    const causes = checkJob(template, "spec.jobTemplate.spec");
    if (String(spec["schedule"] ?? "") === "") causes.push(required("spec.schedule"));
    return causes;
  }
  if (kind.group === "networking.k8s.io" && kind.kind === "Ingress") return checkIngress(spec);
  return [];
}

function checkController(spec: Obj, old: Obj | undefined): Cause[] {
  const selector = obj(spec["selector"]);
  const template = obj(spec["template"]);
  const labels = obj(obj(template["metadata"])["labels"]);
  const causes: Cause[] = [];
  const wanted = Object.entries(obj(selector["matchLabels"]));
  const empty = wanted.length === 0 && ((selector["matchExpressions"] ?? []) as unknown[]).length === 0;
  if (empty) causes.push(invalid("spec.selector", selector, "empty selector is invalid for deployment"));
  else if (wanted.some(([k, v]) => labels[k] !== v))
    causes.push(
      invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"),
    );
  if (old && !Bun.deepEquals(old["selector"], spec["selector"]))
    causes.push(invalid("spec.selector", selector, "field is immutable"));
  const pods = obj(template["spec"]);
  causes.push(...checkPod(pods, "spec.template.spec"));
  const policy = pods["restartPolicy"] ?? "Always";
  if (policy !== "Always") causes.push(unsupported("spec.template.spec.restartPolicy", policy, ["Always"]));
  return causes;
}

function checkJob(spec: Obj, at: string): Cause[] {
  const pods = obj(obj(spec["template"])["spec"]);
  const causes = checkPod(pods, `${at}.template.spec`);
  const policy = pods["restartPolicy"] ?? "Always";
  if (policy !== "OnFailure" && policy !== "Never")
    causes.push(
      cause(
        `${at}.template.spec.restartPolicy`,
        `Required value: valid values: "OnFailure", "Never"`,
        "FieldValueRequired",
      ),
    );
  return causes;
}

function checkPod(spec: Obj, at: string): Cause[] {
  const containers = (spec["containers"] ?? []) as readonly Obj[];
  if (containers.length === 0) return [required(`${at}.containers`)];
  const causes: Cause[] = [];
  const names = new Set<string>();
  for (const [i, container] of containers.entries()) {
    const here = `${at}.containers[${i}]`;
    const name = String(container["name"] ?? "");
    if (name === "") causes.push(required(`${here}.name`));
    else if (!isDnsLabel(name))
      causes.push(invalid(`${here}.name`, name, "must be a lowercase RFC 1123 label"));
    if (names.has(name))
      causes.push(cause(`${here}.name`, `Duplicate value: "${name}"`, "FieldValueDuplicate"));
    names.add(name);
    if (String(container["image"] ?? "") === "") causes.push(required(`${here}.image`));
  }
  return causes;
}

function checkIngress(spec: Obj): Cause[] {
  const rules = (spec["rules"] ?? []) as unknown[];
  if (rules.length > 0 || spec["defaultBackend"]) return [];
  return [invalid("spec", null, "either `defaultBackend` or `rules` must be specified")];
}
