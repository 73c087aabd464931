/** Create, read, update, delete on the store, with Kubernetes' rules. Knows no HTTP. */
import { randomUUID } from "node:crypto";
import type { Clock, Rng } from "../../base/index.ts";
import { type Kind, type KubeObject, kindOf, kinds } from "../kinds/index.ts";
import { type Outcome, RevisionError, type Row, type Store, type Write } from "../store/index.ts";
import type { Admission } from "./admission.ts";
import { allocateClusterIp, releaseClusterIp } from "./cluster-ip.ts";
import { asObject, type Doc, decodeRow, encode, keyOf, prefixOf } from "./document.ts";
import { MAX_DRAWS, MAX_UPDATE_TRIES } from "./limits.ts";
import {
  carryMeta,
  identify,
  refuse,
  settle,
  specChanged,
  type Target,
  type WriteOptions,
} from "./prepare.ts";
import type { Predicate } from "./selector.ts";
import { alreadyExists, badRequest, conflict, forbidden, gone, notFound, unwritten } from "./status.ts";

export interface RegistryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly admission?: Admission;
}

export interface ListQuery {
  readonly predicate: Predicate | undefined;
  readonly limit: number;
  readonly token: string | null;
  /** "" or "0": now. */
  readonly resourceVersion: string;
  readonly exact: boolean;
}

export interface ListResult {
  readonly items: Doc[];
  readonly resourceVersion: string;
  readonly token?: string;
  readonly remaining?: number;
}

/** What a change makes of the object as it stands. */
export type Change = (current: Doc) => Promise<unknown> | unknown;

export interface Preconditions {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

const namespaceKind = kindOf("v1", "Namespace")!;
const accountKind = kindOf("v1", "ServiceAccount")!;

export class Registry {
  readonly store: Store;
  private readonly options: RegistryOptions;

  constructor(options: RegistryOptions) {
    this.options = options;
    this.store = options.store;
  }

  /** Wall clock in RFC 3339, in seconds as Kubernetes writes it. */
  private timestamp(): string {
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

  async list(target: Omit<Target, "name">, query: ListQuery): Promise<ListResult> {
    const prefix = prefixOf(target.kind, target.namespace);
    const start = query.token ? parseToken(query.token, prefix) : undefined;
    const revision = start?.revision ?? (query.exact ? Number(query.resourceVersion) : 0);
    try {
      const page = await this.store.list(prefix, {
        ...(start && { after: start.after }),
        ...(query.limit > 0 && { limit: query.limit }),
        revision,
      });
      const all = page.rows.map((row) => decodeRow(target.kind, target.version, row));
      const last = page.rows.at(-1);
      return {
        items: query.predicate ? all.filter(query.predicate) : all,
        resourceVersion: String(page.revision),
        ...(page.more && last && { token: makeToken(page.revision, last.key) }),
        ...(page.more && !query.predicate && { remaining: page.remaining }),
      };
    } catch (e) {
      if (!(e instanceof RevisionError)) throw e;
      throw gone(
        "The provided continue parameter or resource version is too old or unknown; list again without it.",
      );
    }
  }

  /** All stored objects of a kind, for admission. */
  private async objects(kindName: string, namespace?: string): Promise<readonly KubeObject[]> {
    const kind = kinds.find((k) => k.kind === kindName && !k.storedAs);
    if (!kind) return [];
    const page = await this.store.list(prefixOf(kind, namespace));
    return page.rows.map((row) => asObject(decodeRow(kind, kind.storageVersion, row)));
  }

  async create(target: Target, body: unknown, options: WriteOptions): Promise<Doc> {
    const { kind } = target;
    const doc = identify(target, body);
    if (doc.metadata.resourceVersion) {
      throw badRequest("resourceVersion should not be set on objects to be created");
    }
    const meta = { ...doc.metadata };
    for (const field of [
      "uid",
      "creationTimestamp",
      "generation",
      "deletionTimestamp",
      "deletionGracePeriodSeconds",
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
      const settled = await settle(target, { ...doc, metadata: meta }, options);
      settled.metadata.uid = randomUUID();
      settled.metadata.creationTimestamp = this.timestamp();
      if (kind.generation) settled.metadata.generation = 1;
      const extra = await this.beside(kind, settled, undefined);
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
    return this.change(target, () => body, options, subresource);
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
      if (uid && uid !== old.metadata.uid) {
        throw conflict(
          kind,
          name,
          `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
        );
      }
      const attemptOptions = { ...options, warnings: [] as string[] };
      const merged = await this.merge(target, next, old, attemptOptions, subresource);
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
    if (subresource === "status") {
      const base: Doc = { ...old, status: next["status"] };
      if (next.metadata.managedFields)
        base.metadata = { ...old.metadata, managedFields: next.metadata.managedFields };
      return settle(target, base, options, old);
    }
    const draft: Doc = { ...next, metadata: carryMeta(next.metadata, old.metadata) };
    if (kind.statusSubresource) {
      if (old["status"] === undefined) delete draft["status"];
      else draft["status"] = old["status"];
    }
    if (kind.group === "" && kind.kind === "Service") keepAddress(draft, old);
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
    const value = encode(kind, merged);
    if (value === row.value) return old;
    const gone =
      merged.metadata.deletionTimestamp && !merged.metadata.finalizers?.length && kind !== namespaceKind;
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
  ): Promise<{ doc: Doc; gone: boolean }> {
    const { kind } = target;
    const name = target.name!;
    for (let attempt = 0; attempt < MAX_UPDATE_TRIES; attempt++) {
      const row = await this.row(target);
      const doc = decodeRow(kind, target.version, row);
      if (pre.uid && pre.uid !== doc.metadata.uid) {
        throw conflict(
          kind,
          name,
          `Precondition failed: UID in precondition: ${pre.uid}, UID in object meta: ${doc.metadata.uid}`,
        );
      }
      if (pre.resourceVersion && pre.resourceVersion !== String(row.revision)) throw conflict(kind, name);
      await this.admit("delete", target, doc, doc, options);
      const waits = kind === namespaceKind || (doc.metadata.finalizers?.length ?? 0) > 0;
      if (options.dryRun) return { doc, gone: !waits };
      if (waits && doc.metadata.deletionTimestamp) return { doc, gone: false };
      if (waits) {
        doc.metadata.deletionTimestamp = this.timestamp();
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

/** A replacement that is silent about the address keeps it. */
function keepAddress(draft: Doc, old: Doc): void {
  const now = draft["spec"] as Record<string, unknown> | undefined;
  const was = old["spec"] as Record<string, unknown> | undefined;
  if (!now || !was || now["type"] === "ExternalName" || was["type"] === "ExternalName") return;
  if (now["clusterIP"]) return;
  draft["spec"] = { ...now, clusterIP: was["clusterIP"], clusterIPs: was["clusterIPs"] };
}

const makeToken = (revision: number, key: string): string =>
  Buffer.from(JSON.stringify({ v: 1, revision, key })).toString("base64url");

function parseToken(token: string, prefix: string): { revision: number; after: string } {
  try {
    const { v, revision, key } = JSON.parse(Buffer.from(token, "base64url").toString()) as Record<
      string,
      unknown
    >;
    if (v === 1 && Number.isSafeInteger(revision) && typeof key === "string" && key.startsWith(prefix)) {
      return { revision: revision as number, after: key };
    }
  } catch {
    // Falls through: a token that this server did not make.
  }
  throw badRequest("continue key is not valid");
}
