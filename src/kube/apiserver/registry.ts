/** Create, read, update, delete on the store, with Kubernetes' rules. Knows no HTTP. */
import { randomUUID } from "node:crypto";
import type { Clock, Rng } from "../../base/index.ts";
import { type Cause, type Kind, type KubeObject, kindOf, objectSchema } from "../kinds/index.ts";
import type { Outcome, Row, Store, Write } from "../store/index.ts";
import type { Admission } from "./admission.ts";
import type { Catalog } from "./catalog.ts";
import { allocateClusterIp, releaseClusterIp } from "./cluster-ip.ts";
import { asObject, type Doc, decodeRow, encode, equalDocs, keyOf, prefixOf } from "./document.ts";
import { MAX_DRAWS, MAX_UPDATE_TRIES } from "./limits.ts";
import { type ListQuery, type ListResult, listObjects } from "./lists.ts";
import { trackCreate, trackUpdate } from "./managed-fields.ts";
import {
  carryMeta,
  identify,
  refuse,
  settle,
  specChanged,
  type Target,
  type WriteOptions,
} from "./prepare.ts";
import {
  alreadyExists,
  conflict,
  forbidden,
  invalid,
  notFound,
  type StatusError,
  unexplained,
  unwritten,
} from "./status.ts";

export interface RegistryOptions {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly admission?: Admission;
  readonly finish?: Finish;
}

/** What a change makes of the object as it stands. */
export type Change = (current: Doc) => Promise<unknown> | unknown;

/** What becomes of the objects that an object owns. */
export type Propagation = "Background" | "Foreground" | "Orphan";
/** By these finalizers an object waits for the garbage collector. */
export const FOREGROUND = "foregroundDeletion";
export const ORPHAN = "orphan";

/** The last touch on an object before it is stored: what depends on its identity or on other definitions. */
export type Finish = (
  doc: Doc,
  target: Target,
  tools: { time: string; warn: (text: string) => void },
) => void;

export interface Preconditions {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

/** An object that names another uid than it has: a patch may not change it, who replaces means it as a condition. */
function anotherUid({ kind, namespace }: Target, uid: string, old: Doc, options: WriteOptions): StatusError {
  const { name } = old.metadata;
  const failed = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`;
  if (options.operation === "Apply") return conflict(kind, name, failed);
  if (options.replaces !== true) {
    const message = `Invalid value: ${JSON.stringify(uid.slice(0, 300))}: field is immutable`;
    return invalid(kind, name, [{ field: "metadata.uid", message, reason: "FieldValueInvalid" }]);
  }
  const place = [...(kind.custom ? [kind.group] : []), kind.plural, ...(namespace ? [namespace] : []), name];
  return conflict(
    kind,
    name,
    `StorageError: invalid object, Code: 4, Key: /registry/${place.join("/")}, ResourceVersion: 0, AdditionalErrorMsg: ${failed}`,
  );
}

const namespaceKind = kindOf("v1", "Namespace")!;
const accountKind = kindOf("v1", "ServiceAccount")!;
const definitionKind = kindOf("apiextensions.k8s.io/v1", "CustomResourceDefinition")!;
/** Kinds that end only when what is in them is gone. */
const holds = (kind: Kind): boolean => kind === namespaceKind || kind === definitionKind;

export class Registry {
  readonly store: Store;
  readonly catalog: Catalog;
  private readonly options: RegistryOptions;

  constructor(options: RegistryOptions) {
    this.options = options;
    this.store = options.store;
    this.catalog = options.catalog;
  }

  /** Wall clock in RFC 3339, in seconds as Kubernetes writes it. */
  timestamp(): string {
    return new Date(this.options.clock.wall()).toISOString().replace(/\.\d+Z$/, "Z");
  }

  async get(target: Target): Promise<Doc> {
    return decodeRow(target.kind, target.version, await this.row(target));
  }

  private async row(target: Target): Promise<Row> {
    const row = await this.store.get(keyOf(target.kind, target.namespace, target.name!));
    if (!row) throw notFound(target.kind, target.name!);
    return row;
  }

  list(target: Omit<Target, "name">, query: ListQuery): Promise<ListResult> {
    return listObjects(this.store, target, query);
  }

  /** All stored objects of a kind, for admission. */
  private async objects(kindName: string, namespace?: string): Promise<readonly KubeObject[]> {
    const kind = this.catalog.kinds.find((k) => k.kind === kindName && !k.storedAs);
    if (!kind) return [];
    const page = await this.store.list(prefixOf(kind, namespace));
    return page.rows.map((row) => asObject(decodeRow(kind, kind.storageVersion, row)));
  }

  async create(target: Target, body: unknown, options: WriteOptions): Promise<Doc> {
    const { kind } = target;
    const doc = identify(target, body);
    if (doc.metadata.resourceVersion) {
      throw unexplained("resourceVersion should not be set on objects to be created");
    }
    const meta = { ...doc.metadata };
    for (const field of [
      "uid",
      "creationTimestamp",
      ...(kind.generation ? ["generation"] : []),
      "deletionTimestamp",
      "deletionGracePeriodSeconds",
      "selfLink",
    ]) {
      delete meta[field];
    }
    doc.metadata = meta;
    if (kind.statusSubresource) delete doc["status"];
    if (kind.namespaced) await this.openNamespace(target, options);
    if (kind.inert) options.warnings.push(kind.inert);
    const given = meta.name;
    for (let draw = 0; ; draw++) {
      if (!given && meta.generateName) meta.name = meta.generateName.slice(0, 58) + this.suffix();
      let settled = await settle(target, { ...doc, metadata: meta }, options);
      settled.metadata.uid = randomUUID();
      settled.metadata.creationTimestamp = this.timestamp();
      if (kind.generation) settled.metadata.generation = 1;
      this.finish(target, settled, options);
      const extra = await this.beside(kind, settled, undefined);
      if (options.operation !== "Apply")
        settled = trackCreate(await objectSchema(kind, target.version), settled, this.writer(options));
      await this.admit("create", target, settled, undefined, options);
      const key = keyOf(kind, target.namespace, settled.metadata.name);
      const existing = options.dryRun || draw > 0 ? await this.store.get(key) : undefined;
      if (options.dryRun && !existing) return settled;
      const outcome = existing
        ? ({ ok: false, reason: "conflict", index: 0, current: existing } as const)
        : await this.store.write([{ key, value: encode(kind, settled), expect: 0 }, ...extra]);
      if (outcome.ok) return this.written(target, outcome);
      if (outcome.reason !== "conflict") throw unwritten(outcome.reason, outcome.message);
      // A lost race for a cluster address or a generated name is drawn anew.
      const mayRetry = outcome.index > 0 || !given;
      if (!mayRetry || draw >= MAX_DRAWS) throw alreadyExists(kind, settled.metadata.name);
    }
  }

  /** Replaces an object (PUT). A resourceVersion in the body makes it conditional. */
  update(target: Target, body: unknown, options: WriteOptions, subresource?: string): Promise<Doc> {
    const said = (body as { metadata?: { resourceVersion?: unknown } } | null | undefined)?.metadata
      ?.resourceVersion;
    if (target.kind.custom && !said && target.name !== undefined) {
      const message = "Invalid value: 0: must be specified for an update";
      const cause = { field: "metadata.resourceVersion", message, reason: "FieldValueInvalid" };
      return this.get(target).then(() => {
        throw invalid({ ...target.kind, kind: target.kind.plural }, target.name!, [cause]);
      });
    }
    return this.change(target, () => body, { ...options, replaces: true }, subresource);
  }

  /** Applies a change to the object as it stands; tried again when others were faster, unless conditional. */
  async change(target: Target, change: Change, options: WriteOptions, subresource?: string): Promise<Doc> {
    const { kind } = target;
    const name = target.name!;
    for (let attempt = 0; attempt < MAX_UPDATE_TRIES; attempt++) {
      const row = await this.row(target);
      const old = decodeRow(kind, target.version, row);
      const next = identify(target, await change(structuredClone(old)));
      const { resourceVersion, uid } = next.metadata;
      if (resourceVersion && resourceVersion !== String(row.revision)) throw conflict(kind, name);
      if (uid && uid !== old.metadata.uid) throw anotherUid(target, uid, old, options);
      const attemptOptions = { ...options, warnings: [] as string[] };
      let merged = await this.merge(target, next, old, attemptOptions, subresource);
      this.finish(target, merged, attemptOptions);
      if (options.operation !== "Apply") {
        const schema = await objectSchema(kind, target.version);
        merged = trackUpdate(schema, old, merged, this.writer(options, subresource));
      }
      const outcome = await this.store_(target, merged, old, row, attemptOptions);
      if (outcome) {
        options.warnings.push(...attemptOptions.warnings);
        return outcome;
      }
      if (resourceVersion && (await this.row(target)).revision !== row.revision) throw conflict(kind, name);
    }
    throw conflict(kind, name);
  }

  private async merge(
    target: Target,
    next: Doc,
    old: Doc,
    options: WriteOptions,
    subresource?: string,
  ): Promise<Doc> {
    const { kind } = target;
    if (subresource === "status" || subresource === "approval") {
      const base: Doc = { ...old, status: next["status"] };
      if (next.metadata.managedFields)
        base.metadata = { ...old.metadata, managedFields: next.metadata.managedFields };
      return settle(target, base, { ...options, status: true }, old);
    }
    const draft: Doc = { ...next, metadata: carryMeta(next.metadata, old.metadata) };
    if (kind.statusSubresource) {
      if (old["status"] === undefined) delete draft["status"];
      else draft["status"] = old["status"];
    }
    if (kind.group === "" && kind.kind === "Service") keepAddress(draft, old);
    refuse(kind, old.metadata.name, lateFinalizers(draft, old));
    if (kind.inert) options.warnings.push(kind.inert);
    const merged = await settle(target, draft, options, old);
    if (kind.generation && specChanged(merged, old)) {
      merged.metadata.generation = (old.metadata.generation ?? 1) + 1;
    }
    return merged;
  }

  /** Writes a changed object; undefined when somebody else was faster. */
  private async store_(
    target: Target,
    merged: Doc,
    old: Doc,
    row: Row,
    options: WriteOptions,
  ): Promise<Doc | undefined> {
    const { kind } = target;
    const extra = await this.beside(kind, merged, old);
    await this.admit("update", target, merged, old, options);
    if (options.dryRun)
      return { ...merged, metadata: { ...merged.metadata, resourceVersion: String(row.revision) } };
    if (equalDocs(merged, old)) return old;
    const value = encode(kind, merged);
    const gone = merged.metadata.deletionTimestamp && !merged.metadata.finalizers?.length && !holds(kind);
    const outcome = await this.store.write(
      gone
        ? this.removal(kind, target.namespace, old, row)
        : [{ key: row.key, value, expect: row.revision }, ...extra],
    );
    if (outcome.ok) return gone ? merged : this.written(target, outcome);
    if (outcome.reason !== "conflict") throw unwritten(outcome.reason, outcome.message);
    return undefined;
  }

  /** Deletes, or marks for deletion where finalizers stand in the way. Returns the object and whether it is gone. */
  async delete(
    target: Target,
    options: WriteOptions,
    pre: Preconditions = {},
    propagation?: Propagation,
  ): Promise<{ doc: Doc; gone: boolean }> {
    const { kind } = target;
    const name = target.name!;
    for (let attempt = 0; attempt < MAX_UPDATE_TRIES; attempt++) {
      const row = await this.row(target);
      const doc = decodeRow(kind, target.version, row);
      if (pre.uid && pre.uid !== doc.metadata.uid) {
        throw conflict(
          { ...kind, plural: kind.kind },
          name,
          `the UID in the precondition (${pre.uid}) does not match the UID in record (${doc.metadata.uid}). The object might have been deleted and then recreated`,
        );
      }
      if (pre.resourceVersion && pre.resourceVersion !== String(row.revision)) throw conflict(kind, name);
      await this.admit("delete", target, doc, doc, options);
      const finalizers = propagated(doc.metadata.finalizers ?? [], propagation);
      const waits = holds(kind) || finalizers.length > 0;
      if (options.dryRun) return { doc, gone: !waits };
      if (waits && doc.metadata.deletionTimestamp) return { doc, gone: false };
      if (waits) {
        if (finalizers.length > 0) doc.metadata.finalizers = finalizers;
        doc.metadata.deletionTimestamp = this.timestamp();
        if (kind.generation && !holds(kind)) doc.metadata.generation = (doc.metadata.generation ?? 0) + 1;
        doc.metadata.deletionGracePeriodSeconds = 0;
        if (kind === namespaceKind) doc["status"] = { ...(doc["status"] as object), phase: "Terminating" };
      }
      const outcome = await this.store.write(
        waits
          ? [{ key: row.key, value: encode(kind, doc), expect: row.revision }]
          : this.removal(kind, target.namespace, doc, row),
      );
      if (outcome.ok) return { doc: this.written(target, outcome), gone: !waits };
      if (outcome.reason !== "conflict") throw unwritten(outcome.reason, outcome.message);
    }
    throw conflict(kind, name);
  }

  private finish(target: Target, doc: Doc, options: WriteOptions): void {
    const warn = (text: string): void => {
      options.warnings.push(text);
    };
    this.options.finish?.(doc, target, { time: this.timestamp(), warn });
  }

  private writer(options: WriteOptions, subresource?: string) {
    return { manager: options.fieldManager, time: this.timestamp(), subresource };
  }

  private removal(kind: Kind, _namespace: string | undefined, doc: Doc, row: Row): Write[] {
    const extra = kind.group === "" && kind.kind === "Service" ? releaseClusterIp(doc) : [];
    return [{ key: row.key, value: undefined, expect: row.revision }, ...extra];
  }

  /** Writes that belong to the same transaction: addresses, the default service account of a namespace. */
  private async beside(kind: Kind, doc: Doc, old: Doc | undefined): Promise<readonly Write[]> {
    if (kind.group !== "") return [];
    if (kind.kind === "Service") {
      const { writes, causes } = await allocateClusterIp(this.store, this.options.rng, doc, old);
      refuse(kind, doc.metadata.name, causes);
      return writes;
    }
    if (kind.kind === "Namespace" && !old) {
      const account: Doc = {
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: {
          name: "default",
          namespace: doc.metadata.name,
          uid: randomUUID(),
          creationTimestamp: this.timestamp(),
        },
      };
      const key = keyOf(accountKind, doc.metadata.name, "default");
      return [{ key, value: encode(accountKind, account), expect: undefined }];
    }
    return [];
  }

  private async openNamespace(target: Target, options: WriteOptions): Promise<void> {
    const row = await this.store.get(keyOf(namespaceKind, undefined, target.namespace!));
    if (!row) throw notFound(namespaceKind, target.namespace!);
    const doc = decodeRow(namespaceKind, "v1", row);
    if (doc.metadata.deletionTimestamp && !options.dryRun) {
      throw forbidden(
        `unable to create new content in namespace ${target.namespace} because it is being terminated`,
      );
    }
  }

  private async admit(
    operation: "create" | "update" | "delete",
    target: Target,
    doc: Doc,
    old: Doc | undefined,
    options: WriteOptions,
  ): Promise<void> {
    const { causes, warnings } = (await this.options.admission?.({
      operation,
      object: asObject(doc),
      ...(old && { oldObject: asObject(old) }),
      namespace: target.namespace ?? "",
      list: (kind, namespace) => this.objects(kind, namespace),
    })) ?? { causes: [], warnings: [] };
    options.warnings.push(...warnings);
    refuse(target.kind, doc.metadata.name, causes);
  }

  private written(target: Target, outcome: Outcome & { ok: true }): Doc {
    return decodeRow(target.kind, target.version, outcome.rows[0]!);
  }

  /** Five characters as Kubernetes uses them: no vowels, nothing that looks alike. */
  private suffix(): string {
    const letters = "bcdfghjklmnpqrstvwxz2456789";
    return Array.from({ length: 5 }, () => letters[this.options.rng.int(letters.length)]).join("");
  }
}

/** The finalizers of an object that is deleted with a policy; `Background` leaves the collector out. */
function propagated(finalizers: readonly string[], policy: Propagation | undefined): string[] {
  if (policy === undefined) return [...finalizers];
  const own = finalizers.filter((f) => f !== FOREGROUND && f !== ORPHAN);
  if (policy === "Foreground") own.push(FOREGROUND);
  if (policy === "Orphan") own.push(ORPHAN);
  return own;
}

/** What is being deleted takes no new finalizers. */
function lateFinalizers(draft: Doc, old: Doc): Cause[] {
  if (!old.metadata.deletionTimestamp) return [];
  const added = (draft.metadata.finalizers ?? []).filter((f) => !old.metadata.finalizers?.includes(f));
  if (added.length === 0) return [];
  const list = added.map((f) => JSON.stringify(f)).join(", ");
  return [
    {
      field: "metadata.finalizers",
      message: `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
      reason: "FieldValueForbidden",
    },
  ];
}

/** A replacement that is silent about the address keeps it. */
function keepAddress(draft: Doc, old: Doc): void {
  const now = draft["spec"] as Record<string, unknown> | undefined;
  const was = old["spec"] as Record<string, unknown> | undefined;
  if (now && was && now["type"] === "ExternalName" && was["type"] !== "ExternalName") {
    if (now["clusterIP"] === was["clusterIP"]) {
      const { clusterIP: _ip, clusterIPs: _ips, ...rest } = now;
      for (const field of ["internalTrafficPolicy", "ipFamilies", "ipFamilyPolicy"]) delete rest[field];
      draft["spec"] = rest;
    }
    return;
  }
  if (!now || !was || now["type"] === "ExternalName" || was["type"] === "ExternalName") return;
  if (now["clusterIP"]) return;
  draft["spec"] = { ...now, clusterIP: was["clusterIP"], clusterIPs: was["clusterIPs"] };
}
