/** JSON patch (RFC 6902) and JSON merge patch (RFC 7386). Neither changes its input. */
import { MAX_BODY_DEPTH, MAX_PATCH_COPY_BYTES, MAX_PATCH_OPERATIONS } from "./limits.ts";
import { badRequest, invalidPatch, tooLarge } from "./status.ts";

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}
type Container = Record<string, unknown> | unknown[];

/** Applies the operations in order; any that cannot be applied fails the whole (422, as Kubernetes). */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest("a JSON patch is an array of operations");
  if (patch.length > MAX_PATCH_OPERATIONS) {
    throw tooLarge(
      `the allowed maximum operations in a JSON patch is ${MAX_PATCH_OPERATIONS}, got ${patch.length}`,
    );
  }
  const root = { "": structuredClone(document) };
  const budget = { copied: 0 };
  for (const operation of patch as Operation[]) apply(root, operation, budget);
  return root[""];
}

function apply(root: Container, operation: Operation, budget: { copied: number }): void {
  if (operation === null || typeof operation !== "object" || typeof operation.path !== "string") {
    throw badRequest("an operation of the JSON patch has no path");
  }
  const path = pointer(operation.path);
  switch (operation.op) {
    case "add":
      add(root, path, structuredClone(operation.value));
      return;
    case "remove":
      remove(root, path);
      return;
    case "replace":
      read(root, path);
      if (path.length > 1) remove(root, path);
      add(root, path, structuredClone(operation.value));
      return;
    case "test":
      if (!Bun.deepEquals(read(root, path), operation.value)) {
        throw invalidPatch(`testing value ${operation.path.slice(0, 200)} failed: the values differ`);
      }
      return;
    case "move":
    case "copy": {
      const from = pointer(operation.from ?? "");
      const value = structuredClone(read(root, from));
      if (operation.op === "move") {
        if (operation.path.startsWith(`${operation.from}/`))
          throw invalidPatch("cannot move a value into itself");
        remove(root, from);
      } else {
        budget.copied += JSON.stringify(value ?? null).length;
        if (budget.copied > MAX_PATCH_COPY_BYTES) {
          throw tooLarge(`the copies of a JSON patch may not exceed ${MAX_PATCH_COPY_BYTES} bytes`);
        }
      }
      add(root, path, value);
      return;
    }
    default:
      throw badRequest(`unknown operation "${String(operation.op).slice(0, 50)}" in the JSON patch`);
  }
}

/** RFC 6901; the first part is the document itself. */
function pointer(text: string): string[] {
  if (text !== "" && !text.startsWith("/")) throw badRequest(`"${text.slice(0, 200)}" is not a JSON pointer`);
  const parts = text.split("/").map((p) => p.replaceAll("~1", "/").replaceAll("~0", "~"));
  if (parts.length > MAX_BODY_DEPTH) throw badRequest("the JSON pointer is too deep");
  return parts;
}

function step(at: unknown, part: string): unknown {
  if (Array.isArray(at)) {
    const i = index(part, at.length - 1);
    return at[i];
  }
  if (at !== null && typeof at === "object" && Object.hasOwn(at, part))
    return (at as Record<string, unknown>)[part];
  throw invalidPatch(`the path of the JSON patch does not exist at "${part.slice(0, 200)}"`);
}

function index(part: string, max: number): number {
  const n = /^(?:0|[1-9]\d{0,8})$/.test(part) ? Number(part) : -1;
  if (n < 0 || n > max) throw invalidPatch(`index "${part.slice(0, 50)}" is out of bounds`);
  return n;
}

const read = (root: unknown, path: readonly string[]): unknown => path.reduce(step, root);

function add(root: Container, path: readonly string[], value: unknown): void {
  const at = read(root, path.slice(0, -1));
  const part = path.at(-1)!;
  if (Array.isArray(at)) at.splice(part === "-" ? at.length : index(part, at.length), 0, value);
  else if (at !== null && typeof at === "object") put(at as Record<string, unknown>, part, value);
  else throw invalidPatch(`the path of the JSON patch leads through a scalar at "${part.slice(0, 200)}"`);
}

function remove(root: Container, path: readonly string[]): void {
  const at = read(root, path.slice(0, -1));
  const part = path.at(-1)!;
  step(at, part);
  if (Array.isArray(at)) at.splice(index(part, at.length - 1), 1);
  else delete (at as Record<string, unknown>)[part];
}

/** `__proto__` becomes an ordinary key and reaches no prototype. */
export function put(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else target[key] = value;
}

/** RFC 7386: null removes, objects merge, everything else replaces. */
export function applyMergePatch(document: unknown, patch: unknown): unknown {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const base = document !== null && typeof document === "object" && !Array.isArray(document) ? document : {};
  const out: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else put(out, key, applyMergePatch(Object.hasOwn(out, key) ? out[key] : undefined, value));
  }
  return out;
}
