/** Requests for objects: what verb they are, whether they are allowed, and how their answer looks. */
import type { Clock, Logger } from "../../base/index.ts";
import { apiVersionOf, type Cause, kindOf } from "../kinds/index.ts";
import { type Authenticator, authorize, type User } from "./auth.ts";
import { type Body, decodeBody, mediaType, readBytes } from "./body.ts";
import { definitionKind, emptyDefinition, resumeDefinitions } from "./definitions.ts";
import type { Doc } from "./document.ts";
import { labelSelector } from "./label-selector.ts";
import { emptyNamespace } from "./namespaces.ts";
import { patchObject, readPatch } from "./patch.ts";
import type { ResourcePath } from "./path.ts";
import type { Target, WriteOptions } from "./prepare.ts";
import type { Propagation, Registry } from "./registry.ts";
import { both, fieldSelector } from "./selector.ts";
import {
  badRequest,
  invalid,
  methodNotAllowed,
  noSuchPath,
  StatusError,
  tooMany,
  unexplained,
} from "./status.ts";
import { bindPod, changeScale, evictPod, scaleOf } from "./subresources.ts";
import { type IncludeObject, partialMetadata, tableOf, viewOf } from "./table.ts";
import { requestToken } from "./token-api.ts";
import type { Tokens } from "./tokens.ts";
import { openWatch } from "./watch.ts";

export interface Backend {
  readonly registry: Registry;
  readonly authenticator: Authenticator;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly log: Logger;
  /** Watches that are open; `stop` ends them with the server. */
  readonly watches: Set<() => void>;
  readonly maxWatches: number;
  /** The whole server in one file, for its administrator. */
  readonly backup: () => Promise<Response>;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly warnings: readonly string[];
}

/** One request for a resource, with its parsed query. */
interface Call {
  readonly backend: Backend;
  readonly request: Request;
  readonly query: URLSearchParams;
  readonly path: ResourcePath;
  readonly target: Target;
}

const truthy = (value: string | null): boolean => value !== null && value !== "false" && value !== "0";

/** Serves a resource path. A watch comes back as a Response. */
export async function serveResource(
  backend: Backend,
  request: Request,
  path: ResourcePath,
  user: User,
): Promise<Answer | Response> {
  const query = new URL(request.url).searchParams;
  const verb = verbOf(request.method, path, query);
  authorize(user, { verb, ...path });
  const target = {
    kind: path.kind,
    version: path.version,
    namespace: path.namespace,
    ...(path.name && { name: path.name }),
  };
  const call: Call = { backend, request, query, path, target };
  if (path.subresource !== undefined) return serveSubresource(call, verb);
  switch (verb) {
    case "get":
      return ok(render(call, await backend.registry.get(target)));
    case "list":
      return list(call);
    case "watch":
      return watch(call);
    case "create":
      return create(call);
    case "update":
      return update(call);
    case "patch":
      return patch(call);
    case "delete":
      return remove(call);
    default:
      return removeCollection(call);
  }
}

function verbOf(method: string, path: ResourcePath, query: URLSearchParams): string {
  const single = path.name !== undefined;
  if (method === "GET") {
    if (truthy(query.get("watch"))) return "watch";
    return single ? "get" : "list";
  }
  const creating = path.kind.namespaced ? path.namespace !== undefined : true;
  const posted = ["token", "binding", "eviction"];
  if (method === "POST" && (!single || posted.includes(path.subresource ?? "")) && creating) return "create";
  if (method === "PUT" && single) return "update";
  if (method === "PATCH" && single) return "patch";
  if (method === "DELETE" && creating) return single ? "delete" : "deletecollection";
  throw methodNotAllowed();
}

async function serveSubresource(call: Call, verb: string): Promise<Answer> {
  const { backend, path, target, request } = call;
  if (path.subresource === "token" && path.kind.kind === "ServiceAccount" && verb === "create") {
    const body = await bodyOf(request);
    return {
      status: 201,
      body: await requestToken(backend.registry, backend.tokens, target, body.value),
      warnings: [],
    };
  }
  if (path.kind.scale && path.subresource === "scale") return serveScale(call, verb);
  if (path.kind.subresources.includes(path.subresource ?? "") && path.kind.kind === "Pod") {
    const { value, duplicates } = await bodyOf(request);
    const act = path.subresource === "binding" ? bindPod : evictPod;
    if (verb !== "create") throw methodNotAllowed();
    return ok(await act(backend.registry, target, value, writeOptions(call, duplicates)), [], 201);
  }
  const approval = path.subresource === "approval" && path.kind.subresources.includes("approval");
  const finalize = path.subresource === "finalize" && path.kind.kind === "Namespace";
  if ((path.subresource !== "status" || !path.kind.statusSubresource) && !finalize && !approval)
    throw noSuchPath();
  if (finalize && verb === "update") return finalizeNamespace(call);
  if (approval && verb === "update") return update(call, "approval");
  if (verb === "get") return ok(render(call, await backend.registry.get(target)));
  if (verb === "update") return update(call, "status");
  if (verb === "patch") return patch(call, "status");
  throw methodNotAllowed();
}

async function serveScale(call: Call, verb: string): Promise<Answer> {
  const { registry } = call.backend;
  const { target, request } = call;
  if (verb === "get") return ok(scaleOf(target, await registry.get(target)));
  if (verb === "update") {
    const { value } = await bodyOf(request);
    const options = writeOptions(call);
    return ok(await changeScale(registry, target, () => value, options), options.warnings);
  }
  if (verb !== "patch") throw methodNotAllowed();
  const { change } = await readPatch(request, target);
  const options = writeOptions(call);
  return ok(await changeScale(registry, target, change, options), options.warnings);
}

/** PUT .../namespaces/<name>/finalize: only spec.finalizers are taken from the body. */
async function finalizeNamespace(call: Call): Promise<Answer> {
  const { value } = await bodyOf(call.request);
  const spec = (value as { spec?: unknown } | undefined)?.spec;
  const doc = await call.backend.registry.change(
    call.target,
    (current) => ({ ...current, spec: spec ?? current["spec"] }),
    writeOptions(call),
  );
  return ok(render(call, doc));
}

const ok = (body: unknown, warnings: readonly string[] = [], status = 200): Answer => ({
  status,
  body,
  warnings,
});

/** What Kubernetes calls the options of a verb. */
function optionsOf(method: string) {
  const verb = { POST: "Create", PUT: "Update", PATCH: "Patch" }[method] ?? "Delete";
  return { group: "meta.k8s.io", plural: `${verb.toLowerCase()}options`, kind: `${verb}Options` };
}

/** dryRun, fieldValidation and fieldManager of a write. */
function writeOptions(call: Call, duplicates: readonly string[] = []): WriteOptions {
  const { query, request } = call;
  const dryRun = query.getAll("dryRun");
  if (dryRun.some((d) => d !== "All")) {
    throw invalid(optionsOf(request.method), "", [
      {
        field: "dryRun",
        message: `Unsupported value: ${JSON.stringify(dryRun)}: supported values: "All"`,
        reason: "FieldValueNotSupported",
      },
    ]);
  }
  // Servers default to Warn; kubectl asks for Strict.
  const fieldValidation = query.get("fieldValidation") || "Warn";
  if (fieldValidation !== "Ignore" && fieldValidation !== "Warn" && fieldValidation !== "Strict") {
    throw invalid(optionsOf(request.method), "", [
      {
        field: "fieldValidation",
        message: `Unsupported value: ${JSON.stringify(fieldValidation.slice(0, 50))}: supported values: "", "Ignore", "Strict", "Warn"`,
        reason: "FieldValueNotSupported",
      },
    ]);
  }
  const agent = (request.headers.get("user-agent") ?? "").split("/")[0]!;
  return {
    dryRun: dryRun.length > 0,
    fieldValidation,
    fieldManager: (query.get("fieldManager") || agent || "unknown").slice(0, 128),
    warnings: [],
    duplicates,
  };
}

const bodyOf = async (request: Request): Promise<Body> => {
  const type = mediaType(request);
  return decodeBody(await readBytes(request), type);
};

async function create(call: Call): Promise<Answer> {
  if (call.path.kind.namespaced && call.path.namespace === undefined) throw methodNotAllowed();
  const { value, duplicates } = await bodyOf(call.request);
  const options = writeOptions(call, duplicates);
  const doc = await call.backend.registry.create(call.target, value, options);
  return ok(render(call, doc), options.warnings, 201);
}

async function update(call: Call, subresource?: string): Promise<Answer> {
  const { value, duplicates } = await bodyOf(call.request);
  const options = writeOptions(call, duplicates);
  const doc = await call.backend.registry.update(call.target, value, options, subresource);
  return ok(render(call, await settled(call, doc)), options.warnings);
}

async function patch(call: Call, subresource?: string): Promise<Answer> {
  const time = new Date(call.backend.clock.wall()).toISOString().replace(/\.\d+Z$/, "Z");
  const managerSaid = Boolean(call.query.get("fieldManager"));
  const options = { ...writeOptions(call), force: truthy(call.query.get("force")), time, managerSaid };
  const result = await patchObject(call.backend.registry, call.target, call.request, options, subresource);
  return ok(render(call, await settled(call, result.doc)), options.warnings, result.created ? 201 : 200);
}

/** A namespace whose last finalized object went may now end. */
async function settled(call: Call, doc: Doc): Promise<Doc> {
  const { namespace } = call.target;
  if (!doc.metadata.deletionTimestamp) return doc;
  if (namespace) await emptyNamespace(call.backend.registry, namespace, call.backend.log);
  if (call.target.kind.defined) await resumeDefinitions(call.backend.registry, call.backend.log);
  if (call.target.kind === definitionKind)
    await emptyDefinition(call.backend.registry, doc.metadata.name, call.backend.log);
  return doc;
}

async function remove(call: Call): Promise<Answer> {
  const options = { ...writeOptions(call), ...(await deleteDryRun(call)) };
  const { registry, log } = call.backend;
  const { doc, gone } = await registry.delete(call.target, options, options.pre, options.propagation);
  const { kind } = call.target;
  if (kind === kindOf("v1", "Namespace") && !options.dryRun) {
    await emptyNamespace(registry, doc.metadata.name, log);
  }
  if (kind === definitionKind && !options.dryRun) await emptyDefinition(registry, doc.metadata.name, log);
  if (!gone) return ok(render(call, doc), options.warnings);
  const details = {
    name: doc.metadata.name,
    ...(kind.group && { group: kind.group }),
    kind: kind.plural,
    uid: doc.metadata.uid,
  };
  return ok({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details }, options.warnings);
}

interface DeleteOptions {
  readonly propagationPolicy?: string;
  readonly orphanDependents?: boolean;
  readonly dryRun?: readonly string[];
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

async function deleteDryRun(call: Call) {
  const { value } = await bodyOf(call.request);
  const body = (value ?? {}) as DeleteOptions;
  const dry = body.dryRun?.includes("All") ?? false;
  const said = call.query.get("propagationPolicy") ?? body.propagationPolicy;
  if (said && said !== "Background" && said !== "Foreground" && said !== "Orphan") {
    throw invalid({ group: "meta.k8s.io", plural: "deleteoptions", kind: "DeleteOptions" }, "", [
      {
        field: "propagationPolicy",
        message: `Unsupported value: ${JSON.stringify(said.slice(0, 50))}: supported values: "Foreground", "Background", "Orphan", "nil"`,
        reason: "FieldValueNotSupported",
      },
    ]);
  }
  if (said && body.orphanDependents !== undefined && body.orphanDependents !== null) {
    const message = `Invalid value: ${JSON.stringify(said)}: orphanDependents and deletionPropagation cannot be both set`;
    throw invalid({ group: "meta.k8s.io", plural: "deleteoptions", kind: "DeleteOptions" }, "", [
      { field: "propagationPolicy", message, reason: "FieldValueInvalid" },
    ]);
  }
  const propagation = (said || (body.orphanDependents ? "Orphan" : undefined)) as Propagation | undefined;
  return { ...(dry && { dryRun: true }), pre: body.preconditions ?? {}, propagation };
}

async function removeCollection(call: Call): Promise<Answer> {
  const options = { ...writeOptions(call), ...(await deleteDryRun(call)) };
  const { registry } = call.backend;
  const found = await registry.list(call.target, { ...listQuery(call), token: null });
  const items: Doc[] = [];
  for (const item of found.items) {
    const target = {
      ...call.target,
      ...(item.metadata.namespace && { namespace: item.metadata.namespace }),
      name: item.metadata.name,
    };
    try {
      items.push((await registry.delete(target, options, {}, options.propagation)).doc);
    } catch (e) {
      // Somebody else was faster.
      if (!(e instanceof StatusError && e.code === 404)) throw e;
    }
  }
  return ok(listOf(call, items, { resourceVersion: found.resourceVersion }), options.warnings);
}

function listQuery(call: Call) {
  const { query, path } = call;
  const watches = truthy(query.get("watch"));
  const version = query.get("resourceVersion") ?? "";
  if (version !== "" && !/^\d{1,15}$/.test(version)) {
    const shown = JSON.stringify(version.slice(0, 300));
    const why = `resourceVersion: Invalid value: ${shown}: strconv.ParseUint: parsing ${shown}: invalid syntax`;
    throw watches ? unexplained(why) : badRequest(`invalid resource version: ${why}`);
  }
  const limit = Number(query.get("limit") ?? 0);
  if (!Number.isInteger(limit) || limit < 0) throw badRequest("limit is not a whole number");
  const match = query.get("resourceVersionMatch") ?? "";
  const initial = watches && query.get("sendInitialEvents") !== null;
  const wrong =
    watches && !initial && match !== ""
      ? matchForWatch
      : matchError(match, version, query.get("continue"), initial);
  if (wrong) throw invalid({ group: "meta.k8s.io", plural: "listoptions", kind: "ListOptions" }, "", [wrong]);
  const named = path.name ? `metadata.name=${path.name}` : null;
  return {
    predicate: both(
      labelSelector(query.get("labelSelector")),
      both(fieldSelector(query.get("fieldSelector"), path.kind), fieldSelector(named, path.kind)),
    ),
    limit,
    token: query.get("continue"),
    resourceVersion: version,
    exact: match === "Exact",
  };
}

const matchForWatch: Cause = {
  field: "resourceVersionMatch",
  message: "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
  reason: "FieldValueForbidden",
};

/** Which combinations of resourceVersionMatch make sense. */
function matchError(
  match: string,
  version: string,
  token: string | null,
  initial: boolean,
): Cause | undefined {
  const field = "resourceVersionMatch";
  const forbidden = (why: string): Cause => ({
    field,
    message: `Forbidden: ${why}`,
    reason: "FieldValueForbidden",
  });
  if (match === "")
    return initial
      ? forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
      : undefined;
  if (token) return forbidden("resourceVersionMatch is forbidden when continue is provided");
  if (version === "" && !initial)
    return forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided");
  if (match !== "Exact" && match !== "NotOlderThan") {
    const message = `Unsupported value: ${JSON.stringify(match.slice(0, 50))}: supported values: "Exact", "NotOlderThan", ""`;
    return { field, message, reason: "FieldValueNotSupported" };
  }
  return match === "Exact" && version === "0"
    ? forbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    : undefined;
}

async function list(call: Call): Promise<Answer> {
  const result = await call.backend.registry.list(call.target, listQuery(call));
  const meta = {
    resourceVersion: result.resourceVersion,
    ...(result.token && { continue: result.token }),
    ...(result.remaining !== undefined && { remainingItemCount: result.remaining }),
  };
  return ok(listOf(call, result.items, meta));
}

const includeOf = (call: Call): IncludeObject =>
  (call.query.get("includeObject") as IncludeObject | null) ?? "Metadata";

function listOf(call: Call, items: readonly Doc[], metadata: Readonly<Record<string, unknown>>): unknown {
  const view = viewOf(call.request.headers.get("accept"));
  const { kind, version } = call.path;
  if (view === "table") {
    return tableOf(kind, items, {
      now: call.backend.clock.wall(),
      include: includeOf(call),
      listMeta: metadata,
    });
  }
  if (view === "metadata") {
    return {
      kind: "PartialObjectMetadataList",
      apiVersion: "meta.k8s.io/v1",
      metadata,
      items: items.map(partialMetadata),
    };
  }
  // Kubernetes' own types carry no type of theirs within a list.
  const bare =
    kind.custom || kind.defined ? items : items.map(({ kind: _, apiVersion: __, ...item }) => item);
  return { kind: kind.listKind, apiVersion: apiVersionOf(kind.group, version), metadata, items: bare };
}

function render(call: Call, doc: Doc): unknown {
  const view = viewOf(call.request.headers.get("accept"));
  if (view === "metadata") return partialMetadata(doc);
  if (view === "object") return doc;
  const { kind } = call.path;
  return tableOf(kind, [doc], {
    now: call.backend.clock.wall(),
    include: includeOf(call),
    listMeta: { resourceVersion: doc.metadata.resourceVersion },
  });
}

function watch(call: Call): Response {
  const { backend, query } = call;
  if (backend.watches.size >= backend.maxWatches)
    throw tooMany(`more than ${backend.maxWatches} watches are open`);
  const { predicate, resourceVersion } = listQuery(call);
  const view = viewOf(call.request.headers.get("accept"));
  const stream = openWatch(
    backend.registry,
    {
      target: call.target,
      predicate,
      resourceVersion,
      sendInitialEvents: truthy(query.get("sendInitialEvents")),
      bookmarks: truthy(query.get("allowWatchBookmarks")),
      timeoutSeconds: Math.max(0, Number(query.get("timeoutSeconds") ?? 0) || 0),
      show: (doc) => (view === "object" ? doc : render(call, doc)),
    },
    { clock: backend.clock, onClose: () => backend.watches.delete(stop) },
  );
  const stop = (): void => stream.stop();
  backend.watches.add(stop);
  return new Response(stream.body, { headers: { "content-type": "application/json" } });
}
