/** NACKs of proxies, by the object that caused what they refuse. */
import {
  type EncodedResource,
  type Nack,
  type NodeInfo,
  shortTypeName,
  typeUrl,
} from "../../xds/protocol/index.ts";
import { ownersOf } from "./owners.ts";

export interface Refusal {
  readonly node: string;
  /** Of the object that is to blame. */
  readonly field: string;
  readonly message: string;
}

interface Entry extends Refusal {
  readonly object: string;
  readonly resource: string;
}

export class Refusals {
  /** node -> type URL -> what it refuses now. */
  private readonly nodes = new Map<NodeInfo, Map<string, readonly Entry[]>>();
  /** Route tables that a node took: where it only says that a new one is wrong, what is new in it is to blame. */
  private readonly tables = new WeakMap<NodeInfo, Map<string, EncodedResource>>();

  /** `resources`: what the node was sent of the type. */
  nack(node: NodeInfo, url: string, nack: Nack, resources: ReadonlyMap<string, EncodedResource>): void {
    const entries = nack.names.flatMap((name) => {
      const resource = resources.get(name);
      if (resource === undefined) return [];
      const message = `${shortTypeName(url)} ${nack.message}`;
      return ownersOf(resource, nack.message, this.tables.get(node)?.get(name)).map((o) => ({
        resource: name,
        object: o.object,
        field: o.field,
        node: node.id,
        message,
      }));
    });
    const types = this.nodes.get(node) ?? new Map<string, readonly Entry[]>();
    this.nodes.set(node, types.set(url, entries));
  }

  /**
   * `versions`: what the node runs; what it refused and still is to have stays refused. True: something changed.
   */
  ack(
    node: NodeInfo,
    url: string,
    versions: ReadonlyMap<string, string>,
    resources: ReadonlyMap<string, EncodedResource>,
  ): boolean {
    if (url === typeUrl.route) this.took(node, versions, resources);
    const types = this.nodes.get(node);
    const entries = types?.get(url);
    if (types === undefined || entries === undefined) return false;
    const still = entries.filter((e) => !versions.has(e.resource) && resources.has(e.resource));
    if (still.length === 0) types.delete(url);
    else types.set(url, still);
    return still.length !== entries.length;
  }

  private took(
    node: NodeInfo,
    versions: ReadonlyMap<string, string>,
    resources: ReadonlyMap<string, EncodedResource>,
  ): void {
    const tables = this.tables.get(node) ?? new Map<string, EncodedResource>();
    for (const [name, version] of versions) {
      const table = resources.get(name);
      if (table?.version === version) tables.set(name, table);
    }
    for (const name of tables.keys()) if (!versions.has(name)) tables.delete(name);
    this.tables.set(node, tables);
  }

  forget(node: NodeInfo): boolean {
    return this.nodes.delete(node);
  }

  /** Object (`Kind/namespace/name`) -> what is refused of it. */
  byObject(): ReadonlyMap<string, readonly Refusal[]> {
    const objects = new Map<string, Refusal[]>();
    for (const types of this.nodes.values())
      for (const { object, resource: _name, ...refusal } of [...types.values()].flat())
        objects.set(object, [...(objects.get(object) ?? []), refusal]);
    return objects;
  }
}
