/** Transparent capture: rules, namespaces, and the ways between them. */
export { handoverVariable } from "./addresses.ts";
export { type Entered, enterCapture } from "./enter.ts";
export { type Backend, findBackend, foreignRedirects, install, installSteps, uninstall } from "./install.ts";
export { nftUninstall } from "./nft.ts";
export { annotationName, annotationsFrom, type RuleFlags, rulesFrom } from "./parse.ts";
export { type CaptureRules, defaultRules } from "./rules.ts";
export { startTransparent, type Transparent } from "./transparent.ts";
