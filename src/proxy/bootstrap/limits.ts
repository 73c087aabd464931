/** Bytes of a bootstrap file. */
export const maxBootstrapBytes = 16_777_216;
/** Aliases that a YAML file may expand to. */
export const maxAliases = 100;
/** Nesting of the file; Envoy's YAML limit is 100 too. */
export const maxJsonDepth = 100;
/** A compiler process that takes longer is ended. */
export const compileMs = 30_000;
