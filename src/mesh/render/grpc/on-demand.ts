import type { RenderedResource } from "../types.ts";
import { maxRemembered } from "./limits.ts";

type Entry = [string, RenderedResource];

/** Rendered when it is asked for by name; whoever asks for everything gets nothing, as from Istio. */
export class OnDemand implements ReadonlyMap<string, RenderedResource> {
  readonly size = 0;
  private readonly made = new Map<string, RenderedResource>();
  private readonly make: (name: string) => RenderedResource | undefined;

  constructor(make: (name: string) => RenderedResource | undefined) {
    this.make = make;
  }

  get(name: string): RenderedResource | undefined {
    const known = this.made.get(name);
    if (known !== undefined) return known;
    const fresh = this.make(name);
    if (fresh !== undefined && this.made.size < maxRemembered) this.made.set(name, fresh);
    return fresh;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  forEach(): void {}

  entries(): MapIterator<Entry> {
    return new Map<string, RenderedResource>().entries();
  }

  keys(): MapIterator<string> {
    return new Map<string, RenderedResource>().keys();
  }

  values(): MapIterator<RenderedResource> {
    return new Map<string, RenderedResource>().values();
  }

  [Symbol.iterator](): MapIterator<Entry> {
    return this.entries();
  }
}
