/** Bodies of requests: JSON, YAML, and the protobuf that kubectl's generators send. */
import { parseDocument } from "yaml";
import { MAX_BODY_BYTES, MAX_BODY_DEPTH, MAX_YAML_ALIASES } from "./limits.ts";
import { decodeProtobuf } from "./protobuf.ts";
import { badRequest, tooLarge, unsupportedMedia } from "./status.ts";

export interface Body {
  readonly value: unknown;
  /** Fields that stood twice in one object; the last one counts. */
  readonly duplicates: readonly string[];
}

/** The media type without parameters, lower case. */
export const mediaType = (request: Request): string =>
  (request.headers.get("content-type") ?? "application/json").split(";")[0]!.trim().toLowerCase();

/** Reads a body within its limit. */
export async function readBytes(request: Request): Promise<Uint8Array> {
  const refuse = () => tooLarge(`the request is larger than the limit of ${MAX_BODY_BYTES} bytes`);
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) throw refuse();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw refuse();
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/** Decodes an object; `type` as of `mediaType`. */
export function decodeBody(bytes: Uint8Array, type: string): Body {
  if (bytes.length === 0) return { value: undefined, duplicates: [] };
  if (type === "application/vnd.kubernetes.protobuf") return { value: decodeProtobuf(bytes), duplicates: [] };
  const text = new TextDecoder("utf-8", { ignoreBOM: false }).decode(bytes);
  if (type.endsWith("json") || type === "text/plain") return decodeJson(text);
  if (type.endsWith("yaml")) return decodeYaml(text);
  throw unsupportedMedia(
    `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf (the kinds that kubectl's generators make)`,
  );
}

function decodeJson(text: string): Body {
  const duplicates = scan(text);
  try {
    return { value: JSON.parse(text), duplicates };
  } catch (e) {
    throw badRequest(`the object provided is not JSON: ${(e as Error).message}`);
  }
}

function decodeYaml(text: string): Body {
  const document = parseDocument(text, { version: "1.1", uniqueKeys: true });
  const error = document.errors[0];
  if (error) throw badRequest(`the object provided is not YAML: ${error.message}`);
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_YAML_ALIASES });
    scan(JSON.stringify(value) ?? "null");
    return { value, duplicates: [] };
  } catch (e) {
    throw badRequest(`the object provided is not acceptable YAML: ${(e as Error).message}`);
  }
}

/** One pass over JSON text: refuses deep nesting, before a recursive parser meets it, and notes duplicates. */
function scan(text: string): string[] {
  const found: string[] = [];
  /** One entry a container: the keys of an object, or undefined for an array; and what it is called. */
  const stack: { keys: Set<string> | undefined; name: string; count: number }[] = [];
  let lastString = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    const top = stack.at(-1);
    if (c === '"') {
      const start = i;
      for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === "\\") i++;
      lastString = text.slice(start + 1, i);
    } else if (c === ":" && top?.keys) {
      if (top.keys.has(lastString) && found.length < 64) found.push(pathOf(stack, lastString));
      top.keys.add(lastString);
      top.name = lastString;
    } else if (c === "{" || c === "[") {
      if (stack.length >= MAX_BODY_DEPTH)
        throw badRequest(`the object is nested deeper than ${MAX_BODY_DEPTH} levels`);
      stack.push({ keys: c === "{" ? new Set() : undefined, name: "", count: 0 });
    } else if (c === "}" || c === "]") stack.pop();
    else if (c === "," && top && !top.keys) top.count++;
  }
  return found;
}

function pathOf(
  stack: readonly { keys: Set<string> | undefined; name: string; count: number }[],
  key: string,
): string {
  let path = "";
  for (const [i, level] of stack.entries()) {
    if (!level.keys) path += `[${level.count}]`;
    else path += `${path === "" ? "" : "."}${i === stack.length - 1 ? key : level.name}`;
  }
  return path;
}
