/** What both variants of the protocol have in common: one type of one stream, seen from the server, without I/O. */
import type { Changes } from "./changes.ts";
import { namesIn } from "./names-in.ts";
import type { EncodedResource, Nack, Resources } from "./types.ts";

/** What a request says of responses, and `asks`: whether it asks for something that may have to be sent now. */
export type Verdict = { readonly asks: boolean } & (
  | /** A change of subscription only. */ { readonly kind: "subscribe" }
  /** Answers a response that is not the awaited one; its subscription changes count all the same. */
  | { readonly kind: "stale" }
  | { readonly kind: "ack" }
  | { readonly kind: "nack"; readonly nack: Nack }
);

/** What one response carries. */
export interface Push {
  readonly added: readonly EncodedResource[];
  /** State of the world: not written, but no longer known. */
  readonly removed: readonly string[];
  /** More is to come: the response was cut at the size limit, or removals are held back. */
  readonly more: boolean;
}

export interface PushOptions {
  /** Bytes of resources in one response; a single larger one goes alone. The whole of LDS or CDS is never cut. */
  readonly maxBytes: number;
  /** Break only after make: keep removals of what the client has for a later response. */
  readonly holdRemovals: boolean;
  /** All of another map was told: what is different from it is all that need be looked at. Absent: look at all. */
  readonly changes?: Changes | undefined;
}

export interface Subscription<Request> {
  /** Everything, beside what was asked for by name. */
  readonly wildcard: boolean;
  /** Names asked for explicitly. */
  readonly subscribed: ReadonlySet<string>;
  /** What the client runs, by our books: sent, and not refused. */
  readonly versions: ReadonlyMap<string, string>;
  /** The client has, or was sent, the resource in this version. */
  has(resource: EncodedResource): boolean;
  /** A response waits for its ACK. */
  readonly outstanding: boolean;
  /** The last refusal, until what was refused was sent again and ACKed, or removed. */
  readonly nack: Nack | undefined;
  readonly sentAnything: boolean;
  /** For system_version_info or version_info of the response that was just `sent`. */
  readonly version: string;
  /** Takes a request in; afterwards ask `next` whether something is to be sent. */
  request(request: Request): Verdict;
  /** What is to be sent now; undefined: nothing, or a response is outstanding. Changes nothing: see `sent`. */
  next(resources: Resources, options: PushOptions): Push | undefined;
  /** Removals that `next` would hold back. */
  holdsRemovals(resources: Resources): boolean;
  /** The push of `next` is on its way; returns its nonce. */
  sent(push: Push): string;
  /** Forgets what was sent of these names, so that they are sent again. */
  resend(names: Iterable<string>): void;
}

export const wildcardName = "*";

/** Nonces, ACKs and refusals. */
class Answers {
  /** Sent, but the client said no to that version. */
  readonly refused = new Set<string>();
  private awaited: { readonly nonce: string; readonly names: readonly string[] } | undefined;
  private lastNack: Nack | undefined;
  private counter = 0;

  get outstanding(): boolean {
    return this.awaited !== undefined;
  }

  get nack(): Nack | undefined {
    return this.lastNack;
  }

  /** Of the last response; empty: none was sent. */
  get nonce(): string {
    return this.counter === 0 ? "" : `${this.counter}`;
  }

  /** A response goes out; returns its nonce. */
  send({ added, removed }: Push): string {
    for (const { name } of added) this.refused.delete(name);
    for (const name of removed) this.refused.delete(name);
    this.counter++;
    this.awaited = { nonce: this.nonce, names: added.map((r) => r.name) };
    return this.nonce;
  }

  judge(nonce: string, error: string | undefined, asks: boolean): Verdict {
    if (nonce === "") return { kind: "subscribe", asks };
    const awaited = this.awaited;
    if (awaited === undefined || nonce !== awaited.nonce) return { kind: "stale", asks };
    this.awaited = undefined;
    if (error === undefined) {
      this.forgive();
      return { kind: "ack", asks };
    }
    const names = namesIn(error, awaited.names);
    for (const name of names) this.refused.add(name);
    this.lastNack = { names, message: error };
    return { kind: "nack", nack: this.lastNack, asks };
  }

  /** An ACK of something else does not make good what was refused before and is still refused. */
  private forgive(): void {
    if (this.lastNack === undefined) return;
    const names = this.lastNack.names.filter((name) => this.refused.has(name));
    this.lastNack = names.length === 0 ? undefined : { names, message: this.lastNack.message };
  }
}

/** What a subscription of either variant tells of its answers. */
export abstract class Answering {
  protected readonly answers = new Answers();

  get outstanding(): boolean {
    return this.answers.outstanding;
  }

  get nack(): Nack | undefined {
    return this.answers.nack;
  }

  get sentAnything(): boolean {
    return this.answers.nonce !== "";
  }
}
