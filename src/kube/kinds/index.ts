export type { ColumnDefinition } from "./columns.ts";
export { isIpv4 } from "./core-rules.ts";
export { crdOf, crdVersion, customResourceDefinitions, isCustomGroup } from "./crds.ts";
export { applyDefaults } from "./defaults.ts";
export {
  type Definition,
  type DefinitionSpec,
  defaultDefinition,
  kindOfDefinition,
  sortVersions,
} from "./definition.ts";
export { fillDefaults } from "./fill-defaults.ts";
export type * from "./istio-types.ts";
export type { Kind, ScalePaths } from "./kind.ts";
export type * from "./linkerd-types.ts";
export { checkLabels } from "./meta.ts";
export { isDnsLabel, isDnsSubdomain, labelValueProblems, qualifiedNameProblems } from "./names.ts";
export type { Cause, Schema } from "./schema.ts";
export { hasShapes } from "./shape-files.ts";
export { type ShapeField, type ShapeType, shapeName, shapeOf } from "./shapes.ts";
export { apiVersionOf, kindOf, kindOfResource, kinds, parseApiVersion } from "./table.ts";
export type * from "./types.ts";
export { objectSchema, type Validation, validate, validateObject } from "./validate.ts";
