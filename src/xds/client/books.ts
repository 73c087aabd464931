/** Client side of the types, without I/O: what runs, what is wanted and from which feed, what to ask for. */
import type { Any } from "@bufbuild/protobuf/wkt";
import { pushOrder, typeUrl } from "../protocol/index.ts";
import type { FirstRequest, NameChange } from "./feed.ts";
import type { ApplyError, ConfigUpdate } from "./types.ts";

/** Something that is wanted by name, and the feed that has it. */
export interface Want {
  readonly typeUrl: string;
  readonly name: string;
  readonly feed: string;
}

/** A change of what is wanted of a type from a feed. */
export interface FeedChange extends NameChange {
  readonly typeUrl: string;
  readonly feed: string;
  /** All names after it. */
  readonly wanted: readonly string[];
}

class TypeBooks {
  readonly versions = new Map<string, string>();
  readonly resources = new Map<string, Any>();
  /** Feed that is asked for everything; undefined: names only. */
  readonly everything: string | undefined;
  /** Name -> feed. */
  wanted: ReadonlyMap<string, string> = new Map();
  /** Wanted names that the server said do not exist. */
  readonly absent = new Set<string>();
  /** Of each resource, what it refers to. */
  readonly references = new Map<string, readonly Want[]>();
  answered = false;

  constructor(everything: string | undefined) {
    this.everything = everything;
  }

  forget(name: string): void {
    this.versions.delete(name);
    this.resources.delete(name);
    this.references.delete(name);
  }

  namesFrom(feed: string): string[] {
    return [...this.wanted].filter(([, from]) => from === feed).map(([name]) => name);
  }
}

/** All types that a proxy takes: those that name others come before what they name. */
const clientTypes: readonly string[] = [...pushOrder, typeUrl.nameTable, typeUrl.secret];

export class Books {
  private readonly types = new Map<string, TypeBooks>();
  private readonly fixed: readonly Want[];

  /** `everything`: type -> feed that is asked for all of it; `fixed`: wanted whatever resources say. */
  constructor(everything: ReadonlyMap<string, string>, fixed: readonly Want[] = []) {
    this.fixed = fixed;
    for (const url of clientTypes) this.types.set(url, new TypeBooks(everything.get(url)));
    this.rewant();
  }

  /** False: asked for no more (or never); an answer that crossed the unsubscription. */
  wants(url: string, name: string): boolean {
    const type = this.types.get(url);
    return type !== undefined && (type.everything !== undefined || type.wanted.has(name));
  }

  knows(url: string): boolean {
    return this.types.has(url);
  }

  /** What runs was sent again, perhaps under another version. */
  renew(url: string, name: string, version: string): void {
    this.types.get(url)?.versions.set(name, version);
  }

  /** Some response of the type was applied (or loaded). */
  answered(url: string): boolean {
    return this.types.get(url)?.answered ?? false;
  }

  /** What runs under that name, as it came. */
  resource(url: string, name: string): Any | undefined {
    return this.types.get(url)?.resources.get(name);
  }

  names(url: string): readonly string[] {
    return [...(this.types.get(url)?.versions.keys() ?? [])];
  }

  get versions(): ReadonlyMap<string, ReadonlyMap<string, string>> {
    return new Map([...this.types].map(([url, t]) => [url, new Map(t.versions)]));
  }

  /** Everything that is wanted was received, or declared absent. */
  get synced(): boolean {
    for (const type of this.types.values()) {
      if (type.everything !== undefined && !type.answered) return false;
    }
    return [...this.types.keys()].every((url) => this.missing(url).length === 0);
  }

  /** Names wanted of which nothing was heard. */
  missing(url: string): readonly string[] {
    const type = this.types.get(url);
    if (type === undefined) return [];
    return [...type.wanted.keys()].filter((name) => !type.versions.has(name) && !type.absent.has(name));
  }

  /** Feeds that something is asked of. */
  get feeds(): ReadonlySet<string> {
    const all = [...this.types.values()].flatMap((t) => [t.everything, ...t.wanted.values()]);
    return new Set(all.filter((f) => f !== undefined));
  }

  /** The first request of each type on a new stream, in push order. A type of which nothing is wanted is left out. */
  firstRequests(feed: string): FirstRequest[] {
    const requests: FirstRequest[] = [];
    for (const [url, type] of this.types) {
      const names = type.namesFrom(feed);
      if (type.everything !== feed && names.length === 0) continue;
      const everything = type.everything === feed;
      const known = [...type.versions].filter(([name]) => everything || type.wanted.get(name) === feed);
      requests.push({ typeUrl: url, names: everything ? [] : names, versions: Object.fromEntries(known) });
    }
    return requests;
  }

  /**
   * Books what the sink made of an update: refused resources keep their previous version. `references`: of each added
   * resource. Returns how subscriptions change; names no longer wanted are dropped here too.
   */
  applied(
    update: ConfigUpdate,
    errors: readonly ApplyError[],
    references: ReadonlyMap<string, readonly Want[]>,
  ): readonly FeedChange[] {
    const type = this.types.get(update.typeUrl);
    if (type === undefined) return [];
    const bad = new Set(errors.map((e) => e.name));
    type.answered = true;
    for (const { name, version, any } of update.added) {
      type.absent.delete(name);
      if (bad.has(name)) continue;
      type.versions.set(name, version);
      type.resources.set(name, any);
      type.references.set(name, references.get(name) ?? []);
    }
    for (const name of update.removed) {
      type.forget(name);
      if (type.wanted.has(name)) type.absent.add(name);
    }
    const refers = update.typeUrl === typeUrl.cluster || update.typeUrl === typeUrl.listener;
    return refers ? this.rewant() : [];
  }

  private rewant(): readonly FeedChange[] {
    const now = new Map<string, Map<string, string>>();
    const all = [...this.types.values()].flatMap((t) => [...t.references.values()].flat());
    for (const { typeUrl: url, name, feed } of [...this.fixed, ...all]) {
      const names = now.get(url) ?? new Map<string, string>();
      // The first that names it decides where it comes from.
      if (!names.has(name)) names.set(name, feed);
      now.set(url, names);
    }
    return [...this.types].flatMap(([url, type]) => this.turn(url, type, now.get(url) ?? new Map()));
  }

  private turn(url: string, type: TypeBooks, now: ReadonlyMap<string, string>): FeedChange[] {
    const before = type.wanted;
    type.wanted = now;
    const fresh = [...now].filter(([name, feed]) => before.get(name) !== feed);
    const old = [...before].filter(([name, feed]) => now.get(name) !== feed);
    for (const [name] of old)
      if (!now.has(name)) {
        type.absent.delete(name);
        type.forget(name);
      }
    return [...new Set([...fresh, ...old].map(([, feed]) => feed))].map((feed) => {
      const of = (list: [string, string][]): string[] => list.filter((e) => e[1] === feed).map((e) => e[0]);
      return {
        typeUrl: url,
        feed,
        subscribe: of(fresh),
        unsubscribe: of(old),
        wanted: type.namesFrom(feed),
      };
    });
  }

  /** Everything that runs, as updates in push order, for the last good snapshot; secrets are not kept. */
  snapshot(): ConfigUpdate[] {
    const named = this.types.get(typeUrl.nameTable)?.everything !== undefined ? [typeUrl.nameTable] : [];
    return [...pushOrder, ...named].map((url) => ({
      typeUrl: url,
      added: [...(this.types.get(url)?.resources ?? [])].map(([name, any]) => ({
        name,
        version: this.types.get(url)?.versions.get(name) ?? "",
        any,
      })),
      removed: [],
    }));
  }
}
