export { whoListens } from "./holder.ts";
export { holderTimeoutMs, maxHolderBytes } from "./limits.ts";
export { AddressInUseError, type AddressLock, lockAddress, probeAddress } from "./lock.ts";
export { canRestore, type Destination, originalDestination } from "./original-dst.ts";
