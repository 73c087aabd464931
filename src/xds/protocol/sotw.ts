/**
 * Server side of one resource type on one state-of-the-world stream, without I/O. A response of LDS or CDS is the whole
 * state: what is not in it is gone. Of the other types it holds what is new or changed; nothing can be removed there,
 * the listener or cluster that named it goes. Rules:
 * https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol (basic protocol, "how the client specifies what
 * resources to return").
 */
import {
  Answering,
  type Push,
  type PushOptions,
  type Subscription,
  type Verdict,
  wildcardName,
} from "./subscription.ts";
import { type EncodedResource, type Resources, typeUrl } from "./types.ts";

/** The parts of a DiscoveryRequest that matter here. */
export interface SotwRequest {
  /** All that is wanted from now on, not a change of it. */
  readonly names: readonly string[];
  readonly nonce: string;
  /** error_detail.message; absent: no refusal. */
  readonly error?: string | undefined;
}

/** A response is the whole state, and a first request without names asks for everything. */
const wholeTypes: ReadonlySet<string> = new Set([typeUrl.cluster, typeUrl.listener]);

/** True for LDS and CDS. */
export const isWhole = (url: string): boolean => wholeTypes.has(url);

export class SotwSubscription extends Answering implements Subscription<SotwRequest> {
  wildcard = false;
  private names: ReadonlySet<string> = new Set();
  /** What the client has or was sent; kept whole, to be sent again while a removal is held back. */
  private readonly known = new Map<string, EncodedResource>();
  private readonly whole: boolean;
  private first = true;
  /** Some request named something: from then on an empty list means nothing, not everything. */
  private everNamed = false;
  /** An answer is owed even where nothing changed. */
  private due = false;

  constructor(url: string) {
    super();
    this.whole = isWhole(url);
  }

  get subscribed(): ReadonlySet<string> {
    return this.names;
  }

  get versions(): ReadonlyMap<string, string> {
    const { refused } = this.answers;
    const own = [...this.known.values()].filter(({ name }) => !refused.has(name));
    return new Map(own.map(({ name, version }) => [name, version]));
  }

  has({ name, version }: EncodedResource): boolean {
    return this.known.get(name)?.version === version;
  }

  /** Of the content, so that replicas of a server agree on it. */
  get version(): string {
    const parts = [...this.known.values()].map(({ name, version }) => `${name}\0${version}`);
    return Bun.hash(parts.sort().join("\n")).toString(16).padStart(16, "0");
  }

  request(request: SotwRequest): Verdict {
    const asks = this.want(request.names) || this.first;
    this.first = false;
    const { nonce, outstanding } = this.answers;
    // The last response was answered before: the client changes what it wants.
    if (!outstanding && request.nonce === nonce) return { kind: "subscribe", asks };
    return this.answers.judge(request.nonce, request.error, asks);
  }

  /** True: something is wanted that was not before. */
  private want(list: readonly string[]): boolean {
    const names = new Set(list);
    const legacy = this.whole && list.length === 0 && !this.everNamed;
    this.everNamed ||= list.length > 0;
    const wildcard = names.delete(wildcardName) || legacy;
    const fresh = [...names].filter((name) => !this.names.has(name));
    const more = fresh.length > 0 || (wildcard && !this.wildcard);
    this.names = names;
    this.wildcard = wildcard;
    for (const name of [...this.known.keys()])
      if (!wildcard && !names.has(name)) {
        this.known.delete(name);
        this.answers.refused.delete(name);
      }
    if (this.whole) this.due ||= more;
    // Asking (again) for a name obliges an answer.
    else for (const name of fresh) this.known.delete(name);
    return more;
  }

  next(resources: Resources, options: PushOptions): Push | undefined {
    if (this.first || this.outstanding) return undefined;
    return this.whole ? this.nextWhole(resources, options) : this.nextPart(resources, options);
  }

  private nextWhole(resources: Resources, { holdRemovals }: PushOptions): Push | undefined {
    const wanted = this.wanted(resources);
    const gone = this.gone(resources);
    const changed = wanted.some((r) => !this.has(r));
    if (!changed && !this.due && (holdRemovals || gone.length === 0)) return undefined;
    if (!holdRemovals) return { added: wanted, removed: gone.map((r) => r.name), more: false };
    return { added: [...wanted, ...gone], removed: [], more: gone.length > 0 };
  }

  private nextPart(resources: Resources, { maxBytes }: PushOptions): Push | undefined {
    const added: EncodedResource[] = [];
    let bytes = 0;
    for (const resource of this.wanted(resources)) {
      if (this.has(resource)) continue;
      if (added.length > 0 && bytes + resource.bytes.length > maxBytes)
        return { added, removed: [], more: true };
      added.push(resource);
      bytes += resource.bytes.length;
    }
    return added.length === 0 ? undefined : { added, removed: [], more: false };
  }

  private wanted(resources: Resources): EncodedResource[] {
    if (this.wildcard) return [...resources.values()];
    return [...this.names].map((name) => resources.get(name)).filter((r) => r !== undefined);
  }

  /** The client has it, and it is no more. */
  private gone(resources: Resources): EncodedResource[] {
    return [...this.known.values()].filter(({ name }) => !resources.has(name));
  }

  holdsRemovals(resources: Resources): boolean {
    return this.whole && !this.first && this.gone(resources).length > 0;
  }

  sent(push: Push): string {
    for (const resource of push.added) this.known.set(resource.name, resource);
    for (const name of push.removed) this.known.delete(name);
    this.due = false;
    return this.answers.send(push);
  }

  resend(names: Iterable<string>): void {
    for (const name of names) this.known.delete(name);
  }
}
