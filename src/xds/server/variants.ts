/** The two variants of the protocol as the server's streams use them. */
import type {
  DeltaDiscoveryRequest,
  DiscoveryRequest,
} from "../../proto/gen/envoy/service/discovery/v3/discovery_pb.js";
import {
  type DeltaRequest,
  DeltaSubscription,
  encodeDeltaResponse,
  encodeSotwResponse,
  type ResponseParts,
  type SotwRequest,
  SotwSubscription,
  type Subscription,
} from "../protocol/index.ts";

export interface Variant<Request> {
  /** Starts the books of one type. */
  subscription(typeUrl: string): Subscription<Request>;
  encode(response: ResponseParts): Uint8Array;
}

export const delta: Variant<DeltaRequest> = {
  subscription: () => new DeltaSubscription(),
  encode: encodeDeltaResponse,
};

export const sotw: Variant<SotwRequest> = {
  subscription: (url) => new SotwSubscription(url),
  encode: encodeSotwResponse,
};

const errorOf = (detail: { readonly message: string } | undefined): string | undefined =>
  detail === undefined ? undefined : detail.message || "refused without a message";

export function deltaRequest(request: DeltaDiscoveryRequest): DeltaRequest {
  return {
    subscribe: request.resourceNamesSubscribe,
    unsubscribe: request.resourceNamesUnsubscribe,
    initialVersions: request.initialResourceVersions,
    nonce: request.responseNonce,
    error: errorOf(request.errorDetail),
  };
}

export function sotwRequest(request: DiscoveryRequest): SotwRequest {
  return {
    names: request.resourceNames,
    nonce: request.responseNonce,
    error: errorOf(request.errorDetail),
  };
}
