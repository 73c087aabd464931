/** Aliases that a YAML file may expand to. */
export const maxAliases = 100;
/** Nesting of the file; Envoy's YAML limit is 100 too. */
export const maxJsonDepth = 100;
