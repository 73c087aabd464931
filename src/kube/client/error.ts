/** One error class for everything that talking to an API server can give. */

/** metav1.StatusCause. */
export interface StatusCause {
  /** `spec.http[0].route[1]`; "" where none is named. */
  readonly field: string;
  readonly message: string;
  readonly reason: string;
}

export interface KubeErrorInit {
  readonly status: number;
  readonly reason: string;
  readonly message: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** `status` is the HTTP code, 0 where the server was not reached. `reason` as metav1.Status has it. */
export class KubeError extends Error {
  override name = "KubeError";
  readonly status: number;
  readonly reason: string;
  readonly causes: readonly StatusCause[];
  readonly retryAfterMs: number | undefined;

  constructor(init: KubeErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.status = init.status;
    this.reason = init.reason;
    this.causes = init.causes ?? [];
    this.retryAfterMs = init.retryAfterMs;
  }

  get notFound(): boolean {
    return this.status === 404;
  }

  get conflict(): boolean {
    return this.status === 409;
  }

  /** The resourceVersion is too old (or of another life of the store): list again. */
  get gone(): boolean {
    return this.status === 410;
  }
}

/** True for a KubeError of that HTTP status. */
export function isKubeError(error: unknown, status?: number): error is KubeError {
  return error instanceof KubeError && (status === undefined || error.status === status);
}

interface StatusBody {
  readonly kind?: unknown;
  readonly message?: unknown;
  readonly reason?: unknown;
  readonly code?: unknown;
  readonly details?: { readonly causes?: unknown; readonly retryAfterSeconds?: unknown };
}

/** From a metav1.Status body, or from whatever else answered (a proxy's page, nothing). */
export function errorFromBody(status: number, body: unknown, what: string): KubeError {
  const s = (typeof body === "object" && body !== null ? body : {}) as StatusBody;
  const causes = Array.isArray(s.details?.causes) ? s.details.causes : [];
  const code = s.kind === "Status" && typeof s.code === "number" ? s.code : status;
  const retry = s.details?.retryAfterSeconds;
  return new KubeError({
    status: code,
    reason: typeof s.reason === "string" ? s.reason : reasonOf(code),
    message: typeof s.message === "string" ? s.message : `${what}: the server answered ${status}`,
    causes: causes.map((c: { field?: unknown; message?: unknown; reason?: unknown }) => ({
      field: String(c?.field ?? ""),
      message: String(c?.message ?? ""),
      reason: String(c?.reason ?? ""),
    })),
    retryAfterMs: typeof retry === "number" ? retry * 1000 : undefined,
  });
}

function reasonOf(status: number): string {
  switch (status) {
    case 400:
      return "BadRequest";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "NotFound";
    case 409:
      return "Conflict";
    case 410:
      return "Expired";
    case 422:
      return "Invalid";
    case 429:
      return "TooManyRequests";
    default:
      return status >= 500 ? "InternalError" : "Unknown";
  }
}

/** Texts of `Warning: 299 - "text"` headers (RFC 7234, as the API server sends them), in order. */
export function parseWarnings(header: string | null): string[] {
  if (header === null) return [];
  const pattern = /\b\d{3} \S+ "((?:[^"\\]|\\.)*)"/g;
  return [...header.matchAll(pattern)].map((m) => m[1]!.replace(/\\(.)/g, "$1"));
}
