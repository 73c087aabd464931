/** The informers behind the control plane, and the objects as they count for the mesh. */
import { type Clock, type Logger, type Rng, sameJson } from "../../base/index.ts";
import {
  createInformer,
  type Informer,
  type InformerChange,
  type KindRef,
  type KubeClient,
  type KubeObject,
  refs,
} from "../../kube/client/index.ts";
import { Janitor } from "./janitor.ts";
import { LeaseJudge } from "./lease-judge.ts";
import { limits } from "./limits.ts";
import { isManaged, leaseOf, Readiness, withheld } from "./readiness.ts";

export interface InputsOptions {
  readonly client: Pick<KubeClient, "listAll" | "watch" | "delete">;
  /**
   * `namespace/name` of a Lease that this very process renews: while its renewals do not come back by the watch, the
   * silence of others proves nothing. It counts from when it was first seen: an account may not be allowed to write it.
   */
  readonly heartbeat?: string | undefined;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** `config`: everything must be translated anew; `endpoints`: the short way will do. */
  readonly onChange: (what: "config" | "endpoints") => void;
}

/** What translation reads. A cluster need not serve them all. */
export const meshKinds: readonly { ref: KindRef; what: "config" | "endpoints"; fieldSelector?: string }[] = [
  { ref: refs.service, what: "config" },
  { ref: refs.endpointSlice, what: "endpoints" },
  { ref: refs.pod, what: "endpoints" },
  { ref: refs.workloadEntry, what: "endpoints" },
  { ref: refs.virtualService, what: "config" },
  { ref: refs.destinationRule, what: "config" },
  { ref: refs.serviceEntry, what: "config" },
  { ref: refs.sidecar, what: "config" },
  { ref: refs.rateLimit, what: "config" },
  { ref: refs.peerAuthentication, what: "config" },
  { ref: refs.serviceProfile, what: "config" },
  // MeshConfig only: a cluster has thousands of others.
  { ref: refs.configMap, what: "config", fieldSelector: "metadata.name=istio" },
];

const keyOf = (o: KubeObject): string => `${o.metadata.namespace ?? "default"}/${o.metadata.name}`;

/** Only the status (or bookkeeping) changed: our own writes must not make us translate again. */
function sameMeaning(a: KubeObject, b: KubeObject): boolean {
  const { generation } = a.metadata;
  if (generation === undefined || generation !== b.metadata.generation) return false;
  const { labels, annotations } = a.metadata;
  return (
    sameJson([labels, annotations], [b.metadata.labels, b.metadata.annotations]) && sameJson(a.spec, b.spec)
  );
}

export class Inputs {
  private readonly options: InputsOptions;
  private readonly informers = new Map<KindRef, Informer>();
  private readonly leases: Informer;
  private readonly readiness = new Readiness();
  private readonly judge: LeaseJudge;
  private expired: ReadonlySet<string> = new Set();
  private readonly withheldCopies = new WeakMap<KubeObject, KubeObject>();
  private initial = true;
  private readonly janitor: Janitor;
  private heartbeatAt: number | undefined;
  private heartbeatSince = 0;

  constructor(options: InputsOptions) {
    this.options = options;
    this.judge = new LeaseJudge(options.clock.now());
    this.janitor = new Janitor({ client: options.client, log: options.log });
    const shared = { clock: options.clock, rng: options.rng, log: options.log, optional: true };
    for (const { ref, what, fieldSelector } of meshKinds)
      this.informers.set(
        ref,
        createInformer(options.client, ref, {
          ...shared,
          fieldSelector,
          onChange: (change) => this.changed(ref, what, change),
        }),
      );
    this.leases = createInformer(options.client, refs.lease, {
      ...shared,
      // A lease that was deleted and perhaps made again: its silence counts from its last renewal.
      onChange: ({ type, object }) => {
        if (type !== "deleted") this.seen(object);
      },
    });
  }

  /** Resolves when everything was listed once. */
  async start(): Promise<void> {
    const all = [...this.informers.values(), this.leases];
    for (const informer of all) informer.start();
    await Promise.all(all.map((i) => i.synced));
    this.initial = false;
  }

  stop(): void {
    for (const informer of [...this.informers.values(), this.leases]) informer.stop();
  }

  private changed(ref: KindRef, what: "config" | "endpoints", change: InformerChange): void {
    if (ref === refs.workloadEntry) this.workload(change);
    if (change.old !== undefined && sameMeaning(change.old, change.object)) return;
    this.options.onChange(what);
  }

  private workload({ type, object, old }: InformerChange): void {
    const key = keyOf(object);
    const now = this.options.clock.now();
    const lease = leaseOf(object);
    const before = old === undefined ? undefined : leaseOf(old);
    if (before !== undefined && before !== lease) this.judge.forget(before);
    if (type === "deleted" || !isManaged(object)) {
      this.readiness.forget(key);
      if (lease !== undefined) this.judge.forget(lease);
      return;
    }
    this.readiness.observe(key, object, now, this.initial);
    if (lease === undefined) return;
    this.judge.expect(lease, now);
    const [namespace, name] = lease.split("/") as [string, string];
    const known = this.leases.get(namespace, name);
    if (known !== undefined) this.seen(known);
  }

  private seen(lease: KubeObject): void {
    const spec = lease["spec"] as { renewTime?: unknown } | undefined;
    const mark = `${lease.metadata.resourceVersion} ${String(spec?.renewTime)}`;
    const key = keyOf(lease);
    const now = this.options.clock.now();
    if (key === this.options.heartbeat) {
      if (this.heartbeatAt !== undefined && now - this.heartbeatAt > limits.leaseSilentMs)
        this.heartbeatSince = now;
      this.heartbeatAt = now;
    }
    this.judge.observe(key, mark, now);
    if (this.expired.has(key)) this.options.onChange("endpoints");
  }

  /** Judges leases and readiness; returns whether an endpoint changed, and when to look again. */
  review(): { changed: boolean; nextAt: number | undefined } {
    const now = this.options.clock.now();
    const verdict = this.judge.judge(now, this.watchingSince(now));
    const moved =
      verdict.expired.size !== this.expired.size ||
      [...verdict.expired].some((key) => !this.expired.has(key));
    if (moved) this.report(verdict.expired);
    this.expired = verdict.expired;
    const entries = this.informers.get(refs.workloadEntry)?.list() ?? [];
    const sweepAt = this.janitor.sweep(now, this.expired, entries, this.leases.list());
    const times = [verdict.nextAt, this.readiness.nextAt(now), sweepAt].filter((t) => t !== undefined);
    return {
      changed: moved || this.readiness.due(now),
      nextAt: times.length === 0 ? undefined : Math.min(...times),
    };
  }

  /** Since when other instances' renewals would be seen here. */
  private watchingSince(now: number): number | undefined {
    const { watchingSince } = this.leases;
    if (watchingSince === undefined || this.heartbeatAt === undefined) return watchingSince;
    if (now - this.heartbeatAt > limits.leaseSilentMs) return undefined;
    return Math.max(watchingSince, this.heartbeatSince);
  }

  private report(expired: ReadonlySet<string>): void {
    for (const key of expired)
      if (!this.expired.has(key)) this.options.log.warn("instance is silent and leaves", { lease: key });
    for (const key of this.expired)
      if (!expired.has(key)) this.options.log.info("instance is heard again or gone", { lease: key });
  }

  /** A proxy ACKed the inbound chain of its workload. True: it may enter now. */
  acked(namespace: string, workload: string): boolean {
    return this.readiness.acked(`${namespace}/${workload}`);
  }

  workloadEntry(namespace: string, name: string): KubeObject | undefined {
    return this.informers.get(refs.workloadEntry)?.get(namespace, name);
  }

  object(ref: KindRef, namespace: string, name: string): KubeObject | undefined {
    return this.informers.get(ref)?.get(ref.namespaced ? namespace : "", name);
  }

  /** Everything that translation reads; instances that may not take traffic appear as not ready. */
  objects(): KubeObject[] {
    const now = this.options.clock.now();
    return [...this.informers].flatMap(([ref, informer]) =>
      ref === refs.workloadEntry
        ? informer.list().map((entry) => this.effective(entry, now))
        : informer.list(),
    );
  }

  private effective(entry: KubeObject, now: number): KubeObject {
    if (!isManaged(entry)) return entry;
    const lease = leaseOf(entry);
    const silent = lease !== undefined && this.expired.has(lease);
    if (!silent && this.readiness.admits(keyOf(entry), now)) return entry;
    const copy = this.withheldCopies.get(entry) ?? withheld(entry);
    this.withheldCopies.set(entry, copy);
    return copy;
  }
}
