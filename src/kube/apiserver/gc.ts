/** The garbage collector: objects whose owners are gone go too, or wait for each other as a deletion asked. */
import type { Logger } from "../../base/index.ts";
import { type Kind, parseApiVersion } from "../kinds/index.ts";
import type { Change } from "../store/index.ts";
import { type Doc, decodeRow, keyOf } from "./document.ts";
import { quietly, removed } from "./namespaces.ts";
import { FOREGROUND, ORPHAN, type Registry } from "./registry.ts";
import { StatusError } from "./status.ts";

interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly blockOwnerDeletion?: boolean;
}
const ownersOf = (doc: Doc): readonly OwnerReference[] =>
  (doc.metadata["ownerReferences"] ?? []) as readonly OwnerReference[];

const MARK = '"ownerReferences"';

/** Follows owners and what they own. Objects without ownerReferences cost it one look for a word in their text. */
export class GarbageCollector {
  private readonly registry: Registry;
  private readonly log: Logger;
  /** Owner's uid to the keys of what it owns. */
  private readonly owned = new Map<string, Set<string>>();
  private readonly ownersOfKey = new Map<string, readonly string[]>();
  private readonly queue = new Set<string>();
  private running: Promise<void> | undefined;
  private stopWatching: (() => void) | undefined;
  private stopped = false;

  constructor(registry: Registry, log: Logger) {
    this.registry = registry;
    this.log = log;
  }

  /** Reads what is stored and follows from there; what a stop cut short goes on. */
  async start(): Promise<void> {
    this.stopWatching = this.registry.store.watch((changes) => this.onChanges(changes));
    for (const mark of [MARK, '"deletionTimestamp"']) {
      for (const row of (await this.registry.store.list("/registry/", { containing: mark })).rows) {
        this.note(row.key, JSON.parse(row.value) as Doc);
        this.enqueue(row.key);
      }
    }
  }

  /** Resolves when all that is known to be done is done. */
  async idle(): Promise<void> {
    while (this.running) await this.running;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.stopWatching?.();
    await this.running;
  }

  private onChanges(changes: readonly Change[]): void {
    for (const change of changes) {
      if (!change.key.startsWith("/registry/")) continue;
      const known = this.ownersOfKey.has(change.key);
      const owns = change.value.includes(MARK);
      const leaving = change.type === "delete" || change.value.includes('"deletionTimestamp"');
      if (!known && !owns && (!leaving || this.owned.size === 0) && !waitsForUs(change.value)) continue;
      const doc = JSON.parse(change.value) as Doc;
      if (change.type === "delete") {
        this.forget(change.key);
        for (const owner of ownersOf(doc)) this.enqueueOwner(owner, doc);
        for (const key of this.owned.get(doc.metadata.uid ?? "") ?? []) this.enqueue(key);
      } else {
        this.note(change.key, doc);
        this.enqueue(change.key);
      }
    }
  }

  private note(key: string, doc: Doc): void {
    this.forget(key);
    const owners = ownersOf(doc).map((o) => o.uid);
    if (owners.length === 0) return;
    this.ownersOfKey.set(key, owners);
    for (const uid of owners) {
      const keys = this.owned.get(uid) ?? new Set();
      keys.add(key);
      this.owned.set(uid, keys);
    }
  }

  private forget(key: string): void {
    for (const uid of this.ownersOfKey.get(key) ?? []) {
      const keys = this.owned.get(uid);
      keys?.delete(key);
      if (keys?.size === 0) this.owned.delete(uid);
    }
    this.ownersOfKey.delete(key);
  }

  private enqueueOwner(owner: OwnerReference, dependent: Doc): void {
    const kind = this.kindOf(owner);
    if (kind) this.enqueue(keyOf(kind, dependent.metadata.namespace, owner.name));
  }

  private enqueue(key: string): void {
    this.queue.add(key);
    this.running ??= this.drain().finally(() => {
      this.running = undefined;
    });
  }

  private async drain(): Promise<void> {
    // The write that brought this change is answered first.
    await new Promise((resolve) => setImmediate(resolve));
    for (const key of this.queue) {
      if (this.stopped) return;
      this.queue.delete(key);
      try {
        await this.look(key);
      } catch (e) {
        if (e instanceof StatusError && (e.code === 404 || e.code === 409)) continue;
        this.log.warn("an object could not be collected; it is looked at again at its next change or start", {
          key,
          error: e,
        });
      }
    }
  }

  private kindOf(ref: { readonly apiVersion: string; readonly kind: string }): Kind | undefined {
    const at = parseApiVersion(ref.apiVersion);
    return (
      at &&
      this.registry.catalog.kinds.find((k) => !k.storedAs && k.group === at.group && k.kind === ref.kind)
    );
  }

  private async look(key: string): Promise<void> {
    const row = await this.registry.store.get(key);
    const kind = row && this.kindOf(JSON.parse(row.value) as Doc);
    if (!row || !kind) return;
    const doc = decodeRow(kind, kind.storageVersion, row);
    const { deletionTimestamp, finalizers = [] } = doc.metadata;
    if (deletionTimestamp) {
      if (finalizers.includes(ORPHAN)) await this.orphan(kind, doc);
      else if (finalizers.includes(FOREGROUND)) await this.foreground(kind, doc);
      return;
    }
    const owners = ownersOf(doc);
    if (owners.length === 0) return;
    const states = await Promise.all(owners.map((o) => this.stateOf(o, doc)));
    if (states.every((s) => s === "gone")) {
      await this.registry.delete(targetOf(kind, doc), quietly(), { uid: doc.metadata.uid }, "Background");
    } else if (states.every((s) => s !== "here") && states.includes("leaving")) {
      const blocks = owners.some((o) => o.blockOwnerDeletion);
      const policy = blocks ? "Foreground" : "Background";
      await this.registry.delete(targetOf(kind, doc), quietly(), { uid: doc.metadata.uid }, policy);
    } else if (states.includes("gone")) {
      await this.change(kind, doc, (now) => {
        now.metadata["ownerReferences"] = ownersOf(now).filter(
          (o) => states[owners.findIndex((x) => x.uid === o.uid)] !== "gone",
        );
      });
    }
  }

  /** leaving: it waits in the foreground for what it owns. An owner of an unknown kind counts as here. */
  private async stateOf(owner: OwnerReference, dependent: Doc): Promise<"here" | "leaving" | "gone"> {
    const kind = this.kindOf(owner);
    if (!kind) return "here";
    const row = await this.registry.store.get(keyOf(kind, dependent.metadata.namespace, owner.name));
    const doc = row && (JSON.parse(row.value) as Doc);
    if (doc?.metadata.uid !== owner.uid) return "gone";
    return doc.metadata.deletionTimestamp && doc.metadata.finalizers?.includes(FOREGROUND)
      ? "leaving"
      : "here";
  }

  private async orphan(kind: Kind, owner: Doc): Promise<void> {
    for (const key of [...(this.owned.get(owner.metadata.uid!) ?? [])]) {
      await this.withDependent(key, (dependent, doc) =>
        this.change(dependent, doc, (now) => {
          now.metadata["ownerReferences"] = ownersOf(now).filter((o) => o.uid !== owner.metadata.uid);
        }),
      );
    }
    await this.release(kind, owner, ORPHAN);
  }

  private async foreground(kind: Kind, owner: Doc): Promise<void> {
    let blocked = false;
    for (const key of [...(this.owned.get(owner.metadata.uid!) ?? [])]) {
      await this.withDependent(key, async (dependent, doc) => {
        const ref = ownersOf(doc).find((o) => o.uid === owner.metadata.uid);
        const others = ownersOf(doc).filter((o) => o.uid !== owner.metadata.uid);
        const kept = (await Promise.all(others.map((o) => this.stateOf(o, doc)))).includes("here");
        if (kept) return;
        const policy = ref?.blockOwnerDeletion ? "Foreground" : "Background";
        const gone = doc.metadata.deletionTimestamp
          ? false
          : await removed(this.registry.delete(targetOf(dependent, doc), quietly(), {}, policy));
        if (!gone && ref?.blockOwnerDeletion) blocked = true;
      });
    }
    if (!blocked) await this.release(kind, owner, FOREGROUND);
  }

  private async withDependent(key: string, act: (kind: Kind, doc: Doc) => Promise<unknown>): Promise<void> {
    const row = await this.registry.store.get(key);
    const kind = row && this.kindOf(JSON.parse(row.value) as Doc);
    if (!row || !kind) return;
    await act(kind, decodeRow(kind, kind.storageVersion, row));
  }

  private async release(kind: Kind, doc: Doc, finalizer: string): Promise<void> {
    await this.change(kind, doc, (now) => {
      now.metadata.finalizers = (now.metadata.finalizers ?? []).filter((f) => f !== finalizer);
    });
  }

  private async change(kind: Kind, doc: Doc, edit: (now: Doc) => void): Promise<void> {
    const change = (now: Doc): Doc => {
      edit(now);
      delete now.metadata.resourceVersion;
      return now;
    };
    await this.registry.change(targetOf(kind, doc), change, quietly());
  }
}

const waitsForUs = (text: string): boolean =>
  text.includes(`"${FOREGROUND}"`) || text.includes(`"${ORPHAN}"`);

const targetOf = (kind: Kind, doc: Doc) => ({
  kind,
  version: kind.storageVersion,
  namespace: doc.metadata.namespace,
  name: doc.metadata.name,
});
