/** IstioCertificateService/CreateCertificate without a transport: who calls decides what is signed. */
import type { Logger } from "../../base/index.ts";
import { spiffeId } from "../spiffe/index.ts";
import type { Ca } from "./ca.ts";

/** Reads a header of the call; lower-case names, undefined without. */
export type CsrMetadata = (name: string) => string | undefined;

/** Who the credential says the caller is; never taken from the request. */
export type Caller =
  | { readonly ok: true; readonly namespace: string; readonly serviceAccount: string }
  | { readonly ok: false; readonly reason: string };

export interface CsrRequest {
  readonly csr: string;
  /** Seconds; 0: the default. */
  readonly validityDuration: number | bigint;
}

export interface CsrResponse {
  /** Leaf, intermediates, root(s) last. PEM, one certificate each. */
  readonly certChain: string[];
}

/** A refusal with its gRPC status: 3 invalid argument, 13 internal, 14 unavailable, 16 unauthenticated. */
export class CsrRefusal extends Error {
  override name = "CsrRefusal";
  readonly grpcStatus: 3 | 13 | 14 | 16;

  constructor(grpcStatus: 3 | 13 | 14 | 16, message: string) {
    super(message);
    this.grpcStatus = grpcStatus;
  }
}

export type CsrService<Peer> = (
  request: CsrRequest,
  metadata: CsrMetadata,
  peer: Peer,
) => Promise<CsrResponse>;

/**
 * The service. `authenticate` judges the credential (bearer token by TokenReview, or the client certificate); a throw
 * there is status 14 (try again), a refusal 16, a bad request 3. Its details name no secret.
 */
export function csrService<Peer>(options: {
  readonly ca: Pick<Ca, "sign" | "trustDomain">;
  readonly authenticate: (metadata: CsrMetadata, peer: Peer) => Promise<Caller>;
  readonly log: Logger;
}): CsrService<Peer> {
  const { ca, authenticate, log } = options;
  return async (request, metadata, peer) => {
    let caller: Caller;
    try {
      caller = await authenticate(metadata, peer);
    } catch (error) {
      log.warn("the caller of CreateCertificate could not be checked", { error: String(error) });
      throw new CsrRefusal(14, "the credential could not be checked, try again");
    }
    if (!caller.ok) {
      log.warn("CreateCertificate refused", { reason: caller.reason });
      throw new CsrRefusal(16, `not authenticated: ${caller.reason}`);
    }
    let id = "";
    try {
      id = spiffeId(ca.trustDomain, caller.namespace, caller.serviceAccount);
      const seconds = Number(request.validityDuration);
      const signed = ca.sign(request.csr, { id, ttlMs: seconds * 1000 });
      log.info("certificate signed", { id, notAfter: new Date(signed.notAfter).toISOString() });
      return { certChain: signed.chainPem };
    } catch (error) {
      if (error instanceof RangeError) {
        log.warn("CreateCertificate refused", { id, reason: error.message });
        throw new CsrRefusal(3, error.message);
      }
      log.error("signing failed", { id, error: String(error) });
      throw new CsrRefusal(13, "signing failed");
    }
  };
}
