/** Writes statuses through the status subresource: only what changed, a few at a time, never faster than the limit. */
import { type Clock, type Logger, sameJson, type Timer } from "../../base/index.ts";
import {
  isKubeError,
  type KindRef,
  type KubeClient,
  type KubeObject,
  refs,
} from "../../kube/client/index.ts";
import type { ObjectStatus } from "../translate/index.ts";
import { limits } from "./limits.ts";
import { type GuestStatus, guestStatus, type WrittenStatus, writtenStatus } from "./object-status.ts";
import type { Refusal } from "./refusals.ts";

export interface StatusWriterOptions {
  readonly client: Pick<KubeClient, "patch">;
  readonly clock: Clock;
  readonly log: Logger;
  /** The object as the informers have it. */
  readonly current: (ref: KindRef, namespace: string, name: string) => KubeObject | undefined;
}

interface Wanted {
  readonly judged: ObjectStatus;
  readonly refusals: readonly Refusal[];
  readonly ref: KindRef;
  tries: number;
}

/** Kinds that have a status of Istio's shape, and Service, in whose status only a refusal is told. */
const writable: ReadonlyMap<string, KindRef> = new Map(
  [
    refs.virtualService,
    refs.destinationRule,
    refs.peerAuthentication,
    refs.serviceProfile,
    refs.serviceEntry,
    refs.sidecar,
    refs.rateLimit,
    refs.service,
  ].map((ref) => [ref.kind, ref]),
);

/** Without times: those alone are no change. */
const essence = (status: Partial<WrittenStatus> | GuestStatus | undefined): unknown => {
  if (status === undefined) return undefined;
  const conditions = (status.conditions ?? []).map(({ lastTransitionTime: _time, ...rest }) => rest);
  const messages = "validationMessages" in status ? status.validationMessages : undefined;
  return { ...status, conditions, validationMessages: messages ?? [] };
};

export class StatusWriter {
  private readonly options: StatusWriterOptions;
  /** Newest wish by object; the order is the order of writing. */
  private readonly queue = new Map<string, Wanted>();
  /** What was last written, by object and uid: a server that prunes a field must not make us write for ever. */
  private readonly written = new Map<string, { uid: string | undefined; essence: unknown }>();
  private running = 0;
  private tokens: number = limits.statusPerSecond;
  private refilled: number;
  private timer: Timer | undefined;
  private stopped = false;

  constructor(options: StatusWriterOptions) {
    this.options = options;
    this.refilled = options.clock.now();
  }

  /** The statuses that should stand; those that do are left alone. */
  want(statuses: readonly ObjectStatus[], refusals: ReadonlyMap<string, readonly Refusal[]>): void {
    const keys = new Set<string>();
    for (const judged of statuses) {
      const ref = writable.get(judged.ref.kind);
      if (ref === undefined) continue;
      const key = `${judged.ref.kind}/${judged.ref.namespace}/${judged.ref.name}`;
      keys.add(key);
      const wanted = { judged, refusals: refusals.get(key) ?? [], ref, tries: 0 };
      if (this.due(key, wanted) !== undefined) this.queue.set(key, wanted);
      else this.queue.delete(key);
    }
    for (const key of this.written.keys()) if (!keys.has(key)) this.written.delete(key);
    for (const key of this.queue.keys()) if (!keys.has(key)) this.queue.delete(key);
    this.pump();
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
    this.queue.clear();
  }

  /** What is to be written now; undefined: nothing. */
  private due(key: string, wanted: Wanted): WrittenStatus | GuestStatus | undefined {
    const { namespace, name } = wanted.judged.ref;
    const object = this.options.current(wanted.ref, namespace, name);
    if (object === undefined) return undefined;
    // Judged before its latest change came in: the next translation says more.
    if ((object.metadata.generation ?? 0) !== wanted.judged.generation) return undefined;
    const before = object.status as WrittenStatus | undefined;
    const iso = new Date(this.options.clock.wall()).toISOString();
    const status =
      wanted.ref === refs.service
        ? guestStatus(wanted.refusals, before, iso)
        : writtenStatus(wanted.judged, wanted.refusals, before, iso);
    if (status === undefined) return undefined;
    const now = essence(status);
    const last = this.written.get(key);
    if (last !== undefined && last.uid === object.metadata.uid && sameJson(last.essence, now))
      return undefined;
    const there = wanted.ref === refs.service ? { conditions: before?.conditions ?? [] } : before;
    return sameJson(essence(there), now) ? undefined : status;
  }

  private takeToken(): boolean {
    const now = this.options.clock.now();
    const gained = ((now - this.refilled) * limits.statusPerSecond) / 1000;
    this.tokens = Math.min(limits.statusPerSecond, this.tokens + gained);
    this.refilled = now;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }

  private pump(): void {
    while (!this.stopped && this.running < limits.statusConcurrency) {
      const [next] = this.queue;
      if (next === undefined) return;
      if (!this.takeToken()) {
        this.later(1000 / limits.statusPerSecond);
        return;
      }
      this.queue.delete(next[0]);
      this.running++;
      void this.write(...next).finally(() => {
        this.running--;
        this.pump();
      });
    }
  }

  private later(ms: number): void {
    this.timer?.cancel();
    this.timer = this.options.clock.after(ms, () => this.pump());
  }

  private async write(key: string, wanted: Wanted): Promise<void> {
    const status = this.due(key, wanted);
    if (status === undefined) return;
    const { namespace, name } = wanted.judged.ref;
    const uid = this.options.current(wanted.ref, namespace, name)?.metadata.uid;
    try {
      await this.options.client.patch(wanted.ref, { namespace, name }, { status }, { subresource: "status" });
      this.written.set(key, { uid, essence: essence(status) });
    } catch (error) {
      this.failed(key, wanted, error);
    }
  }

  private failed(key: string, wanted: Wanted, error: unknown): void {
    if (this.stopped || isKubeError(error, 404)) return;
    const tries = wanted.tries + 1;
    if (tries > limits.statusRetries) {
      this.options.log.warn(`status of ${key} cannot be written`, { error: String(error) });
      return;
    }
    this.options.clock.after(limits.statusRetryMs * tries, () => {
      // A newer wish goes first.
      if (!this.queue.has(key)) this.queue.set(key, { ...wanted, tries });
      this.pump();
    });
  }
}
