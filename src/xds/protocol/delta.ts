/**
 * Server side of one resource type on one delta stream, without I/O: what the client wants, what it has, what it
 * was sent and said of it. Rules: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol (incremental).
 */
import type { Changes } from "./changes.ts";
import {
  Answering,
  type Push,
  type PushOptions,
  type Subscription,
  type Verdict,
  wildcardName,
} from "./subscription.ts";
import type { EncodedResource, Resources } from "./types.ts";

/** The parts of a DeltaDiscoveryRequest that matter here. */
export interface DeltaRequest {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Only looked at in the first request of a type. */
  readonly initialVersions: Readonly<Record<string, string>>;
  readonly nonce: string;
  /** error_detail.message; absent: no refusal. */
  readonly error?: string | undefined;
}

export class DeltaSubscription extends Answering implements Subscription<DeltaRequest> {
  wildcard = false;
  private readonly names = new Set<string>();
  /** Name -> version that the client has or was sent. */
  private readonly known = new Map<string, string>();
  /** Names asked for that do not exist, and of which the client was told so. */
  private readonly absent = new Set<string>();
  /** Names asked for that were not answered yet. */
  private readonly pending = new Set<string>();
  /** Unsubscribed while under a wildcard: to be sent again or declared gone. */
  private readonly again = new Set<string>();
  private first = true;

  get subscribed(): ReadonlySet<string> {
    return this.names;
  }

  get versions(): ReadonlyMap<string, string> {
    const { refused } = this.answers;
    if (refused.size === 0) return this.known;
    return new Map([...this.known].filter(([name]) => !refused.has(name)));
  }

  has({ name, version }: EncodedResource): boolean {
    return this.known.get(name) === version;
  }

  get version(): string {
    return this.answers.nonce;
  }

  request(request: DeltaRequest): Verdict {
    const first = this.first;
    this.first = false;
    if (first) {
      for (const [name, version] of Object.entries(request.initialVersions)) this.known.set(name, version);
      // Legacy wildcard: a first request that names nothing wants everything.
      if (request.subscribe.length === 0) this.wildcard = true;
    }
    for (const name of request.unsubscribe) this.unsubscribe(name);
    for (const name of request.subscribe) this.subscribe(name, first);
    // The versions stay in `known`: what was refused is sent again only when it changes. No hot loop.
    const asks = first || request.subscribe.length > 0 || request.unsubscribe.length > 0;
    return this.answers.judge(request.nonce, request.error, asks);
  }

  private subscribe(name: string, first: boolean): void {
    if (name === wildcardName) {
      this.wildcard = true;
      return;
    }
    this.names.add(name);
    // Asking (again) for a name obliges an answer; only a reconnect says what is already there.
    this.absent.delete(name);
    if (!first) this.known.delete(name);
    if (!this.known.has(name)) this.pending.add(name);
  }

  private unsubscribe(name: string): void {
    if (name !== wildcardName) this.answers.refused.delete(name);
    if (name === wildcardName) {
      this.wildcard = false;
      // What nobody asked for by name is forgotten: the client drops it by itself.
      for (const known of [...this.known.keys()]) if (!this.names.has(known)) this.known.delete(known);
      return;
    }
    this.names.delete(name);
    this.absent.delete(name);
    this.pending.delete(name);
    // Under a wildcard the answer is the resource again (or its removal): see `missing`.
    this.known.delete(name);
    if (this.wildcard) this.again.add(name);
  }

  next(resources: Resources, options: PushOptions): Push | undefined {
    if (this.first || this.outstanding) return undefined;
    const added: EncodedResource[] = [];
    let bytes = 0;
    let more = false;
    for (const resource of this.wanted(resources, options.changes)) {
      if (this.known.get(resource.name) === resource.version) continue;
      if (added.length > 0 && bytes + resource.bytes.length > options.maxBytes) {
        more = true;
        break;
      }
      added.push(resource);
      bytes += resource.bytes.length;
    }
    const gone = more ? [] : this.gone(resources, options.changes);
    if (gone.length > 0 && options.holdRemovals) more = true;
    const removed = [...(options.holdRemovals ? [] : gone), ...this.missing(resources)];
    if (added.length === 0 && removed.length === 0) {
      // The first answer under a wildcard is due even when empty: clients wait for it to become ready.
      if (!this.wildcard || this.sentAnything || more) return undefined;
    }
    return { added, removed, more };
  }

  private wanted(resources: Resources, changes?: Changes): Iterable<EncodedResource> {
    if (changes !== undefined)
      return changes.updated.filter(({ name }) => this.wildcard || this.names.has(name));
    if (this.wildcard) return resources.values();
    const found: EncodedResource[] = [];
    for (const name of this.names) {
      const resource = resources.get(name);
      if (resource !== undefined) found.push(resource);
    }
    return found;
  }

  /** The client has it, and it is no more. */
  private gone(resources: Resources, changes?: Changes): string[] {
    if (changes !== undefined) return changes.removed.filter((name) => this.known.has(name));
    const gone: string[] = [];
    for (const name of this.known.keys()) if (!resources.has(name)) gone.push(name);
    return gone;
  }

  /** The client asked for it, has it not, and it does not exist. */
  private missing(resources: Resources): string[] {
    const missing: string[] = [];
    for (const name of this.pending) if (!resources.has(name)) missing.push(name);
    for (const name of this.again)
      if (!this.known.has(name) && !this.pending.has(name) && !resources.has(name)) missing.push(name);
    return missing;
  }

  holdsRemovals(resources: Resources): boolean {
    return !this.first && this.gone(resources).length > 0;
  }

  sent(push: Push): string {
    for (const { name, version } of push.added) {
      this.known.set(name, version);
      this.absent.delete(name);
      this.pending.delete(name);
    }
    for (const name of push.removed) {
      this.known.delete(name);
      this.pending.delete(name);
      if (this.names.has(name)) this.absent.add(name);
    }
    this.again.clear();
    return this.answers.send(push);
  }

  resend(names: Iterable<string>): void {
    for (const name of names) {
      this.known.delete(name);
      if (this.names.has(name)) this.pending.add(name);
    }
  }
}
