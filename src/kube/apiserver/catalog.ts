/** All kinds that are served: those of the table, and those that users defined. */
import { type Kind, kinds } from "../kinds/index.ts";

export class Catalog {
  private readonly defined = new Map<string, Kind>();
  private list: readonly Kind[] = kinds;
  private readonly builtInKinds = new Map(kinds.map((k) => [`${k.group}/${k.kind}`, k]));
  private readonly builtInPlurals = new Map(kinds.map((k) => [`${k.group}/${k.plural}`, k]));
  private readonly plurals = new Map(this.builtInPlurals);
  private changes = 0;

  /** Every kind, in the order of discovery. */
  get kinds(): readonly Kind[] {
    return this.list;
  }
  /** Grows with each change of what is defined: descriptions of the API are made anew. */
  get version(): number {
    return this.changes;
  }

  /** The kind behind a path segment (`virtualservices`), if this version of it is served. */
  ofResource(group: string, version: string, plural: string): Kind | undefined {
    const found = this.plurals.get(`${group}/${plural}`);
    return found?.versions.includes(version) ? found : undefined;
  }

  /** The kind that the table itself has under a name; a user's definition of it changes nothing. */
  builtIn(group: string, plural: string, kind: string): Kind | undefined {
    return this.builtInPlurals.get(`${group}/${plural}`) ?? this.builtInKinds.get(`${group}/${kind}`);
  }

  /** Another definition that already has one of the names in the group; undefined: they are free. */
  clash(name: string, kind: Kind): Kind | undefined {
    for (const [other, taken] of this.defined) {
      if (other === name || taken.group !== kind.group) continue;
      if (taken.kind === kind.kind || taken.plural === kind.plural || taken.singular === kind.singular)
        return taken;
    }
    return undefined;
  }

  /** Serves the kind of a definition (by the definition's name), or no longer. */
  define(name: string, kind: Kind | undefined): void {
    if (kind && !this.builtIn(kind.group, kind.plural, kind.kind)) this.defined.set(name, kind);
    else if (!this.defined.delete(name)) return;
    this.changes++;
    this.list = [...kinds, ...this.defined.values()];
    this.plurals.clear();
    for (const k of this.list)
      if (!this.plurals.has(`${k.group}/${k.plural}`)) this.plurals.set(`${k.group}/${k.plural}`, k);
  }

  /** The defined kind of a definition's name. */
  definedBy(name: string): Kind | undefined {
    return this.defined.get(name);
  }
}
