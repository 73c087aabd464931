/** Named bounds of reading manifests. */

/** Bytes of one manifest file: the API server's own limit for a request is 3 MiB. */
export const maxManifestBytes = 3 * 1024 * 1024;
/** Expansions of YAML aliases: a document of nested anchors must not fill the memory. */
export const maxAliases = 100;
/** Files in one directory tree. */
export const maxManifestFiles = 2_000;
/** Positions kept in annotation weft.dev/source, which shares 256 KiB with all others. */
export const maxSourceFields = 400;
