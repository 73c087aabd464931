/** Bounds of discovery. */

/** ConfigSource.initial_fetch_timeout's default. */
export const fetchMs = 15_000;

/** Bytes of a discovery file. */
export const maxFileBytes = 16 * 1024 * 1024;

/** A changed file is read when its folder was quiet this long: writers write in pieces. */
export const fileQuietMs = 20;
