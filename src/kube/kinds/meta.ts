/** ObjectMeta: its schema, and the rules for names, labels and annotations. */
import {
  isQualifiedName,
  label1035Problems,
  labelProblems,
  labelValueProblems,
  type Problems,
  pathProblems,
  qualifiedNameProblems,
  subdomainProblems,
} from "./names.ts";
import { array, boolean, type Cause, integer, map, object, type Schema, string } from "./schema.ts";

const time: Schema = { type: "string", format: "date-time" };

export const metadataSchema: Schema = object(
  {
    name: string("Name must be unique within a namespace."),
    generateName: string("Prefix used by the server to make a unique name where none is given."),
    namespace: string("Namespace defines the space within which each name must be unique."),
    selfLink: string(),
    uid: string(),
    resourceVersion: string("Opaque value that tells when the object changed."),
    generation: integer(),
    creationTimestamp: time,
    deletionTimestamp: time,
    deletionGracePeriodSeconds: integer(),
    labels: map(string()),
    annotations: map(string()),
    finalizers: { ...array(string()), mergeSet: true, listType: "set" },
    ownerReferences: {
      mergeKey: "uid",
      listType: "map",
      listKeys: ["uid"],
      type: "array",
      items: object(
        {
          apiVersion: string(),
          kind: string(),
          name: string(),
          uid: string(),
          controller: boolean(),
          blockOwnerDeletion: boolean(),
        },
        ["apiVersion", "kind", "name", "uid"],
      ),
    },
    managedFields: array(
      object({
        manager: string(),
        operation: string(),
        apiVersion: string(),
        time,
        fieldsType: string(),
        fieldsV1: { anything: true },
        subresource: string(),
      }),
    ),
  },
  [],
  "Standard object's metadata.",
);

/** Limit of the sum of all annotations' keys and values, as in Kubernetes. */
export const MAX_ANNOTATION_BYTES = 256 * 1024;

export type NameRule = "label" | "label1035" | "subdomain" | "path";

const rules: Readonly<Record<NameRule, (name: string) => Problems>> = {
  label: labelProblems,
  label1035: label1035Problems,
  subdomain: subdomainProblems,
  path: pathProblems,
};

const wrong = (field: string, value: string, problems: Problems): Cause[] =>
  problems.map((p) => invalid(field, value, p));

const invalid = (field: string, value: string, message: string): Cause => ({
  field,
  message: `Invalid value: ${JSON.stringify(value.slice(0, 300))}: ${message}`,
  reason: "FieldValueInvalid",
});

/** Finalizers that need no domain. */
const STANDARD_FINALIZERS: ReadonlySet<string> = new Set(["kubernetes", "orphan", "foregroundDeletion"]);

/** Causes for a metadata whose name and types are otherwise known to be strings. */
export function checkMetadata(meta: Readonly<Record<string, unknown>>, rule: NameRule): Cause[] {
  const causes: Cause[] = [];
  const problems = rules[rule];
  const { name, generateName, namespace } = meta;
  const prefix = typeof generateName === "string" ? generateName : "";
  // What ends in a dash is a beginning: the suffix makes it whole.
  if (prefix !== "")
    causes.push(...wrong("metadata.generateName", prefix, problems(prefix.replace(/.-$/, "a"))));
  if (typeof name === "string" && name !== "") causes.push(...wrong("metadata.name", name, problems(name)));
  else if (prefix === "")
    causes.push({
      field: "metadata.name",
      message: "Required value: name or generateName is required",
      reason: "FieldValueRequired",
    });
  if (typeof namespace === "string" && namespace !== "")
    causes.push(...wrong("metadata.namespace", namespace, labelProblems(namespace)));
  causes.push(...checkLabels(meta["labels"], "metadata.labels"), ...checkAnnotations(meta["annotations"]));
  causes.push(...checkOwners(meta["ownerReferences"]));
  for (const [i, finalizer] of ((meta["finalizers"] ?? []) as string[]).entries()) {
    if (!isQualifiedName(finalizer)) {
      causes.push(invalid(`metadata.finalizers[${i}]`, finalizer, "must be a qualified name"));
    } else if (!finalizer.includes("/") && !STANDARD_FINALIZERS.has(finalizer)) {
      const why = "name is neither a standard finalizer name nor is it fully qualified";
      causes.push(invalid(`metadata.finalizers[${i}]`, finalizer, why));
    }
  }
  return causes;
}

/** One controller at most. */
function checkOwners(value: unknown): Cause[] {
  type Owner = { readonly controller?: boolean; readonly kind: string; readonly name: string };
  const owners = (value ?? []) as readonly Owner[];
  const [first, second] = owners.filter((o) => o.controller === true);
  if (first === undefined || second === undefined) return [];
  const names = [first, second].map((o) => `${o.kind}/${o.name}`).join(" and ");
  const message = `Invalid value: ${JSON.stringify(owners)}: Only one reference can have Controller set to true. Found "true" in references for ${names}`;
  return [{ field: "metadata.ownerReferences", message, reason: "FieldValueInvalid" }];
}

const ownerField = /^metadata\.ownerReferences\[\d+\]\.(apiVersion|kind|name|uid)$/;

/** What an owner reference lacks, in Kubernetes' words: it is empty there, and of no entry. */
export function ownerCause(cause: Cause): Cause {
  const [, field] = (cause.reason === "FieldValueRequired" && ownerField.exec(cause.field)) || [];
  if (field === undefined) return cause;
  const rule = field === "apiVersion" ? "version must not be empty" : "must not be empty";
  return invalid(`metadata.ownerReferences.${field}`, "", rule);
}

/** Causes for a map of labels, or of a selector's labels. */
export function checkLabels(labels: unknown, field: string): Cause[] {
  const causes: Cause[] = [];
  for (const [key, value] of Object.entries((labels ?? {}) as Record<string, string>)) {
    causes.push(...wrong(field, key, qualifiedNameProblems(key)));
    causes.push(...wrong(field, value, labelValueProblems(value)));
  }
  return causes;
}

function checkAnnotations(annotations: unknown): Cause[] {
  const causes: Cause[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries((annotations ?? {}) as Record<string, string>)) {
    bytes += key.length + Buffer.byteLength(value);
    causes.push(...wrong("metadata.annotations", key, qualifiedNameProblems(key.toLowerCase())));
  }
  if (bytes > MAX_ANNOTATION_BYTES) {
    causes.push({
      field: "metadata.annotations",
      message: `Too long: may not be more than ${MAX_ANNOTATION_BYTES} bytes`,
      reason: "FieldValueTooLong",
    });
  }
  return causes;
}
