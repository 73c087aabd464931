export {
  fieldValueChar,
  hexValue,
  isFieldValue,
  isToken,
  lowerToken,
  targetChar,
} from "./chars.ts";
export {
  appendHeader,
  getAllHeaders,
  getHeader,
  type HeaderList,
  hasHeader,
  removeHeader,
  setHeader,
} from "./header-list.ts";
