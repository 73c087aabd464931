/**
 * One client's stream. Pulls from the source when it may send: one response outstanding per type, the four types of
 * `pushOrder` one after the other, removals of clusters and endpoints after everything that could name them.
 */
import type { Clock, Logger, Timer } from "../../base/index.ts";
import { grpcCode, type ServerStream } from "../../wire/grpc/index.ts";
import {
  type ChangeBook,
  type EncodedResource,
  type NodeInfo,
  type Push,
  pushOrder,
  shortTypeName,
  typeUrl,
} from "../protocol/index.ts";
import { limits } from "./limits.ts";
import type { PushSlots } from "./push-slots.ts";
import { TypeState } from "./type-state.ts";
import type { ProxyStatus, ResourceSource } from "./types.ts";
import type { Variant } from "./variants.ts";

export interface StreamOptions<Request> {
  readonly variant: Variant<Request>;
  readonly node: NodeInfo;
  readonly source: ResourceSource;
  readonly transport: Pick<ServerStream<unknown>, "write" | "end" | "peer">;
  readonly slots: PushSlots;
  /** Shared by all streams of a server. */
  readonly book: ChangeBook;
  readonly clock: Clock;
  readonly log: Logger;
}

const breakLast = new Set<string>([typeUrl.cluster, typeUrl.endpoints]);

type Outcome = "nothing" | "sent" | "wait";

export class AdsStream<Request> {
  readonly node: NodeInfo;
  private readonly options: StreamOptions<Request>;
  private readonly types = new Map<string, TypeState<Request>>();
  private readonly connectedAt: number;
  private readonly unsubscribe: () => void;
  /** A client that reconnects asks for one type after the other: what it has may be named by a type to come. */
  private settling: Timer | undefined;
  private scheduled = false;
  private closed = false;
  /** The transport is full. */
  private full: Timer | undefined;
  /** Type whose response holds a place among the big ones. */
  private slot: { typeUrl: string; timer: Timer } | undefined;

  constructor(options: StreamOptions<Request>) {
    this.options = options;
    this.node = options.node;
    this.connectedAt = options.clock.wall();
    this.settling = options.clock.after(limits.settleMs, () => {
      this.settling = undefined;
      this.schedule();
    });
    this.unsubscribe = options.source.subscribe(options.node, (changed) => this.changed(changed));
    options.source.onConnect?.(options.node);
  }

  /** Takes one request of the client. */
  request(url: string, request: Request): void {
    if (this.closed) return;
    let type = this.types.get(url);
    if (type === undefined) {
      if (this.types.size >= limits.maxTypes) {
        this.refuse(`more than ${limits.maxTypes} types`);
        return;
      }
      type = new TypeState(url, this.options.variant.subscription(url));
      this.types.set(url, type);
    }
    const verdict = type.subscription.request(request);
    const names = [...this.types.values()].reduce((n, t) => n + t.subscription.subscribed.size, 0);
    if (names > limits.maxNames) {
      this.refuse(`more than ${limits.maxNames} names`);
      return;
    }
    if (verdict.asks || !type.subscription.sentAnything) type.look();
    if (verdict.kind === "ack") this.answered(type, undefined);
    if (verdict.kind === "nack") this.answered(type, verdict.nack);
    this.schedule();
  }

  private answered(
    type: TypeState<Request>,
    nack: { names: readonly string[]; message: string } | undefined,
  ): void {
    const { source, clock, log } = this.options;
    if (this.slot?.typeUrl === type.typeUrl) this.giveSlot();
    type.answered(clock.wall(), nack);
    if (nack === undefined) source.onAck?.(this.node, type.typeUrl, type.subscription.versions);
    else {
      log.warn(`${this.node.id} refused ${shortTypeName(type.typeUrl)}`, {
        names: nack.names,
        reason: nack.message,
      });
      source.onNack?.(this.node, type.typeUrl, nack, type.subscription.versions);
    }
  }

  private refuse(why: string): void {
    this.options.transport.end({ code: grpcCode.resourceExhausted, message: why });
  }

  private changed(urls: ReadonlySet<string> | "all"): void {
    for (const type of this.types.values()) if (urls === "all" || urls.has(type.typeUrl)) type.dirty = true;
    this.schedule();
  }

  /** Many changes in one turn of the event loop make one look at the source. */
  private schedule(): void {
    if (this.scheduled || this.closed) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      this.pump();
    });
  }

  private readonly pump = (): void => {
    if (this.closed || this.full !== undefined) return;
    for (const type of this.types.values()) {
      if (pushOrder.includes(type.typeUrl)) continue;
      if (this.offer(type, false) === "wait") return;
      if (this.full !== undefined) return;
    }
    const ordered = pushOrder.map((url) => this.types.get(url)).filter((t) => t !== undefined);
    for (const hold of [true, false]) {
      let clustersOpen = false;
      for (const type of ordered) {
        // Envoy ACKs clusters only when they are warm, and they are when their endpoints are there.
        if (type.blocks && type.typeUrl === typeUrl.cluster) {
          clustersOpen = true;
          continue;
        }
        if (type.blocks || (clustersOpen && type.typeUrl !== typeUrl.endpoints)) return;
        if (this.offer(type, (hold || !this.settled) && breakLast.has(type.typeUrl)) !== "nothing") return;
      }
    }
  };

  private get settled(): boolean {
    if (this.settling === undefined) return true;
    return this.types.has(typeUrl.listener) && this.types.has(typeUrl.route);
  }

  private offer(type: TypeState<Request>, holdRemovals: boolean): Outcome {
    if (!type.dirty || type.subscription.outstanding) return "nothing";
    const resources = this.options.source.resources(this.node, type.typeUrl);
    if (resources === undefined) return "nothing";
    if (type.seen === resources) {
      type.dirty = false;
      return "nothing";
    }
    const changes = type.seen && this.options.book.between(type.seen, resources);
    const maxBytes = limits.maxResponseBytes;
    const push = type.subscription.next(resources, { maxBytes, holdRemovals, changes });
    if (push === undefined) {
      type.dirty = holdRemovals && type.subscription.holdsRemovals(resources);
      if (!type.dirty) type.seen = resources;
      return "nothing";
    }
    const bytes = push.added.reduce((sum, r) => sum + r.bytes.length, 0);
    if (bytes >= limits.smallPushBytes && !this.takeSlot(type.typeUrl)) return "wait";
    type.dirty = push.more;
    type.seen = push.more ? undefined : resources;
    this.send(type, push);
    return "sent";
  }

  private send(type: TypeState<Request>, push: Push): void {
    const { clock, transport, variant } = this.options;
    const changed = push.added.filter((r) => !type.subscription.has(r));
    const nonce = type.subscription.sent(push);
    const late = clock.after(limits.ackWaitMs, () => {
      type.overdue = true;
      this.options.log.warn(`${this.node.id} has not answered ${shortTypeName(type.typeUrl)} for 10 s`);
      this.schedule();
    });
    type.sent(clock.wall(), late);
    if (type.typeUrl === typeUrl.cluster) this.rewarm(changed);
    const { version } = type.subscription;
    const more = transport.write(variant.encode({ typeUrl: type.typeUrl, nonce, version, ...push }));
    if (!more) this.waitForDrain();
  }

  /** Envoy warms a changed cluster anew, and waits for its endpoints even where they did not change. */
  private rewarm(clusters: readonly EncodedResource[]): void {
    if (!this.node.userAgent.startsWith("envoy")) return;
    const endpoints = this.types.get(typeUrl.endpoints);
    if (endpoints === undefined) return;
    endpoints.subscription.resend(clusters.map((c) => c.name));
    endpoints.look();
  }

  private waitForDrain(): void {
    this.full ??= this.options.clock.after(limits.sendTimeoutMs, () => {
      this.options.log.warn(`${this.node.id} does not read; its stream is closed`);
      this.options.transport.end({ code: grpcCode.deadlineExceeded, message: "the client does not read" });
    });
  }

  /** The transport takes bytes again. */
  drained(): void {
    this.full?.cancel();
    this.full = undefined;
    this.schedule();
  }

  private takeSlot(url: string): boolean {
    if (this.slot !== undefined) this.giveSlot();
    if (!this.options.slots.take(this.pump)) return false;
    const timer = this.options.clock.after(limits.pushSlotMs, () => this.giveSlot());
    this.slot = { typeUrl: url, timer };
    return true;
  }

  private giveSlot(): void {
    if (this.slot === undefined) return;
    this.slot.timer.cancel();
    this.slot = undefined;
    this.options.slots.give();
  }

  /** Gone; idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.full?.cancel();
    this.settling?.cancel();
    for (const type of this.types.values()) type.close();
    this.options.slots.forget(this.pump);
    this.giveSlot();
    this.unsubscribe();
    this.options.source.onDisconnect?.(this.node);
  }

  status(): ProxyStatus {
    const { id, cluster, userAgent, principal, metadata } = this.node;
    const order = (t: TypeState<Request>): number => {
      const at = pushOrder.indexOf(t.typeUrl);
      return at < 0 ? pushOrder.length : at;
    };
    const types = [...this.types.values()].sort((a, b) => order(a) - order(b)).map((t) => t.status());
    const { address } = this.options.transport.peer;
    return { id, cluster, userAgent, principal, metadata, address, connectedAt: this.connectedAt, types };
  }
}
