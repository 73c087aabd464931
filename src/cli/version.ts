import pkg from "../../package.json" with { type: "json" };

/** Version of this build; the same for every role of the program. */
export const weftVersion: string = pkg.version;
