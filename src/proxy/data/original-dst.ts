/** Connections that redirect rules brought here: where they were meant to go, and who takes them. */
import { unmapped } from "../../wire/ip/index.ts";
import { type Destination, originalDestination } from "../../wire/socket/index.ts";
import type { Socket } from "./socket.ts";
import type { ConnectionInfo } from "./stream-info.ts";

export type Addresses = Pick<ConnectionInfo, "remoteAddress" | "remotePort" | "localAddress" | "localPort">;

/** A listener, as one that hands connections off sees it. */
export interface Acceptor {
  take(socket: Socket, addresses: Addresses): void;
}

export function addressesOf(socket: Socket): Addresses {
  return {
    remoteAddress: socket.remoteAddress,
    remotePort: socket.remotePort,
    localAddress: socket.localAddress,
    localPort: socket.localPort,
  };
}

/** Reads SO_ORIGINAL_DST; tests give their own. */
export type Restore = (fd: number) => Destination | undefined;

/** The local address is the one that was meant; without a redirect it is the listener's own. */
export function restoredAddresses(socket: Socket, restore: Restore = originalDestination): Addresses {
  const meant = restore((socket as unknown as { readonly fd: number }).fd);
  return {
    remoteAddress: unmapped(socket.remoteAddress),
    remotePort: socket.remotePort,
    localAddress: meant?.address ?? unmapped(socket.localAddress),
    localPort: meant?.port ?? socket.localPort,
  };
}

/** Listeners without a socket of their own, by address and port; `0.0.0.0` and `::` stand for every address. */
export class Unbound<T extends { readonly config: { readonly address: string; readonly port: number } }> {
  private readonly byPlace = new Map<string, T>();

  set(listener: T): void {
    this.byPlace.set(placeOf(listener.config.address, listener.config.port), listener);
  }

  delete(listener: T): void {
    const place = placeOf(listener.config.address, listener.config.port);
    if (this.byPlace.get(place) === listener) this.byPlace.delete(place);
  }

  find(address: string, port: number): T | undefined {
    const any = address.includes(":") ? "::" : "0.0.0.0";
    return (
      this.byPlace.get(placeOf(address, port)) ??
      this.byPlace.get(placeOf(any, port)) ??
      // Dual stack: a listener of every IPv6 address takes IPv4 too.
      (any === "0.0.0.0" ? this.byPlace.get(placeOf("::", port)) : undefined)
    );
  }
}

const placeOf = (address: string, port: number): string => `${address}\0${port}`;
