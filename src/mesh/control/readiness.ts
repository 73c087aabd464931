/** When a new instance may take traffic: its application is ready, and its proxy has ACKed the inbound chain. */
import type { KubeObject } from "../../kube/client/index.ts";
import { limits } from "./limits.ts";

interface Instance {
  /** The proxy has the listener that callers will use. */
  acked: boolean;
  readySince: number | undefined;
  admitted: boolean;
}

const annotation = { ready: "weft.dev/ready", lease: "weft.dev/lease" } as const;
const managed = "weft.dev/managed";

/** An instance that `weft run` looks after: with a proxy whose ACK can be awaited, and a lease. */
export function isManaged(entry: KubeObject): boolean {
  return entry.metadata.labels?.[managed] === "true";
}

/** `namespace/name` of the lease that an entry names. */
export function leaseOf(entry: KubeObject): string | undefined {
  const name = entry.metadata.annotations?.[annotation.lease];
  return name === undefined ? undefined : `${entry.metadata.namespace ?? "default"}/${name}`;
}

export class Readiness {
  private readonly instances = new Map<string, Instance>();

  /**
   * Takes in an entry's state. `initial`: found at start: whoever was ready then stays, a restart of the control
   * plane withdraws nobody.
   */
  observe(key: string, entry: KubeObject, now: number, initial: boolean): void {
    const ready = entry.metadata.annotations?.[annotation.ready] === "true";
    const instance = this.instances.get(key) ?? { acked: false, readySince: undefined, admitted: false };
    this.instances.set(key, instance);
    instance.readySince = ready ? (instance.readySince ?? now) : undefined;
    if (initial && ready) instance.admitted = true;
  }

  forget(key: string): void {
    this.instances.delete(key);
  }

  /** Its proxy has ACKed the inbound chain. True: that changed something. */
  acked(key: string): boolean {
    const instance = this.instances.get(key);
    if (instance === undefined || instance.acked) return false;
    instance.acked = true;
    return instance.readySince !== undefined && !instance.admitted;
  }

  /** May take traffic as far as proxy and time go; the application's own word is in the annotation. */
  admits(key: string, now: number): boolean {
    const instance = this.instances.get(key);
    if (instance === undefined) return true;
    if (instance.admitted) return true;
    if (instance.readySince === undefined) return false;
    if (!instance.acked && now - instance.readySince < limits.readyWithoutAckMs) return false;
    instance.admitted = true;
    return true;
  }

  /** Some instance has waited long enough. */
  due(now: number): boolean {
    for (const at of this.waits()) if (at <= now) return true;
    return false;
  }

  /** When the next instance enters by time alone, after `now`. */
  nextAt(now: number): number | undefined {
    const later = [...this.waits()].filter((at) => at > now);
    return later.length === 0 ? undefined : Math.min(...later);
  }

  private *waits(): Generator<number> {
    for (const { admitted, readySince } of this.instances.values())
      if (!admitted && readySince !== undefined) yield readySince + limits.readyWithoutAckMs;
  }
}

/** The entry as it counts for the mesh: not ready where the instance is silent or not yet admitted. */
export function withheld(entry: KubeObject): KubeObject {
  const annotations = { ...entry.metadata.annotations, [annotation.ready]: "false" };
  return { ...entry, metadata: { ...entry.metadata, annotations } };
}
