/** Client side of the four types, without I/O: what runs, what is wanted, what to ask for. */
import type { Any } from "@bufbuild/protobuf/wkt";
import { pushOrder, typeUrl } from "../protocol/index.ts";
import { endpointsOf, routesOf } from "./references.ts";
import type { ApplyError, ConfigUpdate } from "./types.ts";

/** A change of subscription. */
export interface NameChange {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
}

export interface FirstRequest extends NameChange {
  readonly typeUrl: string;
  readonly initialVersions: Readonly<Record<string, string>>;
}

/** Type whose resources name others -> type of the others, and how to find the names. */
const references: ReadonlyMap<
  string,
  { readonly to: string; readonly of: (bytes: Uint8Array) => readonly string[] }
> = new Map([
  [typeUrl.cluster, { to: typeUrl.endpoints, of: endpointsOf }],
  [typeUrl.listener, { to: typeUrl.route, of: routesOf }],
]);

class TypeBooks {
  readonly versions = new Map<string, string>();
  readonly resources = new Map<string, Any>();
  /** Undefined: wildcard. */
  readonly wanted: Set<string> | undefined;
  /** Wanted names that the server said do not exist. */
  readonly absent = new Set<string>();
  /** Of each resource, the names it refers to. */
  readonly names = new Map<string, readonly string[]>();
  answered = false;

  constructor(named: boolean) {
    this.wanted = named ? new Set() : undefined;
  }
}

/** What the sink took in but is unreadable here refers to nothing. */
function namesOf(of: (bytes: Uint8Array) => readonly string[], any: Any): readonly string[] {
  try {
    return of(any.value);
  } catch {
    return [];
  }
}

export class ClientState {
  private readonly types = new Map<string, TypeBooks>();

  constructor() {
    const named = new Set([...references.values()].map((r) => r.to));
    for (const url of pushOrder) this.types.set(url, new TypeBooks(named.has(url)));
  }

  private books(url: string): TypeBooks | undefined {
    return this.types.get(url);
  }

  knows(url: string): boolean {
    return this.types.has(url);
  }

  /** False: asked for no more (or never); an answer that crossed the unsubscription. */
  wants(url: string, name: string): boolean {
    return this.books(url)?.wanted?.has(name) ?? true;
  }

  /** Some response of the type was applied (or loaded). */
  answered(url: string): boolean {
    return this.books(url)?.answered ?? false;
  }

  get versions(): ReadonlyMap<string, ReadonlyMap<string, string>> {
    return new Map([...this.types].map(([url, t]) => [url, new Map(t.versions)]));
  }

  /** Everything that is wanted was received, or declared absent. */
  get synced(): boolean {
    for (const type of this.types.values()) {
      if (type.wanted === undefined && !type.answered) return false;
      for (const name of type.wanted ?? [])
        if (!type.versions.has(name) && !type.absent.has(name)) return false;
    }
    return true;
  }

  /** The first request of each type on a new stream, in push order. A named type that wants nothing is left out. */
  firstRequests(): FirstRequest[] {
    const requests: FirstRequest[] = [];
    for (const [url, type] of this.types) {
      if (type.wanted !== undefined && type.wanted.size === 0) continue;
      requests.push({
        typeUrl: url,
        subscribe: [...(type.wanted ?? [])],
        unsubscribe: [],
        initialVersions: Object.fromEntries(type.versions),
      });
    }
    return requests;
  }

  /**
   * Books what the sink made of an update: refused resources keep their previous version. Returns the change of
   * subscriptions that follows for the type it refers to; names no longer wanted are dropped here too.
   */
  applied(
    update: ConfigUpdate,
    errors: readonly ApplyError[],
  ): { typeUrl: string; change: NameChange } | undefined {
    const type = this.books(update.typeUrl);
    if (type === undefined) return undefined;
    const bad = new Set(errors.map((e) => e.name));
    type.answered = true;
    for (const { name, version, any } of update.added) {
      type.absent.delete(name);
      if (bad.has(name)) continue;
      type.versions.set(name, version);
      type.resources.set(name, any);
    }
    for (const name of update.removed) {
      type.versions.delete(name);
      type.resources.delete(name);
      type.names.delete(name);
      if (type.wanted?.has(name) === true) type.absent.add(name);
    }
    const reference = references.get(update.typeUrl);
    if (reference === undefined) return undefined;
    for (const { name, any } of update.added)
      if (!bad.has(name)) type.names.set(name, namesOf(reference.of, any));
    return { typeUrl: reference.to, change: this.rewant(type, reference.to) };
  }

  private rewant(from: TypeBooks, to: string): NameChange {
    const type = this.books(to);
    const wanted = type?.wanted;
    if (type === undefined || wanted === undefined) return { subscribe: [], unsubscribe: [] };
    const now = new Set([...from.names.values()].flat());
    const subscribe = [...now].filter((name) => !wanted.has(name));
    const unsubscribe = [...wanted].filter((name) => !now.has(name));
    for (const name of subscribe) wanted.add(name);
    for (const name of unsubscribe) {
      wanted.delete(name);
      type.absent.delete(name);
      type.versions.delete(name);
      type.resources.delete(name);
    }
    return { subscribe, unsubscribe };
  }

  /** Everything that runs, as updates in push order, for the last good snapshot. */
  snapshot(): ConfigUpdate[] {
    return [...this.types].map(([url, type]) => ({
      typeUrl: url,
      added: [...type.resources].map(([name, any]) => ({
        name,
        version: type.versions.get(name) ?? "",
        any,
      })),
      removed: [],
    }));
  }
}
