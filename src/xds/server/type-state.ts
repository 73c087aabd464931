/** One type of one stream: the subscription, and the times and timers around it. */
import type { Timer } from "../../base/index.ts";
import type { Nack, Resources, Subscription } from "../protocol/index.ts";
import type { SyncState, TypeStatus } from "./types.ts";

export class TypeState<Request> {
  readonly typeUrl: string;
  readonly subscription: Subscription<Request>;
  /** May differ from what the client has: ask the source. */
  dirty = true;
  /** A map all of which the client was told (or refused), and nothing was asked for since. */
  seen: Resources | undefined;
  /** The ACK is late: later types need not wait for it any more. */
  overdue = false;
  private late: Timer | undefined;
  private sentAt: number | undefined;
  private ackedAt: number | undefined;
  private refusedAt = 0;
  private pushes = 0;
  private refusals = 0;

  constructor(typeUrl: string, subscription: Subscription<Request>) {
    this.typeUrl = typeUrl;
    this.subscription = subscription;
  }

  /** Later types wait for this one. */
  get blocks(): boolean {
    return this.subscription.outstanding && !this.overdue;
  }

  /** Something may be due whatever was seen before. */
  look(): void {
    this.dirty = true;
    this.seen = undefined;
  }

  sent(at: number, late: Timer): void {
    this.sentAt = at;
    this.pushes++;
    this.overdue = false;
    this.late = late;
  }

  answered(at: number, nack: Nack | undefined): void {
    this.late?.cancel();
    this.overdue = false;
    if (nack === undefined) this.ackedAt = at;
    else {
      this.refusedAt = at;
      this.refusals++;
    }
  }

  close(): void {
    this.late?.cancel();
  }

  private get state(): SyncState {
    if (!this.subscription.sentAnything) return "NOT SENT";
    return this.subscription.outstanding || this.subscription.nack !== undefined || this.dirty
      ? "STALE"
      : "SYNCED";
  }

  status(): TypeStatus {
    const { nack } = this.subscription;
    return {
      typeUrl: this.typeUrl,
      state: this.state,
      resources: this.subscription.versions.size,
      ...(this.sentAt === undefined ? {} : { sentAt: this.sentAt }),
      ...(this.ackedAt === undefined ? {} : { ackedAt: this.ackedAt }),
      pushes: this.pushes,
      refusals: this.refusals,
      ...(nack === undefined ? {} : { nack: { ...nack, at: this.refusedAt } }),
    };
  }
}
