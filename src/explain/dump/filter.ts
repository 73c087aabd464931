/** istioctl's filters; absent: everything. */
export interface DumpFilter {
  /** A host; `reviews` and `reviews.default` mean the whole name. */
  readonly fqdn?: string | undefined;
  readonly port?: number | undefined;
  readonly direction?: "inbound" | "outbound" | undefined;
  readonly subset?: string | undefined;
  /** The resource's own name. */
  readonly name?: string | undefined;
  /** IP address. */
  readonly address?: string | undefined;
  /** Endpoints of this cluster. */
  readonly cluster?: string | undefined;
  /** `healthy`, `unhealthy`, `draining`: as the row says it. */
  readonly status?: string | undefined;
}
