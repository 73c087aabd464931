/** Limits of the address lock. */

/** Longest answer read from another holder. */
export const maxHolderBytes = 256;
/** How long to wait for the holder to say who it is. */
export const holderTimeoutMs = 500;
