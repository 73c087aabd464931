/** Manifests: files to objects with positions, objects to the API server, answers back to lines. */
export {
  type Applied,
  type ApplyOptions,
  applyManifests,
  resourceName,
  sourceAnnotation,
} from "./apply.ts";
export { fieldSteps } from "./field-path.ts";
export { maxAliases, maxManifestBytes, maxManifestFiles, maxSourceFields } from "./limits.ts";
export { type LoadOptions, loadManifests } from "./load.ts";
export { type ManifestObject, type ParsedManifest, parseManifest } from "./parse.ts";
