export {
  checkEveryMs,
  maxAnswerCertificates,
  renewAtRatio,
  renewJitter,
  requestTimeoutMs,
  retryBaseMs,
  retryMaxMs,
  svidTtlMs,
} from "./limits.ts";
export { createSvidManager, type SvidManager, type SvidManagerOptions, type SvidStatus } from "./manager.ts";
export { loadSvid, maxStateBytes, saveSvid } from "./state.ts";
export { assembleSvid, checkSvid, type Svid, type SvidResult, unionPem } from "./svid.ts";
