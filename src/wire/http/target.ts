import { isAuthority } from "./authority.ts";
import { getHeader } from "./header-list.ts";

/** The four forms of a request target (RFC 9112 section 3.2). */
export type TargetForm = "origin" | "absolute" | "authority" | "asterisk";

export interface Target {
  readonly form: TargetForm;
  /** From the absolute form, else "". Lower case. */
  readonly scheme: "http" | "https" | "";
  /** From the target where it has one (it wins over Host), else ""; not canonicalised. */
  readonly authority: string;
  /** Path and query as sent; "/" where the absolute form has none, "*" for asterisk, "" for CONNECT. */
  readonly path: string;
}

/** Splits a request target; undefined where it is none of the four forms for that method. */
export function parseTarget(method: string, target: string): Target | undefined {
  if (method === "CONNECT") {
    if (!isAuthority(target) || !/:\d+$/.test(target)) return undefined;
    return { form: "authority", scheme: "", authority: target, path: "" };
  }
  if (target.charCodeAt(0) === 47) return { form: "origin", scheme: "", authority: "", path: target };
  if (target === "*") {
    return method === "OPTIONS" ? { form: "asterisk", scheme: "", authority: "", path: "*" } : undefined;
  }
  return parseAbsolute(target);
}

function parseAbsolute(target: string): Target | undefined {
  const colon = target.indexOf("://");
  if (colon !== 4 && colon !== 5) return undefined;
  const scheme = target.slice(0, colon).toLowerCase();
  if (scheme !== "http" && scheme !== "https") return undefined;
  const start = colon + 3;
  let end = start;
  while (end < target.length) {
    const c = target.charCodeAt(end);
    if (c === 47 || c === 63) break;
    end++;
  }
  const authority = target.slice(start, end);
  if (!isAuthority(authority)) return undefined;
  const rest = target.slice(end);
  return { form: "absolute", scheme, authority, path: rest.charCodeAt(0) === 47 ? rest : `/${rest}` };
}

/**
 * What a request is for: the authority of its target, else its Host (RFC 9112 section 3.3). The caller
 * writes the authority back as Host before it authorises, routes or forwards (HARDENING row 8).
 */
export function resolveTarget(head: {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
}): Target | undefined {
  const target = parseTarget(head.method, head.target);
  if (target === undefined || target.authority !== "") return target;
  return { ...target, authority: getHeader(head.headers, "host") ?? "" };
}
