/** The certificate of the control plane's own TLS port: signed by the mesh's CA, made anew at half its life. */
import type { Clock } from "../../base/index.ts";
import type { Ca } from "../../identity/ca/index.ts";
import type { GrpcTls } from "../../wire/grpc/index.ts";

/** Made anew at the latest after this, however long it lives. */
export const rotateMs = 12 * 3_600_000;
/** Looked at this often, as a suspended machine's timers stand still; ten times a life at least. */
const checkEveryMs = 60_000;

export interface ServerCertificate {
  readonly tls: GrpcTls;
  /** Hands each new one to `take`, until stopped. */
  keepFresh(take: (tls: GrpcTls) => void): () => void;
}

/** `names`: DNS names and addresses that clients may use. */
export function createServerCertificate(
  ca: Pick<Ca, "rootPem" | "serverCertificate">,
  names: { readonly dns: readonly string[]; readonly ips: readonly string[] },
  clock: Clock,
): ServerCertificate {
  const make = () => {
    const { certPem, keyPem, notAfter } = ca.serverCertificate(names.dns, names.ips);
    const now = clock.wall();
    const life = notAfter - now;
    return { tls: { certPem, keyPem, caPem: ca.rootPem }, life, due: now + Math.min(rotateMs, life / 2) };
  };
  let current = make();
  return {
    get tls() {
      return current.tls;
    },
    keepFresh(take) {
      const timer = clock.every(Math.min(checkEveryMs, current.life / 10), () => {
        if (clock.wall() < current.due) return;
        current = make();
        take(current.tls);
      });
      return () => timer.cancel();
    },
  };
}
