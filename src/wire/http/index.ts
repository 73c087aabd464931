export { type Authority, isAuthority, normalizeHost, parseAuthority } from "./authority.ts";
export { fieldValueChar, hexValue, isFieldValue, isToken, lowerToken, targetChar } from "./chars.ts";
export { parseContentLength } from "./content-length.ts";
export {
  appendHeader,
  getAllHeaders,
  getHeader,
  type HeaderList,
  hasHeader,
  removeHeader,
  removeHeaders,
  setHeader,
} from "./header-list.ts";
export { type Latin1Target, latin1 } from "./latin1.ts";
export { defaultPathOptions, normalizePath, type PathOptions } from "./path.ts";
export { parseTarget, resolveTarget, type Target, type TargetForm } from "./target.ts";
export { isForbiddenTrailer } from "./trailers.ts";
