export { type Ca, type CaMaterial, type CaOptions, type CaStore, createCa, memoryCaStore } from "./ca.ts";
export {
  type Caller,
  type CsrMetadata,
  CsrRefusal,
  type CsrRequest,
  type CsrResponse,
  type CsrService,
  csrService,
} from "./csr-service.ts";
export {
  backDateMs,
  leafTtlMs,
  maxCsrBytes,
  maxLeafTtlMs,
  minLeafTtlMs,
  rootTtlMs,
  serverTtlMs,
} from "./limits.ts";
