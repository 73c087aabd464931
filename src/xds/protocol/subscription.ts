/**
 * Server side of one resource type on one delta stream, without I/O: what the client wants, what it has, what it
 * was sent and said of it. Rules: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol (incremental).
 */
import type { EncodedResource, Nack } from "./types.ts";

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

export type Verdict =
  /** No nonce: a change of subscription only. */
  | { readonly kind: "subscribe" }
  /** Answers a response that is not the awaited one; its subscription changes count all the same. */
  | { readonly kind: "stale" }
  | { readonly kind: "ack" }
  | { readonly kind: "nack"; readonly nack: Nack };

/** What one response carries. */
export interface Delta {
  readonly added: readonly EncodedResource[];
  readonly removed: readonly string[];
  /** More is to come: the response was cut at the size limit, or removals are held back. */
  readonly more: boolean;
}

export interface DeltaOptions {
  /** Bytes of resources in one response; a single larger one goes alone. */
  readonly maxBytes: number;
  /** Break only after make: keep removals of what the client has for a later response. */
  readonly holdRemovals: boolean;
}

const wildcardName = "*";

interface Outstanding {
  readonly nonce: string;
  readonly added: readonly EncodedResource[];
  readonly removed: readonly string[];
}

export class DeltaSubscription {
  /** Everything, or (see `names`) what was asked for by name; both at once are allowed. */
  wildcard = false;
  private readonly names = new Set<string>();
  /** Name -> version that the client has or was sent. */
  private readonly known = new Map<string, string>();
  /** Names asked for that do not exist, and of which the client was told so. */
  private readonly absent = new Set<string>();
  /** Unsubscribed while under a wildcard: to be sent again or declared gone. */
  private readonly again = new Set<string>();
  /** In `known`, but the client said no to that version. */
  private readonly refused = new Set<string>();
  private awaited: Outstanding | undefined;
  private first = true;
  private counter = 0;
  private lastNack: Nack | undefined;
  private everSent = false;

  /** Names asked for explicitly. */
  get subscribed(): ReadonlySet<string> {
    return this.names;
  }

  /** What the client runs, by our books: sent, and not refused. */
  get versions(): ReadonlyMap<string, string> {
    if (this.refused.size === 0) return this.known;
    return new Map([...this.known].filter(([name]) => !this.refused.has(name)));
  }

  /** A response waits for its ACK. */
  get outstanding(): boolean {
    return this.awaited !== undefined;
  }

  /** The last refusal, until what was refused was sent again and ACKed, or removed. */
  get nack(): Nack | undefined {
    return this.lastNack;
  }

  get sentAnything(): boolean {
    return this.everSent;
  }

  /** Takes a request in; afterwards ask `next` whether something is to be sent. */
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
    return this.judge(request);
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
  }

  private unsubscribe(name: string): void {
    if (name !== wildcardName) this.refused.delete(name);
    if (name === wildcardName) {
      this.wildcard = false;
      // What nobody asked for by name is forgotten: the client drops it by itself.
      for (const known of [...this.known.keys()]) if (!this.names.has(known)) this.known.delete(known);
      return;
    }
    this.names.delete(name);
    this.absent.delete(name);
    // Under a wildcard the answer is the resource again (or its removal): see `missing`.
    this.known.delete(name);
    if (this.wildcard) this.again.add(name);
  }

  private judge(request: DeltaRequest): Verdict {
    if (request.nonce === "") return { kind: "subscribe" };
    const awaited = this.awaited;
    if (awaited === undefined || request.nonce !== awaited.nonce) return { kind: "stale" };
    this.awaited = undefined;
    if (request.error === undefined) {
      this.forgive();
      return { kind: "ack" };
    }
    // The versions stay in `known`: what was refused is sent again only when it changes. No hot loop.
    const names = namesIn(
      request.error,
      awaited.added.map((r) => r.name),
    );
    for (const name of names) this.refused.add(name);
    this.lastNack = { names, message: request.error };
    return { kind: "nack", nack: this.lastNack };
  }

  /** An ACK of something else does not make good what was refused before and is still refused. */
  private forgive(): void {
    if (this.lastNack === undefined) return;
    const names = this.lastNack.names.filter((name) => this.refused.has(name));
    this.lastNack = names.length === 0 ? undefined : { names, message: this.lastNack.message };
  }

  /** What is to be sent now; undefined: nothing, or a response is outstanding. Changes nothing: see `sent`. */
  next(resources: ReadonlyMap<string, EncodedResource>, options: DeltaOptions): Delta | undefined {
    if (this.first || this.awaited !== undefined) return undefined;
    const added: EncodedResource[] = [];
    let bytes = 0;
    let more = false;
    for (const resource of this.wanted(resources)) {
      if (this.known.get(resource.name) === resource.version) continue;
      if (added.length > 0 && bytes + resource.bytes.length > options.maxBytes) {
        more = true;
        break;
      }
      added.push(resource);
      bytes += resource.bytes.length;
    }
    const gone = more ? [] : this.gone(resources);
    if (gone.length > 0 && options.holdRemovals) more = true;
    const removed = [...(options.holdRemovals ? [] : gone), ...this.missing(resources)];
    if (added.length === 0 && removed.length === 0) {
      // The first answer under a wildcard is due even when empty: clients wait for it to become ready.
      if (!this.wildcard || this.everSent || more) return undefined;
    }
    return { added, removed, more };
  }

  private *wanted(resources: ReadonlyMap<string, EncodedResource>): Generator<EncodedResource> {
    if (this.wildcard) {
      yield* resources.values();
      return;
    }
    for (const name of this.names) {
      const resource = resources.get(name);
      if (resource !== undefined) yield resource;
    }
  }

  /** The client has it, and it is no more. */
  private gone(resources: ReadonlyMap<string, EncodedResource>): string[] {
    return [...this.known.keys()].filter((name) => !resources.has(name));
  }

  /** The client asked for it, has it not, and it does not exist. */
  private missing(resources: ReadonlyMap<string, EncodedResource>): string[] {
    const asked = [...this.names].filter((name) => !this.absent.has(name));
    return [...new Set([...asked, ...this.again])].filter(
      (name) => !this.known.has(name) && !resources.has(name),
    );
  }

  /** Removals that `next` would hold back. */
  holdsRemovals(resources: ReadonlyMap<string, EncodedResource>): boolean {
    return !this.first && this.gone(resources).length > 0;
  }

  /** The delta of `next` is on its way; returns its nonce. */
  sent(delta: Delta): string {
    const nonce = `${++this.counter}`;
    for (const { name, version } of delta.added) {
      this.known.set(name, version);
      this.refused.delete(name);
      this.absent.delete(name);
    }
    for (const name of delta.removed) {
      this.known.delete(name);
      this.refused.delete(name);
      if (this.names.has(name)) this.absent.add(name);
    }
    this.again.clear();
    this.awaited = { nonce, added: delta.added, removed: delta.removed };
    this.everSent = true;
    return nonce;
  }

  /** Forgets what was sent of these names, so that they are sent again. */
  resend(names: Iterable<string>): void {
    for (const name of names) this.known.delete(name);
  }
}

/** Characters that names are made of: a name within a longer word is not meant. */
const wordBefore = /[\w|-]$/;
const wordAfter = /^[\w|-]/;

/** Which of `names` the message mentions, the longer names first; all of them where it mentions none. */
export function namesIn(message: string, names: readonly string[]): readonly string[] {
  let rest = message;
  const found = new Set<string>();
  for (const name of [...names].sort((a, b) => b.length - a.length)) {
    if (name === "") continue;
    for (let at = rest.indexOf(name); at >= 0; at = rest.indexOf(name, at + 1)) {
      const end = at + name.length;
      if (wordBefore.test(rest.slice(Math.max(0, at - 1), at)) || wordAfter.test(rest.slice(end, end + 1)))
        continue;
      found.add(name);
      rest = `${rest.slice(0, at)}\0${rest.slice(end)}`;
    }
  }
  return found.size === 0 ? names : names.filter((name) => found.has(name));
}
