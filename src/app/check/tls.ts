/** Whom a TLS port shows itself as. */
import { connect } from "node:tls";
import type { Clock } from "../../base/index.ts";
import { limits } from "./limits.ts";

export interface Shown {
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

/** Connects, verifies against the root and hangs up; rejects with what is wrong. */
export function shownCertificate(options: {
  readonly address: string;
  readonly caPem: string | undefined;
  readonly alpn?: readonly string[];
  readonly clock: Clock;
}): Promise<Shown> {
  const { address, caPem, alpn, clock } = options;
  const at = address.lastIndexOf(":");
  const host = address.slice(0, at).replace(/^\[|\]$/g, "");
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port: Number(address.slice(at + 1)),
      ...(caPem === undefined ? {} : { ca: caPem }),
      ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
    });
    const late = clock.after(limits.connectMs, () => socket.destroy(new Error("no answer")));
    socket.once("secureConnect", () => {
      const { valid_to } = socket.getPeerCertificate();
      resolve({ notAfter: Date.parse(valid_to) });
      socket.end();
      late.cancel();
    });
    socket.once("error", (error) => {
      late.cancel();
      reject(error);
    });
  });
}
