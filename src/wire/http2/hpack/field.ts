import { fieldValueChar, lowerToken } from "../../http/index.ts";

const pseudo: ReadonlySet<string> = new Set([
  ":method",
  ":scheme",
  ":authority",
  ":path",
  ":status",
  ":protocol",
]);
const connectionSpecific: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

const space = (c: number): boolean => c === 32 || c === 9;

/** "" or why a field named so makes its message malformed (RFC 9113 section 8.2). */
export function nameFault(name: string): string {
  if (name.length === 0) return "field name is empty";
  if (name.charCodeAt(0) === 58) return pseudo.has(name) ? "" : "unknown pseudo-header field";
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    // NUL is no token, though the table gives 0 for it.
    if (lowerToken[c] !== c || c === 0) return "field name is not a lower-case token";
  }
  return connectionSpecific.has(name) ? "connection-specific field" : "";
}

/** "" or why a value is malformed. */
export function valueFault(value: string): string {
  const { length } = value;
  for (let i = 0; i < length; i++) {
    if (fieldValueChar[value.charCodeAt(i)] === 0) return "field value holds a control character";
  }
  if (length > 0 && (space(value.charCodeAt(0)) || space(value.charCodeAt(length - 1)))) {
    return "field value begins or ends with white space";
  }
  return "";
}

/** "" or why a field makes its message malformed. */
export function fieldFault(name: string, value: string): string {
  const fault = nameFault(name);
  if (fault !== "") return fault;
  if (name === "te" && value.toLowerCase() !== "trailers") return "te is not: trailers";
  return valueFault(value);
}
