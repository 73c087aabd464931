/** Bytes of a bootstrap file. */
export const maxBootstrapBytes = 16_777_216;
/** A compiler process that takes longer is ended. */
export const compileMs = 30_000;
