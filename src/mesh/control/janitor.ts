/** Removes what dead instances leave behind: their WorkloadEntries and Leases, after a bounded time. */
import type { Logger } from "../../base/index.ts";
import {
  isKubeError,
  type KindRef,
  type KubeClient,
  type KubeObject,
  refs,
} from "../../kube/client/index.ts";
import { limits } from "./limits.ts";
import { isManaged, leaseOf } from "./readiness.ts";

export interface JanitorOptions {
  readonly client: Pick<KubeClient, "delete">;
  readonly log: Logger;
}

const keyOf = (o: KubeObject): string => `${o.metadata.namespace ?? "default"}/${o.metadata.name}`;

/**
 * Only what this process itself has seen silent for the whole grace goes, and only in the state it was seen in: an
 * instance that comes back at that moment wins, and one that was cut off registers again when it is back.
 */
export class Janitor {
  private readonly options: JanitorOptions;
  /** Lease -> since when its instance is out. */
  private readonly silent = new Map<string, number>();
  /** Leases that no WorkloadEntry names: `version` and since when it has not changed. */
  private readonly orphans = new Map<string, { readonly version: string; readonly since: number }>();
  private readonly busy = new Set<string>();
  private sweptAt: number | undefined;

  constructor(options: JanitorOptions) {
    this.options = options;
  }

  /** `expired`: leases whose instances are out now. Returns when to look again; undefined: nothing to wait for. */
  sweep(
    now: number,
    expired: ReadonlySet<string>,
    entries: readonly KubeObject[],
    leases: readonly KubeObject[],
  ): number | undefined {
    for (const key of expired) if (!this.silent.has(key)) this.silent.set(key, now);
    for (const key of this.silent.keys()) if (!expired.has(key)) this.silent.delete(key);
    if (this.sweptAt === undefined || now - this.sweptAt >= limits.sweepMs) {
      this.sweptAt = now;
      this.sweepEntries(now, entries, leases);
      this.sweepLeases(now, entries, leases);
    }
    const waiting = this.silent.size + this.orphans.size > 0;
    return waiting ? this.sweptAt + limits.sweepMs : undefined;
  }

  private sweepEntries(now: number, entries: readonly KubeObject[], leases: readonly KubeObject[]): void {
    if (this.silent.size === 0) return;
    const byKey = new Map(leases.map((l) => [keyOf(l), l]));
    for (const entry of entries) {
      const lease = isManaged(entry) ? leaseOf(entry) : undefined;
      const since = lease === undefined ? undefined : this.silent.get(lease);
      if (lease === undefined || since === undefined || now - since < limits.entryGraceMs) continue;
      const held = byKey.get(lease);
      void this.remove(refs.workloadEntry, entry).then((gone) => {
        if (gone && held !== undefined) void this.remove(refs.lease, held);
      });
    }
  }

  private sweepLeases(now: number, entries: readonly KubeObject[], leases: readonly KubeObject[]): void {
    const named = new Set(entries.map(leaseOf));
    const present = new Set<string>();
    for (const lease of leases) {
      const key = keyOf(lease);
      if (!isManaged(lease) || named.has(key)) continue;
      present.add(key);
      const version = lease.metadata.resourceVersion ?? "";
      const known = this.orphans.get(key);
      if (known?.version !== version) this.orphans.set(key, { version, since: now });
      else if (now - known.since >= limits.entryGraceMs) void this.remove(refs.lease, lease);
    }
    for (const key of this.orphans.keys()) if (!present.has(key)) this.orphans.delete(key);
  }

  /** True: it is gone. One that changed meanwhile stays. */
  private async remove(ref: KindRef, object: KubeObject): Promise<boolean> {
    const { namespace, name, uid, resourceVersion } = object.metadata;
    const id = `${ref.plural}/${keyOf(object)}`;
    if (this.busy.has(id)) return false;
    this.busy.add(id);
    try {
      const state = {
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      };
      await this.options.client.delete(
        ref,
        { name, ...(namespace === undefined ? {} : { namespace }) },
        state,
      );
      this.options.log.info(`${ref.kind} of a dead instance removed`, { name: keyOf(object) });
      return true;
    } catch (error) {
      if (isKubeError(error, 404)) return true;
      if (!isKubeError(error, 409))
        this.options.log.warn(`${ref.kind} of a dead instance could not be removed`, {
          error: String(error),
        });
      return false;
    } finally {
      this.busy.delete(id);
    }
  }
}
