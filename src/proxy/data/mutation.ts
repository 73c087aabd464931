/** Header additions and removals of a route. */
import { type HeaderList, hasHeader, removeHeader, setHeader } from "../../wire/http/index.ts";
import type { HeaderMutation } from "../config/index.ts";

/** Removals first, then additions (Envoy). Framing and pseudo-headers are never touched. */
export function mutateHeaders(
  headers: HeaderList,
  remove: readonly string[],
  add: readonly HeaderMutation[],
): void {
  for (const name of remove) if (allowed(name)) removeHeader(headers, name.toLowerCase());
  for (const { name: given, value, action } of add) {
    const name = given.toLowerCase();
    if (!allowed(name)) continue;
    if (action === "append") headers.push(name, value);
    else if (action === "overwrite") setHeader(headers, name, value);
    else if ((action === "add-if-absent") !== hasHeader(headers, name)) setHeader(headers, name, value);
  }
}

const forbidden = new Set(["host", "content-length", "transfer-encoding", "connection"]);

function allowed(name: string): boolean {
  return name.charCodeAt(0) !== 58 && !forbidden.has(name.toLowerCase());
}
