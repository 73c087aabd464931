/** From what a client sent to what may be stored: identity, unknown fields, defaults, validation. */
import {
  apiVersionOf,
  applyDefaults,
  type Cause,
  fillDefaults,
  type Kind,
  kindOf,
  objectSchema,
  parseApiVersion,
  validate,
} from "../kinds/index.ts";
import { asDoc, asObject, type Doc, type Meta, withoutMetaAndStatus } from "./document.ts";
import { prune } from "./prune.ts";
import { badRequest, invalid, StatusError } from "./status.ts";

/** What a request is about and how it wants to be treated. */
export interface Target {
  readonly kind: Kind;
  readonly version: string;
  readonly namespace: string | undefined;
  readonly name?: string;
}

export interface WriteOptions {
  readonly dryRun: boolean;
  readonly fieldValidation: "Ignore" | "Warn" | "Strict";
  readonly fieldManager: string;
  /** A server-side apply: the object brings its managedFields along. */
  readonly operation?: "Apply";
  /** The whole object comes from the client (PUT). */
  readonly replaces?: boolean;
  /** Only the status is written. */
  readonly status?: boolean;
  /** The pods/binding subresource may set where a pod runs. */
  readonly bound?: boolean;
  /** Grows; goes out as Warning headers. */
  readonly warnings: string[];
  /** Duplicate fields that the body's reader found. */
  readonly duplicates: readonly string[];
}

/** Checks that a body is an object of the kind that the path names, and of its namespace. */
export function identify(target: Target, body: unknown): Doc {
  if (body === null || typeof body !== "object" || Array.isArray(body)) {
    throw badRequest("the body of the request is not an object");
  }
  const { kind, version, namespace } = target;
  const doc = { ...(body as Doc) };
  const apiVersion = apiVersionOf(kind.group, version);
  doc.apiVersion ??= apiVersion;
  doc.kind ??= kind.kind;
  if (doc.kind !== kind.kind || doc.apiVersion !== apiVersion) throw anotherKind(target, doc, apiVersion);
  const meta = doc.metadata ?? {};
  if (typeof meta !== "object" || Array.isArray(meta)) throw badRequest("metadata is not an object");
  doc.metadata = { ...meta };
  if (kind.namespaced) {
    const given = doc.metadata.namespace;
    if (given && given !== namespace) {
      throw badRequest(
        "the namespace of the provided object does not match the namespace sent on the request",
      );
    }
    if (namespace !== undefined) doc.metadata.namespace = namespace;
  } else delete doc.metadata.namespace;
  if (target.name !== undefined) {
    if (doc.metadata.name && doc.metadata.name !== target.name) {
      throw badRequest(
        `the name of the object (${doc.metadata.name}) does not match the name on the URL (${target.name})`,
      );
    }
    doc.metadata.name = target.name;
  }
  return doc;
}

/** What is no object of the kind: of another one that is known, of another version, or of nothing known. */
function anotherKind({ kind }: Target, doc: Doc, wanted: string): StatusError {
  const { kind: said, apiVersion } = doc;
  if (kind.custom || kind.defined)
    return badRequest(
      said === kind.kind
        ? `the API version in the data (${apiVersion}) does not match the expected API version (${wanted})`
        : `${said} in version "${apiVersion}" cannot be handled as a ${kind.kind} in version "${wanted}"`,
    );
  const version = parseApiVersion(String(apiVersion))?.version ?? "";
  const known = kindOf(String(apiVersion), String(said));
  const why = known
    ? `converting (${version}.${said}) to (${kind.group === "" ? "core" : kind.group.split(".")[0]}.${kind.kind}): unknown conversion`
    : `no kind "${said}" is registered for version "${apiVersion}" in scheme "pkg/runtime/scheme.go:110"`;
  return badRequest(`${said} in version "${version}" cannot be handled as a ${kind.kind}: ${why}`);
}

/** Defaults, validates and prunes. Throws 400 for unknown fields under Strict and 422 for what is invalid. */
export async function settle(target: Target, doc: Doc, options: WriteOptions, old?: Doc): Promise<Doc> {
  const { kind, version } = target;
  const schema = await objectSchema(kind, version);
  let full = asDoc(applyDefaults(kind, asObject(doc)));
  if (kind.custom) full = fillDefaults(schema, full) as Doc;
  const result = await validate(kind, asObject(full), old && asObject(old));
  complain(target, result.unknown, options);
  if (result.causes.length > 0) throw refusal(target, full, result.causes, options);
  options.warnings.push(...result.warnings);
  return withoutEmpty(prune(schema, full) as Doc);
}

/** Go writes no empty maps and lists into metadata. */
function withoutEmpty(doc: Doc): Doc {
  for (const field of ["labels", "annotations", "finalizers", "ownerReferences"]) {
    const value = doc.metadata[field];
    if (value && typeof value === "object" && Object.keys(value).length === 0) delete doc.metadata[field];
  }
  return doc;
}

/** Kubernetes' own kinds are decoded into Go types before they are validated: a wrong type is a bad request. */
function refusal(target: Target, doc: Doc, causes: readonly Cause[], { status }: WriteOptions): StatusError {
  if (target.kind.custom && status === true) {
    const inside = (c: Cause): Cause => ({ ...c, message: c.message.replace(": status.", ": ") });
    return invalid(target.kind, doc.metadata.name ?? "", causes.map(inside));
  }
  const encoded =
    target.kind.kind === "Secret" ? causes.find((c) => c.message.endsWith(noBase64)) : undefined;
  if (encoded !== undefined) {
    const [, key = ""] = /^data(?:\.|\[)(.*?)\]?$/.exec(encoded.field) ?? [];
    const text = String((doc["data"] as Record<string, unknown> | undefined)?.[key] ?? "");
    const at = Math.max(0, text.search(/[^A-Za-z0-9+/]/));
    return badRequest(`${undecodable(target)}: illegal base64 data at input byte ${at}`);
  }
  const typed = target.kind.custom ? [] : causes.filter((c) => c.reason === "FieldValueTypeInvalid");
  if (typed.length === 0) return invalid(target.kind, doc.metadata.name ?? "", causes);
  const [first] = typed;
  const [, want = "", got = ""] = /must be of type ([^:]*): "([^"]*)"/.exec(first!.message) ?? [];
  return new StatusError(
    400,
    "BadRequest",
    `${undecodable(target)}: json: cannot unmarshal ${got} into Go struct field ${target.kind.kind}.${first!.field} of type ${want}`,
    { causes: typed },
  );
}

/** How the cause ends that schema.ts gives for a value that is no base64. */
const noBase64 = "must be a base64 string";

const undecodable = ({ kind, version }: Target): string =>
  `${kind.kind} in version "${version}" cannot be handled as a ${kind.kind}`;

function complain(target: Target, unknown: readonly string[], options: WriteOptions): void {
  const texts = [
    ...options.duplicates.map((field) => `duplicate field "${field}"`),
    ...unknown.map((field) => `unknown field "${field}"`),
  ];
  if (texts.length === 0 || options.fieldValidation === "Ignore") return;
  if (options.fieldValidation === "Strict") {
    throw badRequest(`${undecodable(target)}: strict decoding error: ${texts.join(", ")}`);
  }
  options.warnings.push(...texts);
}

/** Fields of metadata that only the server sets, taken from the stored object. */
const serverFields = [
  "uid",
  "creationTimestamp",
  "generation",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
] as const;

/** Metadata of a changed object: the client's, with the server's fields kept. */
export function carryMeta(next: Meta, old: Meta): Meta {
  const out: Meta = { ...next, name: old.name };
  for (const field of serverFields) {
    if (old[field] === undefined) delete out[field];
    else (out as Record<string, unknown>)[field] = old[field];
  }
  return out;
}

/** Whether what generation counts has changed. */
export const specChanged = (a: Doc, b: Doc): boolean =>
  !Bun.deepEquals(withoutMetaAndStatus(a), withoutMetaAndStatus(b));

/** Turns causes of admission or allocation into the refusal. */
export function refuse(kind: Kind, name: string, causes: readonly Cause[]): void {
  if (causes.length > 0) throw invalid(kind, name, causes);
}
