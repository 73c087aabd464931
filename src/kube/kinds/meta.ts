/** ObjectMeta: its schema, and the rules for names, labels and annotations. */
import {
  array,
  boolean,
  type Cause,
  childPath,
  integer,
  map,
  object,
  type Schema,
  string,
} from "./schema.ts";

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

const dnsLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const dns1035 = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const dnsPart = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const namePart = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** RFC 1123 label, at most 63 characters. */
export const isDnsLabel = (text: string): boolean => dnsLabel.test(text);
/** RFC 1035 label: starts with a letter (names of Services). */
export const isDns1035Label = (text: string): boolean => dns1035.test(text);
/** RFC 1123 subdomain, at most 253 characters. */
export const isDnsSubdomain = (text: string): boolean =>
  text.length <= 253 && text.split(".").every((part) => dnsPart.test(part));

/** A label key or an annotation key: `[prefix/]name`. */
export function isQualifiedName(key: string): boolean {
  const slash = key.indexOf("/");
  if (slash >= 0 && !isDnsSubdomain(key.slice(0, slash))) return false;
  return namePart.test(key.slice(slash + 1));
}

export const isLabelValue = (value: string): boolean => value === "" || namePart.test(value);

/** Limit of the sum of all annotations' keys and values, as in Kubernetes. */
export const MAX_ANNOTATION_BYTES = 256 * 1024;

export type NameRule = "label" | "label1035" | "subdomain" | "path";

const rules: Readonly<Record<NameRule, readonly [(name: string) => boolean, string]>> = {
  label: [
    isDnsLabel,
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  ],
  label1035: [
    isDns1035Label,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
  ],
  subdomain: [
    isDnsSubdomain,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ],
  path: [
    (name) => name !== "." && name !== ".." && !/[/%]/.test(name) && name.length <= 253,
    "may not be '.' or '..' or contain '/' or '%'",
  ],
};

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
  const [ok, message] = rules[rule];
  const { name, generateName, namespace } = meta;
  if (typeof name !== "string" || name === "") {
    if (typeof generateName !== "string" || generateName === "") {
      causes.push({
        field: "metadata.name",
        message: "Required value: name or generateName is required",
        reason: "FieldValueRequired",
      });
    } else if (!ok(`${generateName.slice(0, 58)}00000`)) {
      causes.push(invalid("metadata.generateName", generateName, message));
    }
  } else if (!ok(name)) causes.push(invalid("metadata.name", name, message));
  if (typeof namespace === "string" && namespace !== "" && !isDnsLabel(namespace)) {
    causes.push(invalid("metadata.namespace", namespace, rules.label[1]));
  }
  causes.push(...checkLabels(meta["labels"], "metadata.labels"), ...checkAnnotations(meta["annotations"]));
  const owners = (meta["ownerReferences"] ?? []) as readonly {
    readonly controller?: boolean;
    readonly name: string;
  }[];
  if (owners.filter((o) => o.controller === true).length > 1) {
    const message = `Invalid value: ${JSON.stringify(owners)}: Only one reference can have Controller set to true`;
    causes.push({ field: "metadata.ownerReferences", message, reason: "FieldValueInvalid" });
  }
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

/** Causes for a map of labels, or of a selector's labels. */
export function checkLabels(labels: unknown, field: string): Cause[] {
  const causes: Cause[] = [];
  for (const [key, value] of Object.entries((labels ?? {}) as Record<string, string>)) {
    if (!isQualifiedName(key)) {
      causes.push(
        invalid(
          field,
          key,
          "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        ),
      );
    }
    if (!isLabelValue(value)) {
      causes.push(
        invalid(
          childPath(field, key),
          value,
          "a valid label must be an empty string or consist of at most 63 alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        ),
      );
    }
  }
  return causes;
}

function checkAnnotations(annotations: unknown): Cause[] {
  const causes: Cause[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries((annotations ?? {}) as Record<string, string>)) {
    bytes += key.length + Buffer.byteLength(value);
    if (!isQualifiedName(key.toLowerCase())) {
      causes.push(invalid("metadata.annotations", key, "must be a qualified name"));
    }
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
