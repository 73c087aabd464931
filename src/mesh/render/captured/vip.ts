/** Virtual addresses for services that have none: what DNS answers with, and what connections are caught by. */
import type { Service } from "../../model/index.ts";

/** 240.240.0.0/16 and fd77:240::/64: neither is routed anywhere. */
export const vipRanges = ["240.240.0.0/16", "fd77:240::/64"] as const;

/** Last octets 0 and 255 are left out, as Istio does: programs take them for networks and broadcasts. */
const perOctet = 254;
export const maxVips = 256 * perOctet;

export interface VirtualAddresses {
  readonly v4: string;
  readonly v6: string;
}

/**
 * One address pair a host, by the host's hash: the same in every control plane, and with few exceptions (a collision
 * with a host that sorts before it) the same whatever other services come and go. Beyond `maxVips` hosts: none.
 */
export function virtualAddresses(services: readonly Service[]): ReadonlyMap<string, VirtualAddresses> {
  const hosts = services
    .filter((s) => !s.headless && s.addresses.length === 0 && !s.host.startsWith("*"))
    .map((s) => s.host);
  const taken = new Uint8Array(maxVips);
  const found = new Map<string, VirtualAddresses>();
  for (const host of hosts.sort().slice(0, maxVips)) {
    let slot = Bun.hash.xxHash32(host) % maxVips;
    while (taken[slot] === 1) slot = (slot + 1) % maxVips;
    taken[slot] = 1;
    found.set(host, addressesAt(slot));
  }
  return found;
}

function addressesAt(slot: number): VirtualAddresses {
  const high = Math.floor(slot / perOctet);
  const low = (slot % perOctet) + 1;
  return { v4: `240.240.${high}.${low}`, v6: `fd77:240::${((high << 8) | low).toString(16)}` };
}

/** By which connections to the service are known. */
export function addressesOf(
  service: Service,
  vips: ReadonlyMap<string, VirtualAddresses>,
): readonly string[] {
  if (service.addresses.length > 0) return service.addresses;
  const own = vips.get(service.host);
  return own === undefined ? [] : [own.v4, own.v6];
}
