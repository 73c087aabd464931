/** Errors as Kubernetes answers them: metav1.Status with reason, details and causes. */
import type { Cause } from "../kinds/index.ts";

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly Cause[];
  readonly retryAfterSeconds?: number;
}

/** A request that cannot be served, for a reason that its author can understand. */
export class StatusError extends Error {
  override name = "StatusError";
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;
  private readonly metadata: Readonly<Record<string, string>>;
  constructor(
    code: number,
    reason: string,
    message: string,
    details?: StatusDetails,
    metadata: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
    this.metadata = metadata;
  }
  toStatus(): Record<string, unknown> {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: this.metadata,
      status: "Failure",
      message: this.message,
      ...(this.reason && { reason: this.reason }),
      ...(this.details && { details: this.details }),
      code: this.code,
    };
  }
}

/** What messages name: `virtualservices.networking.istio.io`. */
export interface Named {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}
const qualified = (k: Named): string => (k.group === "" ? k.plural : `${k.plural}.${k.group}`);
const details = (k: Named, name: string): StatusDetails => ({
  ...(name && { name }),
  ...(k.group && { group: k.group }),
  kind: k.plural,
});

/** What Kubernetes answers with 500 although it is the caller's mistake; without a reason. */
export const unexplained = (message: string): StatusError => new StatusError(500, "", message);
export const badRequest = (message: string): StatusError => new StatusError(400, "BadRequest", message);
export const unauthorized = (): StatusError => new StatusError(401, "Unauthorized", "Unauthorized");
export const forbidden = (message: string, about?: StatusDetails): StatusError =>
  new StatusError(403, "Forbidden", message, about);
export const noSuchPath = (): StatusError =>
  new StatusError(404, "NotFound", "the server could not find the requested resource", {});
export const notFound = (k: Named, name: string): StatusError =>
  new StatusError(404, "NotFound", `${qualified(k)} "${name}" not found`, details(k, name));
export const methodNotAllowed = (): StatusError =>
  new StatusError(
    405,
    "MethodNotAllowed",
    "the server does not allow this method on the requested resource",
    {},
  );
export const alreadyExists = (k: Named, name: string): StatusError =>
  new StatusError(409, "AlreadyExists", `${qualified(k)} "${name}" already exists`, details(k, name));
export const conflict = (k: Named, name: string, why?: string): StatusError =>
  new StatusError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualified(k)} "${name}": ${
      why ?? "the object has been modified; please apply your changes to the latest version and try again"
    }`,
    details(k, name),
  );
export const gone = (message: string): StatusError => new StatusError(410, "Expired", message);
/** The revision that was asked for is yet to come. */
export const tooNew = (wanted: number, current: number): StatusError =>
  new StatusError(504, "Timeout", `Timeout: Too large resource version: ${wanted}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version", field: "" }],
    retryAfterSeconds: 1,
  });
export const tooLarge = (message: string): StatusError =>
  new StatusError(413, "RequestEntityTooLarge", message);
export const unsupportedMedia = (message: string): StatusError =>
  new StatusError(415, "UnsupportedMediaType", message);
export const tooMany = (message: string): StatusError =>
  new StatusError(429, "TooManyRequests", message, { retryAfterSeconds: 1 });
export const internal = (message: string): StatusError => new StatusError(500, "InternalError", message);

/** The store wrote nothing: 507 on a full disk, 429 where too many writes wait for it, 500 otherwise. */
export function unwritten(why: "failed" | "full" | "busy", message: string): StatusError {
  if (why === "busy") return tooMany(message);
  if (why === "failed") return internal(`the store refused the write: ${message}`);
  return new StatusError(
    507,
    "InsufficientStorage",
    `the disk of the data directory is full, nothing was written (${message}): make room and try again`,
    { retryAfterSeconds: 5 },
  );
}

/** 422 for a patch that does not fit the object. */
export const invalidPatch = (message: string): StatusError =>
  new StatusError(
    422,
    "Invalid",
    `the server rejected our request due to an error in our request: ${message}`,
  );

/** 422 with its causes; the message lists them as Kubernetes does. */
export function invalid(k: Named, name: string, causes: readonly Cause[]): StatusError {
  const texts = causes.map((c) => `${c.field}: ${c.message}`);
  const list = texts.length === 1 ? texts[0]! : `[${texts.join(", ")}]`;
  const kind = k.group === "" ? k.kind : `${k.kind}.${k.group}`;
  return new StatusError(422, "Invalid", `${kind} "${name}" is invalid: ${list}`, {
    ...(name && { name }),
    ...(k.group && { group: k.group }),
    kind: k.kind,
    causes,
  });
}
