export { defaultAccessLogFormat } from "./access-log.ts";
export { extensionRegistry } from "./any.ts";
export { checkFields } from "./check.ts";
export type { CompiledCluster, TransportMatch } from "./cluster.ts";
export type { CompiledEndpoint, CompiledEndpoints } from "./endpoints.ts";
export type { CompiledListener } from "./listener.ts";
export { describeProblems, Findings, Path, type Problem } from "./path.ts";
export { resolveEndpoints } from "./resolve/index.ts";
export {
  anyToJson,
  type CompiledResource,
  type CompiledRoute,
  compileAny,
  compileMessage,
  decodeResource,
  type Outcome,
  resourceSchema,
} from "./resource.ts";
export { secretOfAny } from "./secret.ts";
export { type SecretSource, secretResource } from "./tls.ts";
export {
  durationMs,
  hostPort,
  isIpAddress,
  socketAddress,
  type TextSource,
  textSource,
} from "./values.ts";
export type { Waits } from "./waits.ts";
