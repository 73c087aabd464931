/**
 * Addresses of workloads in namespaces of their own. The last two octets are the same everywhere: 127.66.a.b on the
 * host (for the admin pages and whoever calls from there), 10.66.a.b and fd66::a:b on the network that they share.
 */

/** What is reached directly. */
export const networkRanges = ["10.66.0.0/16", "fd66::/64"] as const;

const form = /^(?:127|10)\.66\.(\d{1,3})\.(\d{1,3})$/;

export interface Addresses {
  readonly host: string;
  readonly v4: string;
  readonly v6: string;
}

/** From any of the IPv4 ones; undefined for other addresses. */
export function addressesFor(address: string): Addresses | undefined {
  const [, a, b] = form.exec(address) ?? [];
  if (a === undefined || b === undefined || Number(a) > 255 || Number(b) > 255) return undefined;
  const low = ((Number(a) << 8) | Number(b)).toString(16);
  return { host: `127.66.${a}.${b}`, v4: `10.66.${a}.${b}`, v6: `fd66::1:${low}` };
}

/** Environment variable that tells a sidecar what was prepared for it; not the application's. */
export const handoverVariable = "WEFT_CAPTURE";
